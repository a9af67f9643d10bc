"""The terminal, apprise, and which link tells which channel."""

import socket
import sys
import threading

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.integrations import apprise
from mainspring.integrations.apprise import AppriseLink
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.notifiers import open_link, read_channel_address
from mainspring.integrations.terminal import TerminalLink
from tests.unit.alerting.notices import CLOCK, notice, secrets
from tests.unit.alerting.peer import Peer, serving

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings(
        "ignore:'imghdr' is deprecated:DeprecationWarning"
    ),  # one of apprise's plug-ins, before Python 3.13
]


class Json(Peer):
    """Takes what apprise's json:// sends."""

    def answer(self, path, headers, body):
        return (200, {}, {}) if path == "/t0ken" else (500, {}, {})


async def test_terminal_is_the_standard_error(capfd):
    """The first line, then the fields below it: what cron puts into its mail."""
    await TerminalLink().send(notice(), None)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[:2] == ["[page] backup: opened", "  What  403 & <!channel> *denied*"]


async def test_apprise_reports_what_it_speaks_to():
    """Title and text arrive, with the kind of what is reported."""
    pytest.importorskip("apprise")
    async with serving(Json()) as peer:
        link = AppriseLink(
            read_channel_address("apprise://secret:a"), secrets(a=peer.url.replace("http", "json") + "/t0ken")
        )
        await link.send(notice(NotificationEvent.RESOLVED), None)
        ((_, _, body),) = peer.requests
        assert b'"title": "[page] backup: resolved"' in body
        assert b'"type": "success"' in body
        await link.close()


async def test_apprise_that_cannot_deliver_reports_no_secret():
    """The address, which is a secret, is in no error."""
    pytest.importorskip("apprise")
    async with serving(Json()) as peer:
        link = AppriseLink(
            read_channel_address("apprise://secret:a"), secrets(a=peer.url.replace("http", "json") + "/wr0ng")
        )
        with pytest.raises(ChannelFault) as caught:
            await link.send(notice(), None)
        assert "wr0ng" not in str(caught.value)
    with pytest.raises(ConfigError, match="not an address of apprise"):
        await AppriseLink(read_channel_address("apprise://secret:a"), secrets(a="nonsense")).send(notice(), None)


async def test_apprise_that_hangs_blocks_no_one(monkeypatch):
    """It is abandoned in a thread that neither others nor the end of the process wait for."""
    pytest.importorskip("apprise")
    monkeypatch.setattr(apprise, "WITHIN_S", 0.1)
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"json://127.0.0.1:{silent.getsockname()[1]}/t?rto=30"
        link = AppriseLink(read_channel_address("apprise://secret:a"), secrets(a=address))
        with pytest.raises(ChannelFault, match="no answer in time"):
            await link.send(notice(), None)
        new_threads = set(threading.enumerate()) - before
        peer, _ = silent.accept()
        peer.close()
    for thread in new_threads:
        thread.join(60)
    assert [(thread.name, thread.daemon) for thread in new_threads] == [("mainspring-apprise", True)]


async def test_missing_apprise_is_reported_with_its_fix(monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        await AppriseLink(read_channel_address("apprise://secret:a"), secrets(a="json://h")).send(notice(), None)
    assert caught.value.hint == install_command("notify")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("slack://secret:a/#b", "SlackLink"),
        ("pagerduty://secret:a", "PagerDutyLink"),
        ("smtp://localhost/a@example.com", "MailLink"),
        ("webhook+https://h/x?secret=a", "WebhookLink"),
        ("apprise://secret:a", "AppriseLink"),
        ("terminal", "TerminalLink"),
    ],
)
async def test_each_kind_of_channel_has_its_link(address, name):
    """Opening one asks no one and needs no secret."""
    link = open_link(read_channel_address(address), secrets(), CLOCK)
    assert type(link).__name__ == name
    await link.close()
