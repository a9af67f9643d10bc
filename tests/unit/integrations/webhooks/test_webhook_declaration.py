"""Webhooks as they are stated: what is refused, and what the store gets."""

from datetime import timedelta

import msgspec
import pytest

from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.triggers.webhooks.webhook import ResponseMode, Webhook
from mainspring.integrations import verify
from mainspring.integrations.verifiers import VERIFIERS
from mainspring.integrations.webhooks.webhook_declaration import parse_webhook, read_verifier

NONE = verify.none()


@pytest.mark.parametrize("path", ["/github", "/a/b-c/d_e.f~g", "/healthz/x", "/" + "x" * 199])
def test_plain_path_is_taken(path):
    """As it stands."""
    assert parse_webhook(path, verify=NONE).path == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "is not a path"),
        ("/", "is not a path"),
        ("github", "is not a path"),
        (7, "is not a path"),
        ("https://x/y", "is not a path"),
        ("//github", "empty part"),
        ("/a//b", "empty part"),
        ("/github/", "empty part"),
        ("/a/../b", "leads elsewhere"),
        ("/./b", "leads elsewhere"),
        ("/a/%2e%2e", "not a plain word"),
        ("/a b", "not a plain word"),
        ("/a?b=1", "not a plain word"),
        ("/a#b", "not a plain word"),
        ("/{id}", "not a plain word"),
        ("/ä", "not a plain word"),
        ("/a\n", "not a plain word"),
        ("/a\x00", "not a plain word"),
        ("/a\\b", "not a plain word"),
        ("/" + "x" * 200, "201 characters"),
        ("/healthz", "listener itself"),
        ("/metrics", "listener itself"),
    ],
)
def test_path_that_could_be_read_in_two_ways_is_refused(path, reason):
    """With a hint."""
    with pytest.raises(OptionError, match=reason) as refused:
        parse_webhook(path, verify=NONE)
    assert refused.value.hint


def test_webhook_without_a_verifier_is_refused():
    """That anyone may send has to be stated."""
    with pytest.raises(OptionError, match="state who may send") as refused:
        parse_webhook("/x")
    assert "ms.verify.none()" in str(refused.value)


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("none", verify.none()),
        ("github:GH", verify.github("GH")),
        ("stripe: A, B", verify.stripe("A", "B")),
        ({"kind": "bearer", "secrets": "T", "header": "X-Api-Key"}, verify.bearer("T", header="X-Api-Key")),
        (
            {"kind": "standard", "secrets": ["A", "A", "B"], "tolerance": "1m"},
            verify.standard("A", "B", tolerance=timedelta(minutes=1)),
        ),
        ({"kind": "hmac", "secrets": ["A"], "header": "X-Sig"}, verify.hmac("A", header="x-sig")),
    ],
)
def test_verifier_can_be_stated_in_a_file(message, meant):
    """As text, or as a table with options."""
    assert read_verifier(message) == meant


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        (7, OptionError, "not a verifier"),
        ({}, OptionError, "not a verifier"),
        ("githubb:X", UnknownNameError, "github"),
        ("github", OptionError, "name of its secret"),
        ("github:a b", OptionError, "not a valid name of a secret"),
        ({"kind": "github", "secrets": ["A"], "colour": "red"}, OptionError, "colour"),
        ({"kind": "none", "secrets": ["A"]}, OptionError, "cannot be created"),
        ({"kind": "hmac", "secrets": ["A"]}, OptionError, "header"),
    ],
)
def test_verifier_that_cannot_be_made_is_refused(message, kind, reason):
    """With what is wrong with it."""
    with pytest.raises(kind, match=reason):
        read_verifier(message)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: verify.github(), "name of its secret"),
        (lambda: verify.github("whsec_/+=x"), "not a valid name of a secret"),
        (lambda: verify.github(*[f"S{n}" for n in range(11)]), "at most 10"),
        (lambda: verify.bearer("S", header="a b"), "name of a header"),
        (lambda: read_verifier({"kind": "hmac", "secrets": "S", "header": "h", "algorithm": "md5"}), "sha256"),
        (lambda: read_verifier({"kind": "hmac", "secrets": "S", "header": "h", "encoding": "hexx"}), "base64"),
        (lambda: verify.hmac("S", header="h", over="{timestamp}"), "cannot be filled"),
        (lambda: verify.hmac("S", header="h", over="{body}{body}"), "cannot be filled"),
        (lambda: verify.hmac("S", header="h", over="{bdoy}"), "cannot be filled"),
        (lambda: verify.hmac("S", header="h", over="{{body}"), "cannot be filled"),
        (lambda: verify.hmac("S", header="h", over="{body}}"), "cannot be filled"),
        (lambda: verify.hmac("S", header="h", over="{body} {"), "cannot be filled"),
        (lambda: read_verifier({"kind": "hmac", "secrets": "S", "header": "h", "over": 5}), "over=5"),
        (lambda: read_verifier({"kind": "hmac", "secrets": "S", "header": "h", "prefix": 5}), "prefix=5"),
        (lambda: read_verifier({"kind": "hmac", "secrets": [["S"]], "header": "h"}), "not a valid name of a secret"),
        (lambda: read_verifier({"kind": "github", "secrets": 5}), "not names of secrets"),
        (lambda: verify.hmac("S", header="h", timestamp_header="t"), "only where it is signed"),
        (lambda: verify.hmac("S", header="h", over="{timestamp}{body}"), "only where it is signed"),
        (lambda: verify.stripe("S", tolerance="0s"), "tolerance"),
        (lambda: verify.stripe("S", tolerance="30d"), "tolerance"),
    ],
)
def test_option_of_a_verifier_that_cannot_work_is_refused(make, reason):
    """And a secret that was given in place of its name is not shown."""
    with pytest.raises(MainspringError, match=reason) as refused:
        make()
    assert "whsec_" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("{headers.X-Request-Id}", "{headers.x_request_id}"),
        ("{data.order.id}:{name}", "{data.order.id}:{name}"),
        ("{data}", "{data}"),
    ],
)
def test_key_names_headers_as_they_are_written(key, read):
    """A header with its hyphens, a part of the body by its path."""
    assert parse_webhook("/x", verify=NONE, key=key).key == read


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "is not a key"),
        (7, "is not a key"),
        ("always", "same for each delivery"),
        ("{header.x}", "name in the key 'header'"),
        ("{headers}", "not a single value"),
        ("{headers.a.b}", "not a single value"),
        ("{name.x}", "not a single value"),
        ("{data.x", "template"),
        ("{data.__class__}", "not a plain name"),
        ("{data[0]}", "not a plain name"),
    ],
)
def test_constant_key_is_refused(key, reason):
    """Else the first delivery would be the last that counts."""
    with pytest.raises(MainspringError, match=reason):
        parse_webhook("/x", verify=NONE, key=key)


def test_answers_are_few_and_waits_are_short():
    """Slack shows what it is answered to people, so it gets nothing."""
    assert parse_webhook("/x", verify=NONE).respond is ResponseMode.RUN
    assert parse_webhook("/x", verify=verify.slack("S")).respond is ResponseMode.NOTHING
    assert parse_webhook("/x", verify=verify.slack("S"), respond="run").respond is ResponseMode.RUN
    assert parse_webhook("/x", verify=NONE, respond="result", wait="90s").wait == timedelta(seconds=90)
    for bad in ({"respond": "page"}, {"wait": "0s"}, {"wait": "1h"}, {"max_body": 0}, {"max_body": "1GB"}):
        with pytest.raises(OptionError):
            parse_webhook("/x", verify=NONE, **bad)


@pytest.mark.parametrize("kind", VERIFIERS)
def test_webhook_returns_from_the_store_as_it_was(kind):
    """Of each kind; and there is no value of a secret in it to begin with."""
    options = {"header": "X-Sig"} if kind == "hmac" else {}
    made = getattr(verify, kind)(*([] if kind == "none" else ["A", "B"]), **options)
    hook = parse_webhook("/x", verify=made, key="{data.id}", respond="result", wait="5s", max_body="64kB")
    data = msgspec.json.encode(hook)
    assert msgspec.json.decode(data, type=Webhook) == hook
    assert msgspec.json.decode(data)["type"] == "webhook"
