"""What a failing program printed, and what someone called his automation: no channel lets it do more than be read."""

import json
import re

import pytest

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import NotificationContext, collect_failed_items, render_notification
from mainspring.domain.states import IncidentState
from mainspring.domain.text.escaping import is_plain_line
from mainspring.integrations.apprise import AppriseLink
from mainspring.integrations.notifiers import read_channel_address
from mainspring.integrations.pagerduty import PagerDutyLink
from mainspring.integrations.slack import SlackLink
from mainspring.integrations.standard_webhooks import WebhookLink
from mainspring.integrations.terminal import TerminalLink
from tests.unit.alerting.notices import CLOCK, secrets
from tests.unit.alerting.peer import PagerDutyPeer, Peer, SlackPeer, serving
from tests.unit.integrations.test_mail import Box, link_to, server

pytestmark = pytest.mark.asyncio
HOSTILE = {
    "terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1m",
    "lines": "one\r\nBcc: all@example.com\r\n\r\nhello\u2028two\x85three\x0b",
    "markup": "<!channel> <@U1> <https://evil.example|click> *b* `c` <script>alert(1)</script> </td> %n {secret:x} ${jndi:x}",
    "direction": "invoice\u202egpj.exe\u200b\u2066x",
    "long": "x" * 10_000,
    "long words": "<&>" * 4_000,
    "nul": "a\0b\ufeff\ufffe",
    "surrogates": "a\udc80b\ud800\udfff",
    "formats": "%s %(name)s %n {0} {name!r} {} {{ ${HOME} $(id) `id`",
    "everybody": "@everyone @here @channel <!here> <!subteam^S1> <@&1> @all",
    "a million": "\x1b[31m<!channel> %s \u202e@everyone\n" * 30_000,
    "emoji": "\U0001f469\u200d\U0001f692" * 300,
}


def hostile(text):
    """Return a notice that says it wherever it can be said."""
    incident = Incident(
        id="i1", subject=Subject(text, IncidentKind.PERMANENT_ERROR, "f"), state=IncidentState.RESOLVED, severity=Severity.PAGE,
        text=text, hint=text, facts={"what": text, "impact": text, "changed": text, "run": text}, since_at=1, opened_at=1,
        changed_at=1, seen_at=1, by=text, note=text,
    )  # fmt: skip
    return render_notification(
        "a_1",
        NotificationEvent.OPENED,
        1,
        incident,
        NotificationContext(owner=text, team=text, runbook=text, project=text),
        collect_failed_items([text, f"{text} 2"], 3),
    )


@pytest.fixture(params=list(HOSTILE.values()), ids=list(HOSTILE))
def notice(request):
    return hostile(request.param)


def is_harmless(text):
    """Whether a terminal only shows it: in its own lines and its own direction."""
    return all(is_plain_line(line) for line in text.split("\n"))


async def test_terminal_displays_it(notice, capfd):
    """No sign that moves, colours or renames; a line a field, none endless."""
    await TerminalLink().send(notice, None)
    text = capfd.readouterr().err
    assert is_harmless(text)
    assert len(text.splitlines()) == 1 + len(notice.fields)
    assert max(map(len, text.splitlines())) < 1_100


async def test_mail_has_no_header_and_no_reader_more(notice):
    """What looks like a header stands in the text."""
    box = Box()
    async with server(box) as port:
        await link_to(port).send(notice, None)
    ((to, mail),) = box.mails
    assert to == ["a@example.com"]
    assert mail["Bcc"] is None
    assert len(mail.keys()) == len(set(mail.keys()))
    assert is_harmless(mail.get_payload(decode=True).decode().replace("\r\n", "\n"))


async def test_slack_mentions_no_one(notice):
    """No mention, no link, no message that is cut in two."""
    async with serving(SlackPeer()) as peer:
        link = SlackLink(
            read_channel_address(f"slack://secret:bot/#ops?api={peer.url}/api"), secrets(bot=peer.TOKEN), CLOCK, 0.0
        )
        await link.send(notice, None)
        await link.close()
    assert len(peer.messages) == 2
    for message in peer.messages:
        assert is_harmless(message["text"])
        assert "<" not in message["text"]
        assert len(message["text"]) <= 12_000


async def test_pagerduty_takes_it(notice):
    """Within what its fields may hold."""
    async with serving(PagerDutyPeer()) as peer:
        link = PagerDutyLink(
            read_channel_address(f"pagerduty://secret:pd?api={peer.url}"), secrets(pd=peer.KEY), CLOCK, 0.0
        )
        await link.send(notice, None)
        await link.close()
        ((_, _, body),) = peer.requests
    payload = json.loads(body)["payload"]
    assert len(payload["summary"]) <= 1_024
    assert is_harmless("".join([payload[name] for name in ("summary", "source", "component", "group")]))
    assert max(len(payload[name]) for name in ("source", "component", "group")) <= 255
    assert is_harmless("".join(payload["custom_details"].values()))
    assert len(body) < 100_000


@pytest.mark.parametrize("form", ["text", "html", "markdown"])
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_apprise_passes_on_no_tag_and_no_mention(notice, form):
    """Whatever the receiver makes of it: it calls no one and is no element of a page."""
    pytest.importorskip("apprise")
    async with serving(Hook()) as peer:
        address = f"{peer.url.replace('http', 'json', 1)}/t?format={form}"
        link = AppriseLink(read_channel_address("apprise://secret:a"), secrets(a=address))
        await link.send(notice, None)
        await link.close()
        ((_, _, body),) = peer.requests
    document = json.loads(body)
    for text in (document["title"], document["message"].replace("<br/>", "\n")):
        assert is_harmless(text)
        assert not re.search(r"(?<![\w.+-])@\w|<[!@#/?\w]", text)
        assert len(text) < 60_000


class Hook(Peer):
    """Takes all."""

    def answer(self, path, headers, body):
        return 200, {}, {}


async def test_webhook_is_one_bounded_document(notice):
    """JSON that says the same to everyone who reads it."""
    async with serving(Hook()) as peer:
        address = peer.url.replace("http", "webhook+http", 1) + "/t?secret=told"
        link = WebhookLink(read_channel_address(address), secrets(told="whsec_" + "QUJD" * 8), CLOCK)
        await link.send(notice, None)
        await link.close()
        ((_, headers, body),) = peer.requests
    data = json.loads(body)["data"]
    assert headers["webhook-id"] == "a_1"
    assert is_harmless("".join([data["headline"], *(field["text"] for field in data["fields"])]))
    assert all(is_harmless(data[name] or "") for name in ("automation", "owner", "team", "project"))
    assert len(body) < 64 * 1024
