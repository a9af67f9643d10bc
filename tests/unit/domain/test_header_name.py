"""How headers are named in templates."""

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.header_name import named_headers, template_of, with_plain_headers
from mainspring.domain.pace import Pace
from mainspring.domain.queue_source import Queue
from mainspring.domain.webhook import Webhook
from mainspring.engine.trigger_draft import draft_of


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("{headers.X-Request-Id}", "{headers.x_request_id}"),
        ("a-B {headers.x_a:>10} {data.a}", "a-B {headers.x_a:>10} {data.a}"),
        ("{{headers.X-A}} {{{headers.X-A}}}", "{{headers.X-A}} {{{headers.x_a}}}"),
        ("{data.headers}-{name}", "{data.headers}-{name}"),
    ],
)
def test_headers_of_a_template_are_kept_in_one_spelling(written, kept):
    """Nothing but their names is touched."""
    assert with_plain_headers(written) == kept


def test_every_option_takes_either_spelling():
    """What one option understands, all do."""
    kept = "{headers.x_tenant}"
    queue = Queue.parse("redis://h/0?stream=s", key="{headers.X-Tenant}", partition="{headers.x-tenant}")
    assert (queue.key, queue.partition) == (kept, kept)
    assert Pace.parse(by="{headers.X-Tenant}").by == kept
    verifier = ms.verify.none()
    assert Webhook.parse("/a", verify=verifier, key="{headers.X-Tenant}").key == kept
    draft = draft_of("webhook", {"path": "/a", "verify": verifier, "partition": "{headers.x-tenant}"})
    assert draft.partition == kept


def test_template_that_is_none_is_refused():
    """By the option that it was given for."""
    with pytest.raises(OptionError, match="by=5"):
        template_of(5, ("headers",), option="by")
    with pytest.raises(UnknownNameError, match="header"):
        template_of("{header.x_a}", ("headers",), option="by")


def test_header_with_a_dash_counts_before_one_that_looks_like_it():
    """Proxies let the other one through, whoever sent it."""
    assert named_headers({"X-Id": "1", "x_id": "2"}) == {"x_id": "1"}
    assert named_headers({"x_id": "2", "X-Id": "1"}) == {"x_id": "1"}
