"""Which webhooks there are."""

from mainspring.web.webhooks.webhook_table import WebhookTable
from tests.unit.triggers.webhooks import event, known, whole


def test_table_holds_webhooks_that_have_their_path():
    """Not those whose path another one has; one that is gone is found no more."""
    table = WebhookTable()
    assert not table.is_read
    webhooks = known(whole)
    table.replace([webhooks, known(event, None)])
    found = table.find("/x")
    assert found is not None
    assert (found.trigger, found.webhook) == (webhooks.name, webhooks.trigger.source)
    assert len(table) == 1
    table.replace([])
    assert table.find("/x") is None
    assert table.is_read
