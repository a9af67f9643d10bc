"""`slack.post` and `slack.update` before a server that behaves as Slack's API does: what counts is how many messages people see."""

import asyncio

import pytest

import mainspring as ms
from mainspring.actions import slack
from mainspring.actions.slack import SlackMessage
from mainspring.domain.errors import NotSent, OptionError, OutsideStepError, Permanent, Transient
from mainspring.integrations.slack_api import MAX_PAGES
from tests.unit.actions.message_servers import serving_in_thread
from tests.unit.alerting.peer import DROP_AFTER, DROP_BEFORE, Peer, SlackPeer

CANARY = "canary-webhook-7d1b"


class HookPeer(Peer):
    """An incoming webhook of Slack, whose errors repeat its address."""

    def answer(self, path, headers, body):
        return (200, {}, b"ok") if path == f"/{CANARY}" else (404, {}, f"no_service {self.url}{path}".encode())


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """A workspace, which is the only one of the configuration."""
    with serving_in_thread(SlackPeer()) as server:
        file = tmp_path / "mainspring.toml"
        file.write_text(f'[notify.channels]\nops = "slack://secret:BOT/#ops?api={server.url}/api"\n')
        monkeypatch.setenv("MAINSPRING_CONFIG", str(file))
        monkeypatch.setenv("MAINSPRING_SECRET_BOT", server.TOKEN)
        yield server


def test_message_reply_and_update_arrive(peer):
    """By the id of the channel that Slack returned."""
    message = slack.post("#ops", f"The import of {slack.escape('<a&b>')} is done.")
    assert message.channel == "C01OPS"
    assert slack.post("#ops", "12 rows", thread=message, blocks=[{"type": "divider"}]) != message
    assert slack.update(message, "The import failed.") == slack.update(message, "The import failed.", server="ops")
    assert peer.visible_messages == ["The import failed."]
    assert peer.threads == ["12 rows"]
    assert peer.messages[1]["blocks"] == [{"type": "divider"}]


def test_async_forms_do_the_same(peer):
    """In a loop, without a thread of their own."""

    async def post():
        message = await slack.post_async("#ops", "a")
        await slack.update_async(message, "b")

    asyncio.run(post())
    assert peer.visible_messages == ["b"]


@pytest.mark.parametrize("fault", [DROP_AFTER, DROP_BEFORE])
def test_lost_answer_leaves_one_message(peer, fault, tmp_path):
    """The channel is searched before the message is posted again."""
    peer.faults = [("chat.postMessage", fault)]
    app = ms.App(str(tmp_path / "a.db"))
    message = app.run(make_report())
    assert peer.visible_messages == ["Report"]
    assert message == SlackMessage("C01OPS", peer.messages[0]["ts"])


def test_long_responses_are_read_to_their_end(peer, tmp_path):
    """Slack returns the message, escaped, and pages of 200 messages: far more than a notification needs."""
    assert slack.post("#ops", "\u00fc" * 40_000).channel == "C01OPS"
    peer.messages += [peer.messages[0] | {"ts": f"{peer.messages[0]['ts']}{number}"} for number in range(20)]
    peer.faults = [("chat.postMessage", DROP_AFTER)]
    ms.App(str(tmp_path / "a.db")).run(make_report())
    assert peer.visible_messages.count("Report") == 1


def test_response_that_cannot_be_read_proves_nothing(peer):
    """The message may be there."""
    peer.faults = [("chat.postMessage", (200, {}, b"<html>"))]
    with pytest.raises(Transient, match="may have been sent"):
        slack.post("#ops", "a")


@pytest.mark.parametrize("status", [408, 499])
def test_status_that_proves_nothing_is_no_refusal(peer, status):
    """A proxy stopped waiting for Slack: the message may be there."""
    peer.faults = [("chat.postMessage", (status, {}, b""))]
    with pytest.raises(Transient, match="may have been sent"):
        slack.post("#ops", "a")


def make_report(text="Report"):
    @ms.workflow(name="slack-report")
    async def report(run: ms.Run) -> SlackMessage:
        return await run.options(retry=ms.Retry(attempts=3, initial=0.01)).step(slack.post, "#ops", text, once="report")

    return report


def test_message_of_another_effect_is_not_taken_for_a_lost_one(peer, tmp_path):
    """Both are ours and in one channel: only the key differs."""
    slack.post("#ops", "Other")
    peer.faults = [("chat.postMessage", DROP_BEFORE)]
    ms.App(str(tmp_path / "a.db")).run(make_report())
    assert peer.visible_messages == ["Other", "Report"]


def test_channel_with_too_many_newer_messages_needs_a_person(peer, tmp_path):
    """The message may be on a page that was not read."""
    page = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}
    peer.faults = [("chat.postMessage", DROP_AFTER), *[("conversations.history", (200, {}, page))] * MAX_PAGES]
    with pytest.raises(ms.RunFailed, match="too many newer messages"):
        ms.App(str(tmp_path / "a.db")).run(make_report())
    assert peer.visible_messages == ["Report"]


@pytest.mark.parametrize(
    ("code", "kind"), [("ratelimited", NotSent), ("internal_error", Transient), ("is_archived", Permanent)]
)
def test_code_of_slack_states_what_happened(peer, code, kind):
    """Not sent, unknown, refused for good."""
    peer.faults = [("chat.postMessage", (200, {}, {"ok": False, "error": code}))]
    with pytest.raises(kind, match=code) as caught:
        slack.post("#ops", "a")
    assert isinstance(caught.value, NotSent) == (kind is NotSent)


def test_bot_that_may_not_search_needs_a_person(peer, tmp_path):
    """It may have been posted; the run needs attention and the error names the scope."""
    peer.faults = [("chat.postMessage", DROP_AFTER)]
    peer.lacks = {"conversations.history"}
    with pytest.raises(ms.RunFailed, match=r"cannot be searched: .*channels:history") as caught:
        ms.App(str(tmp_path / "a.db")).run(make_report())
    assert "in_doubt" in str(caught.value) or "needs_attention" in str(caught.value)
    assert peer.visible_messages == ["Report"]


def test_refusal_has_its_fix(peer, monkeypatch):
    """For good: a channel that is not there, a token that is not valid, a text that is too long. For now: too many requests."""
    with pytest.raises(Permanent, match=r"channel_not_found\nwith the secret 'BOT'\n.*invite the bot"):
        slack.post("#other", "a")
    peer.gap_s = 60
    slack.post("#ops", "a")
    with pytest.raises(NotSent, match="429") as later:
        slack.post("#ops", "a")
    assert later.value.retry_after.total_seconds() == 1
    peer.gap_s = 0
    with pytest.raises(Permanent, match="msg_too_long"):
        slack.post("#ops", "x" * 40_001)
    with pytest.raises(Permanent, match="message_not_found"):
        slack.update(SlackMessage("C01OPS", "1.0"), "a")
    monkeypatch.setenv("MAINSPRING_SECRET_BOT", "xoxb-canary-4b7")
    with pytest.raises(Permanent, match=r"invalid_auth(?s:.*)Check the secret 'BOT'") as caught:
        slack.post("#ops", "a")
    assert "xoxb-canary" not in str(caught.value)
    assert len(peer.visible_messages) == 1


def test_lost_connection_of_an_update_can_be_retried(peer):
    """It is not known whether it happened, and a second update is harmless."""
    message = slack.post("#ops", "a")
    peer.faults = [("chat.update", DROP_BEFORE)]
    with pytest.raises(Transient, match="may have been sent"):
        slack.update(message, "b")
    slack.update(message, "b")
    assert peer.visible_messages == ["b"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: slack.post("ops", "a"),
        lambda: slack.post("#ops\nx", "a"),
        lambda: slack.post("#ops", ""),
        lambda: slack.post("#ops", " "),
        lambda: slack.post("#ops", "a", server="slack://xoxb-1/#ops"),
        lambda: slack.post("#ops", "a", within="1h"),
        lambda: slack.update(SlackMessage("C01OPS", ""), "a"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(peer, call):
    """No request leaves."""
    with pytest.raises(OptionError):
        call()
    assert peer.requests == []


def test_webhook_posts_and_never_appears(tmp_path, monkeypatch):
    """Its URL is the secret; it returns no timestamp, and cannot update."""
    with serving_in_thread(HookPeer()) as hook:
        monkeypatch.setenv("MAINSPRING_SECRET_HOOK", f"{hook.url}/{CANARY}")
        server = "slack://secret:HOOK"
        assert slack.post("#ops", "a", server=server) == SlackMessage("#ops", "")
        with pytest.raises(OptionError, match="needs a bot"):
            slack.update(SlackMessage("C01OPS", "1.0"), "b", server=server)
        monkeypatch.setenv("MAINSPRING_SECRET_HOOK", f"{hook.url}/{CANARY}-old")
        with pytest.raises(Permanent, match="no_service") as caught:
            slack.post("#ops", "a", server=server)
        assert CANARY not in str(caught.value)
        hook.faults = [(CANARY + "-old", DROP_AFTER)]
        with pytest.raises(Transient, match="may have been sent") as lost:
            slack.post("#ops", "a", server=server)
        assert CANARY not in str(lost.value)


def test_lost_answer_of_a_webhook_needs_a_person(tmp_path, monkeypatch):
    """No one but a person can search the channel."""
    with serving_in_thread(HookPeer()) as hook:
        monkeypatch.setenv("MAINSPRING_SECRET_HOOK", f"{hook.url}/{CANARY}")
        hook.faults = [(CANARY, DROP_BEFORE)]

        @ms.workflow(name="slack-webhook")
        async def report(run: ms.Run) -> SlackMessage:
            return await run.step(slack.post, "#ops", "Report", server="slack://secret:HOOK", once="report")

        with pytest.raises(ms.RunFailed, match="may or may not have happened"):
            ms.App(str(tmp_path / "a.db")).run(report)
        assert len(hook.requests) == 1
        for file in tmp_path.rglob("*"):
            assert file.is_dir() or CANARY.encode() not in file.read_bytes()


def test_body_of_a_workflow_posts_nothing(peer, tmp_path):
    """Neither a post nor an update."""

    @ms.workflow(name="slack-in-a-body")
    async def direct(run: ms.Run) -> None:
        for call in (slack.post_async("#ops", "a"), slack.update_async(SlackMessage("C01OPS", "1.0"), "a")):
            with pytest.raises(OutsideStepError):
                await call

    ms.App(str(tmp_path / "a.db")).run(direct)
    assert peer.requests == []
