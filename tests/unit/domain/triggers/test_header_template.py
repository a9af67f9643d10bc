"""How headers are named in templates."""

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.header_template import (
    headers_by_template_name,
    normalize_header_names,
    normalize_template,
)
from mainspring.engine.definitions.trigger_draft import build_trigger_draft
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.integrations.webhooks.webhook_declaration import parse_webhook


@pytest.mark.parametrize(
    ("written", "normalized"),
    [
        ("{headers.X-Request-Id}", "{headers.x_request_id}"),
        ("a-B {headers.x_a:>10} {data.a}", "a-B {headers.x_a:>10} {data.a}"),
        ("{{headers.X-A}} {{{headers.X-A}}}", "{{headers.X-A}} {{{headers.x_a}}}"),
        ("{data.headers}-{name}", "{data.headers}-{name}"),
    ],
)
def test_headers_of_a_template_are_kept_in_one_spelling(written, normalized):
    """Nothing but their names is touched."""
    assert normalize_header_names(written) == normalized


def test_every_option_takes_either_spelling():
    """What one option understands, all do."""
    normalized = "{headers.x_tenant}"
    queue = parse_broker_queue("redis://h/0?stream=s", key="{headers.X-Tenant}", partition="{headers.x-tenant}")
    assert (queue.key, queue.partition) == (normalized, normalized)
    assert FlowControl.parse(by="{headers.X-Tenant}").by == normalized
    verifier = ms.verify.none()
    assert parse_webhook("/a", verify=verifier, key="{headers.X-Tenant}").key == normalized
    draft = build_trigger_draft("webhook", {"path": "/a", "verify": verifier, "partition": "{headers.x-tenant}"})
    assert draft.partition == normalized


def test_template_that_is_none_is_refused():
    """By the option that it was given for."""
    with pytest.raises(OptionError, match="by=5"):
        normalize_template(5, ("headers",), option="by")
    with pytest.raises(UnknownNameError, match="header"):
        normalize_template("{header.x_a}", ("headers",), option="by")


def test_header_with_a_dash_counts_before_one_that_resembles_it():
    """Proxies let the other one through, no matter who sent it."""
    assert headers_by_template_name({"X-Id": "1", "x_id": "2"}) == {"x_id": "1"}
    assert headers_by_template_name({"x_id": "2", "X-Id": "1"}) == {"x_id": "1"}
