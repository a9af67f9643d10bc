"""The contract of actions, for those that send: killed, cancelled, twice and at once, each before a server that counts."""

import pytest

from mainspring.integrations.apprise import send_by_apprise
from mainspring.integrations.mail_connection import SmtpConversation, _SmtpServer
from mainspring.integrations.pagerduty import enqueue_event
from mainspring.integrations.slack_api import SlackApi
from mainspring.testing import ActionContract
from tests.unit.actions import message_actions
from tests.unit.actions.kills import TIMEOUT_S, check_contract
from tests.unit.actions.message_servers import MAILBOX, PASSWORD, serving_in_thread, serving_mail
from tests.unit.actions.test_chat import CANARY, JsonPeer
from tests.unit.alerting.peer import PagerDutyPeer, SlackPeer

pytestmark = [pytest.mark.timeout(TIMEOUT_S), pytest.mark.slow]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose configuration names one server of each kind."""

    def configure(address, **secrets):
        (tmp_path / "mainspring.toml").write_text(f'[notify.channels]\nmine = "{address}"\n')
        monkeypatch.setenv("MAINSPRING_CONFIG", str(tmp_path / "mainspring.toml"))
        for name, value in secrets.items():
            monkeypatch.setenv(f"MAINSPRING_SECRET_{name}", value)
        store = tmp_path / "store"
        store.mkdir()
        return store

    return configure


@pytest.mark.parametrize(
    ("action", "lines_of", "is_named"),
    [
        (message_actions.send_checked, SmtpConversation.hand_over, True),
        (message_actions.send_checked_async, SmtpConversation.hand_over, True),
        (message_actions.send_unchecked, _SmtpServer.data, False),
    ],
    ids=["checked", "checked async", "unchecked"],
)
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mail_is_safe_to_run_twice(action, lines_of, is_named, project, tmp_path, monkeypatch):
    """With a check each disturbed run ends with one mail; without one, with at most one mail and a question."""
    mailbox = tmp_path / "mailbox.txt"
    monkeypatch.setenv(MAILBOX, str(mailbox))
    with serving_mail(mailbox, password=PASSWORD) as box:
        store = project(
            f"smtp://secret:MAIL@127.0.0.1:{box.port}/ops@example.com?from=ms@example.com", MAIL=f"robot:{PASSWORD}"
        )
        contract = ActionContract(
            action,
            args=lambda number: [number],
            effects=lambda number: box.count(f"Report {number}"),
            is_named=is_named,
            secrets=[PASSWORD],
            lines_of=lines_of,
        )
        check_contract(contract, store)


def test_slack_post_is_safe_to_run_twice(project):
    """The channel is searched for a message whose outcome is unknown."""
    peer = SlackPeer()
    with serving_in_thread(peer):
        store = project(f"slack://secret:BOT/#ops?api={peer.url}/api", BOT=peer.TOKEN)
        contract = ActionContract(
            message_actions.post_message,
            args=lambda number: [number],
            effects=lambda number: peer.visible_messages.count(f"Report {number}"),
            secrets=[peer.TOKEN],
            lines_of=SlackApi.call,
        )
        check_contract(contract, store)


def test_slack_reply_without_a_key_is_safe_to_run_twice(project):
    """It is searched for in its thread."""
    peer = SlackPeer()
    peer.messages.append({"channel": "C01OPS", "text": "root", "ts": "1.000001"})
    with serving_in_thread(peer):
        store = project(f"slack://secret:BOT/#ops?api={peer.url}/api", BOT=peer.TOKEN)
        contract = ActionContract(
            message_actions.reply_unnamed,
            args=lambda number: [number, "1.000001"],
            effects=lambda number: peer.threads.count(f"Report {number}"),
            is_named=False,
            secrets=[peer.TOKEN],
            lines_of=SlackApi.call,
        )
        check_contract(contract, store)


def test_slack_update_is_safe_to_run_twice(project):
    """The other messages of the channel keep their text."""
    peer = SlackPeer()

    def args(number):
        if not peer.of(f"1.{number:06}"):
            peer.messages.append({"channel": "C01OPS", "text": "draft", "ts": f"1.{number:06}"})
        return [number, f"1.{number:06}"]

    with serving_in_thread(peer):
        store = project(f"slack://secret:BOT/#ops?api={peer.url}/api", BOT=peer.TOKEN)
        contract = ActionContract(
            message_actions.update_message,
            args=args,
            effects=lambda number: peer.visible_messages.count(f"Report {number}"),
            secrets=[peer.TOKEN],
            lines_of=SlackApi.call,
        )
        check_contract(contract, store)


def test_pagerduty_trigger_is_safe_to_run_twice(project):
    """Each repeated event has the same dedup key, so there is one alert."""
    peer = PagerDutyPeer()
    with serving_in_thread(peer):
        store = project(f"pagerduty://secret:PD?api={peer.url}", PD=peer.KEY)
        contract = ActionContract(
            message_actions.trigger_alert,
            args=lambda number: [number],
            effects=lambda number: list(peer.alerts).count(f"report:{number}"),
            secrets=[f'"{peer.KEY}"'],
            lines_of=enqueue_event,
        )
        check_contract(contract, store)


@pytest.mark.parametrize(
    ("action", "state"),
    [(message_actions.acknowledge_alert, "acknowledged"), (message_actions.resolve_alert, "resolved")],
    ids=["acknowledge", "resolve"],
)
def test_pagerduty_change_is_safe_to_run_twice(action, state, project):
    """The other open alert stays open."""
    peer = PagerDutyPeer()
    peer.alerts["other"] = "triggered"

    def args(number):
        peer.alerts.setdefault(f"report:{number}", "triggered")
        return [f"report:{number}"]

    with serving_in_thread(peer):
        store = project(f"pagerduty://secret:PD?api={peer.url}", PD=peer.KEY)
        contract = ActionContract(
            action,
            args=args,
            effects=lambda number: int(peer.alerts[f"report:{number}"] == state),
            secrets=[f'"{peer.KEY}"'],
            lines_of=enqueue_event,
        )
        check_contract(contract, store)
    assert peer.alerts["other"] == "triggered"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_chat_text_is_safe_to_run_twice(project):
    """Apprise cannot be asked, so that a text of unknown outcome is sent at most once, and a person decides."""
    pytest.importorskip("apprise")
    from tests.unit.actions import chat_actions

    peer = JsonPeer()
    with serving_in_thread(peer):
        store = project("ntfy://unused", TEAM=f"{peer.url.replace('http', 'json')}/{CANARY}")
        contract = ActionContract(
            chat_actions.send_text,
            args=lambda number: [number],
            effects=lambda number: sum(f'"Report {number}"'.encode() in body for *_, body in peer.requests),
            secrets=[CANARY],
            lines_of=send_by_apprise,
        )
        check_contract(contract, store)
