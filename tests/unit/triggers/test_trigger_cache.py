"""Triggers as processes read them from the store."""

import msgspec
import pytest

from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.integrations.verify import github
from mainspring.triggers import trigger_cache
from mainspring.triggers.trigger_cache import TriggerCache


class Reader:
    """A store with one webhook."""

    def __init__(self, options):
        self.options = options

    def read(self, statement):
        trigger = Trigger(source=Webhook(path="/in", verify=self.options))
        return [("ship/webhook", 1, 1, msgspec.json.encode(trigger), "/in", None, b"{}", None, None)]


@pytest.fixture(autouse=True)
def definition(monkeypatch):
    monkeypatch.setattr(trigger_cache, "_read_definition", lambda data: None)


def test_webhook_of_a_sender_that_a_later_version_knows_is_unreadable():
    """Its requests are answered 503, not checked by another rule; a trigger that was read before stays."""
    reader = Reader(VerifierOptions(kind="later", secrets=("KEY",)))
    cache = TriggerCache(reader)
    cache.refresh()
    assert cache.get("ship/webhook") is None
    assert cache.unreadable == {"ship/webhook": "Invalid value 'later' - at `$.source.verify.type`"}
    reader.options = github("KEY")
    cache.refresh()
    assert cache.get("ship/webhook").trigger.source.verify == github("KEY")
    assert cache.unreadable == {}
    reader.options = VerifierOptions(kind="later", secrets=("KEY",))
    cache.refresh()
    assert cache.get("ship/webhook").trigger.source.verify == github("KEY")
    assert set(cache.unreadable) == {"ship/webhook"}
