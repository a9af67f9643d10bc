"""Addresses of queues: what is taken, what is refused, and that no password gets through or out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.redaction.secret_name import list_references
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import BROKERS, find_broker, read_queue_address

FORMS = sorted({find_broker(scheme).form for scheme in BROKERS})


@pytest.mark.parametrize(
    ("url", "broker", "server", "name", "detail"),
    [
        ("nats://h:4222,b/ORDERS?subject=orders.*", "nats", "nats://h:4222,b", "ORDERS", "orders.*"),
        ("tls://{secret:TOKEN}@h/S", "nats", "tls://{secret:TOKEN}@h", "S", ""),
        ("amqp://u:{secret:P}@h/%2Fshop?queue=a%20b", "amqp", "amqp://u:{secret:P}@h/%2Fshop", "a b", ""),
        ("amqps://h?queue=q", "amqp", "amqps://h", "q", ""),
        (
            "valkeys://:{secret:R}@[::1]:6380/3?stream=s:1",
            "redis",
            "valkeys://:{secret:R}@[::1]:6380/3",
            "s:1",
            "",
        ),
        ("sqs://eu-west-1/q.fifo?endpoint=http://h:1", "sqs", "sqs://eu-west-1", "q.fifo", "http://h:1"),
        ("sqs://us-gov-west-1/123456789012/q", "sqs", "sqs://us-gov-west-1", "123456789012/q", ""),
        (
            "postgresql://u@h/db?table=s.outbox&sslmode=require",
            "postgresql",
            "postgresql://u@h/db?sslmode=require",
            "s.outbox",
            "outbox",
        ),
        ("postgres:///db?table=t&channel=c", "postgresql", "postgres:///db", "t", "c"),
    ],
)
def test_address_is_taken_apart(url, broker, server, name, detail):
    """Each form is read into broker, server, name and detail."""
    found = read_queue_address(url)
    assert (found.broker, found.server, found.name, found.detail) == (broker, server, name, detail)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "one line of text"),
        ("x" * 3000, "one line of text"),
        ("redis://h/0?stream=a\nb", "one line of text"),
        ("kafka://h/t", "'kafka://'"),
        ("redis", "no broker"),
        ("redis://h/x?stream=s", "'/x'"),
        ("redis://h/0", "does not name the queue"),
        ("redis:///0?stream=s", "no host"),
        ("redis://h/0?stream=a&stream=b", "twice"),
        ("redis://h/0?stream=", "without a value"),
        ("redis://h:port/0?stream=a", "port is not a number"),
        ("redis://h/0?stream=a b", "must be written %20"),
        ("redis://h/0?stream=a#b", "must be written %23"),
        ("nats://h/a.b", "'a.b'"),
        ("nats://h/S?subject=a..b", "'a..b'"),
        ("sqs://nowhere/q", "'nowhere'"),
        ("sqs://eu-west-1/q!", "'q!'"),
        ("sqs://eu-west-1/q?endpoint=ftp://h", "'ftp://h'"),
        ("postgresql://h/db?table=a;drop", "'a;drop'"),
        ("postgresql://h?table=a", "not valid for this broker"),
        ("postgresql://h/db?table=a&channel=b-c", "'b-c'"),
    ],
)
def test_address_that_leads_nowhere_is_refused_with_the_form(url, words):
    """The error says what is wrong, and how it is written."""
    with pytest.raises(OptionError, match=words.replace("(", r"\(")) as refused:
        read_queue_address(url)
    assert any(form.partition("?")[0] in (refused.value.hint or "") for form in FORMS)


def test_unknown_parameter_displays_the_nearest():
    """A misspelt parameter is reported with the right one."""
    with pytest.raises(UnknownNameError, match="'steam'") as refused:
        read_queue_address("redis://h/0?steam=s")
    assert refused.value.nearest == "stream"


@pytest.mark.parametrize(
    "url",
    [
        "amqp://u:s3cret@h?queue=q",
        "amqp://u:s3/cret@h?queue=q",
        "amqp://u:s3@cret@h?queue=q",
        "amqp://u:{secret:A}s3cret@h?queue=q",
        "amqp://{s3cret}@h?queue=q",
        "nats://s3cret@h/S",
        "redis://:s3cret@h/0?stream=s",
        "sqs://AKIA:s3cret@eu-west-1/q",
        "sqs://eu-west-1/q?endpoint=http://u:s3cret@h",
        "postgresql://u:s3cret@h/db?table=t",
    ],
)
def test_password_in_an_address_is_refused_with_the_fix(url):
    """It would be stored and shown: the error names the secret to set instead, and does not repeat it."""
    with pytest.raises(OptionError) as refused:
        read_queue_address(url)
    assert "{secret:NAME}" in str(refused.value)
    assert "MAINSPRING_SECRET_NAME" in str(refused.value)
    assert "cret@" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "u:p4ssw@amqp://h?queue=q",
        "u:p4ssw@h",
        "sqs://eu-west-1/q?endpoint=http:%2F%2Fu:p4ssw%40h",
        "sqs://eu-west-1/q?endpoint=http://u:p4ssw%2540h",
        "sqs://eu-west-1/u:p4ssw%40q",
        "redis://h/u:p4ssw%40x?stream=s",
        "redis://h/0?u:p4ssw%40x=s",
        "nats://h/S?subject=..u:p4ssw%40",
        "amqp://u:p4ssw%40h?queue=q",
    ],
)
def test_password_in_the_wrong_place_is_not_repeated(url):
    """Whatever else is wrong with the address, the error says no more than where."""
    with pytest.raises((OptionError, UnknownNameError)) as refused:
        read_queue_address(url)
    assert "p4ss" not in str(refused.value)


@given(st.sampled_from(FORMS), st.text(st.characters(codec="utf-8"), min_size=4, max_size=30))
def test_no_password_gets_through_or_is_repeated(form, password):
    """Whatever it is made of, a password neither becomes part of a definition nor of an error."""
    scheme, _, rest = form.replace("USER:{secret:NAME}@", "").partition("://")
    marked = f"pW{password}Wp"
    with pytest.raises(OptionError) as refused:
        read_queue_address(f"{scheme}://user:{marked}@{rest}")
    assert marked not in str(refused.value)


def test_secrets_are_filled_in_where_they_are_named():
    """A secret with any character reaches the broker as it is, and the URL as a URL needs it; neither is in the repr."""
    address = read_queue_address("amqp://{secret:WHO}:{secret:RABBIT}@h:1,[::1]/shop?queue=q")
    assert list_references(address.server) == ["WHO", "RABBIT"]
    server = resolve_server(address.server, {"WHO": "me", "RABBIT": "p@s/s:w%r{d}"}.__getitem__)
    assert (server.user, server.password) == ("me", "p@s/s:w%r{d}")
    assert server.hosts == [("h", 1), ("::1", 0)]
    assert server.path == "shop"
    assert server.url == "amqp://me:p%40s%2Fs%3Aw%25r%7Bd%7D@h:1,[::1]/shop"
    assert "p@s" not in repr(server)


@pytest.mark.parametrize(("subject", "is_target"), [("orders.created", True), ("orders.*", False), ("orders.>", False)])
def test_message_is_sent_to_one_subject(subject, is_target):
    """A message can be sent to a subject, not to a pattern."""
    address = read_queue_address(f"nats://h/S?subject={subject}")
    with contextlib.nullcontext() if is_target else pytest.raises(OptionError, match="lacks the one subject"):
        find_broker("nats").check_target(address)
