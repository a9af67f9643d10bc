"""Addresses of channels: what each kind says, and that no secret is ever accepted, kept or repeated."""

import pytest

from mainspring.domain.errors import MainspringError, OptionError
from mainspring.domain.notifications.channel_name import check_channel_name
from mainspring.integrations.base.channel_address import ChannelAddress
from mainspring.integrations.notifiers import read_channel_address


@pytest.mark.parametrize(
    ("address", "channel"),
    [
        (
            "slack://secret:bot/#ops",
            ChannelAddress(scheme="slack", secret="bot", to=("#ops",), url="https://slack.com/api"),
        ),
        (
            "slack://secret:bot/C0123ABC?api=http://127.0.0.1:9/api/",
            ChannelAddress(scheme="slack", secret="bot", to=("C0123ABC",), url="http://127.0.0.1:9/api"),
        ),
        ("pagerduty://secret:pd", ChannelAddress(scheme="pagerduty", secret="pd", url="https://events.pagerduty.com")),
        (
            "pagerduty://secret:pd?api=https://events.eu.pagerduty.com",
            ChannelAddress(scheme="pagerduty", secret="pd", url="https://events.eu.pagerduty.com"),
        ),
        (
            "smtps://secret:m@mail.example.com/a@example.com,b@example.com?from=ms@example.com",
            ChannelAddress(
                scheme="smtps",
                secret="m",
                to=("a@example.com", "b@example.com"),
                host="mail.example.com",
                port=465,
                sender="ms@example.com",
            ),
        ),
        (
            "smtp://localhost:2525/a@example.com",
            ChannelAddress(scheme="smtp", to=("a@example.com",), host="localhost", port=2525, sender="a@example.com"),
        ),
        (
            "starttls://secret:m@[::1]/a@example.com",
            ChannelAddress(
                scheme="starttls",
                secret="m",
                to=("a@example.com",),
                host="::1",
                port=587,
                sender="a@example.com",
            ),
        ),
        (
            "webhook+https://h.example:8443/in/{secret:path}?a=1&secret=hook",
            ChannelAddress(scheme="webhook+https", secret="hook", url="https://h.example:8443/in/{secret:path}?a=1"),
        ),
        ("apprise://secret:matrix", ChannelAddress(scheme="apprise", secret="matrix")),
        ("terminal", ChannelAddress(scheme="terminal")),
    ],
)
def test_address_is_taken_apart(address, channel):
    """Each kind's address says what its notifier has to know, and which secrets by name."""
    assert read_channel_address(address) == channel


def test_secrets_of_an_address_are_known_by_name():
    """Those in the path of a webhook are put in as a URL needs it."""
    channel = read_channel_address("webhook+https://h/{secret:path}?secret=hook")
    assert channel.secrets == ("hook", "path")
    assert channel.url_with({"path": "a b/c"}) == "https://h/a%20b/c"


LITERAL = "xoxb-1234567890-abcdefghij"


@pytest.mark.parametrize(
    "address",
    [
        f"slack://{LITERAL}/#ops",
        f"slack://secret:bot/#ops?{LITERAL}",
        f"slack://secret:bot/#ops?api=https://h/?t={LITERAL}",
        f"pagerduty://{LITERAL}",
        f"pagerduty://secret:a@{LITERAL}",
        f"pagerduty://secret:a/{LITERAL}",
        f"smtps://user:{LITERAL}@h/a@example.com",
        f"smtps://{LITERAL}@h/a@example.com",
        f"webhook+https://h/{LITERAL}?secret=hook",
        f"webhook+https://h/x?key={LITERAL}&secret=hook",
        f"webhook+https://u:{LITERAL}@h/x?secret=hook",
        f"webhook+https://h/x?secret=whsec_{LITERAL}=",
        f"apprise://{LITERAL}",
        f"discord://{LITERAL}",
    ],
)
def test_literal_secret_is_refused_and_not_repeated(address):
    """Wherever a key is written down, loading fails, and the error does not spread it further."""
    with pytest.raises(MainspringError) as caught:
        read_channel_address(address)
    assert "1234567890" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("slack://secret:bot", "names no channel"),
        ("slack://secret:bot/#a,b", "names no channel"),
        ("slack://secret:bot/#ops?api=http://slack.example", "must be the https:// address"),
        ("smtp://secret:m@mail.example.com/a@example.com", "sent unencrypted"),
        ("smtps://mail.example.com/", "the recipient or the sender"),
        ("smtps://mail.example.com:99999/a@example.com", "lacks a valid host"),
        ("smtps://mail.example.com/a@example.com?from=x\ny", "one line"),
        ("webhook+https://h/x", "does not name the secret"),
        ("webhook+https:///x?secret=a", "lacks a valid host"),
        ("https://h/x", "no channel has an address of this form"),
        ("", "no channel has an address of this form"),
        (7, "one line of text"),
    ],
)
def test_address_that_leads_nowhere_is_refused(address, reason):
    """The error says what is missing and shows the form."""
    with pytest.raises(OptionError, match=reason):
        read_channel_address(address)


def test_channel_has_a_plain_name():
    """A name is a word of a command line."""
    check_channel_name("ops-2")
    with pytest.raises(OptionError):
        check_channel_name("Ops Team")
