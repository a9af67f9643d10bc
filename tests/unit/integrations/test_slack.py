"""Slack before a server that behaves as its API does: what counts is how many messages people see."""

import asyncio
import json

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.domain.notifications.notification import NotificationButton, NotificationEvent, NotificationField
from mainspring.integrations.base import http
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.notifiers import read_channel_address
from mainspring.integrations.slack import SlackLink
from tests.unit.alerting.notices import CLOCK, notice, secrets
from tests.unit.alerting.peer import DROP_AFTER, DROP_BEFORE, HANG, SlackPeer, serving

pytestmark = pytest.mark.asyncio


def link_to(peer, channel="#ops", token=SlackPeer.TOKEN, gap_s=0.0):
    return SlackLink(
        read_channel_address(f"slack://secret:bot/{channel}?api={peer.url}/api"), secrets(bot=token), CLOCK, gap_s
    )


async def test_incident_is_one_message_that_is_changed_in_place():
    """Its opening posts, all later notices change the message and stand in its thread; a repetition is shown to all."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        ref = await link.send(notice(), None)
        assert ref.startswith("C01OPS:")
        assert len(peer.visible_messages) == 1
        assert await link.send(notice(NotificationEvent.ACKNOWLEDGED, "a_2"), ref) == ref
        assert await link.send(notice(NotificationEvent.RESOLVED, "a_3"), ref) == ref
        assert len(peer.visible_messages) == 1
        assert ":white_check_mark: *[page] backup: resolved*" in peer.visible_messages[0]
        assert [text.partition("\n")[0] for text in peer.threads] == ["_opened_", "_acknowledged_", "_resolved_"]
        await link.send(notice(NotificationEvent.REPEATED, "a_4"), ref)
        assert len(peer.visible_messages) == 2
        await link.close()


async def test_text_cannot_mention_link_or_style():
    """What a failing program printed calls no one: the signs that Slack reads are written as text."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        await link.send(notice(), None)
        assert "403 &amp; &lt;!channel&gt; \u2217denied\u2217" in peer.threads[0]
        assert "<https://ops.example.com/incidents/i_1|Open>" in peer.threads[0]
        await link.close()


async def test_message_holds_the_link_itself():
    """Not only its thread, which a phone does not show; also after it was changed."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        ref = await link.send(notice(), None)
        assert peer.visible_messages[0].endswith("\n<https://ops.example.com/incidents/i_1|Open>")
        await link.send(notice(NotificationEvent.ACKNOWLEDGED, "a_2"), ref)
        assert peer.visible_messages[0].endswith("\n<https://ops.example.com/incidents/i_1|Open>")
        await link.close()


async def test_long_details_stay_one_message():
    """Slack cuts a longer text in two."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        await link.send(notice(fields=tuple(NotificationField(str(n), "x" * 900) for n in range(9))), None)
        assert len(peer.threads[0]) < 4_000
        assert peer.threads[0].endswith("…")
        await link.close()


@pytest.mark.parametrize("channel", ["#ops", "C01OPS"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("fault", [DROP_AFTER, DROP_BEFORE])
async def test_unknown_outcome_displays_one_message(channel, number, fault):
    """A connection that breaks after the message, or after the details, leaves one of each: what we posted is looked for."""
    async with serving(SlackPeer()) as peer:
        peer.faults = [("chat.postMessage", None)] * (number - 1) + [("chat.postMessage", fault)]
        link = link_to(peer, channel)
        with pytest.raises(ChannelFault) as caught:
            await link.send(notice(), None)
        assert caught.value.is_unknown
        await link.close()
        other_link = link_to(peer, channel)  # as after a crash: nothing is remembered
        ref = await other_link.send(notice(), None, is_again=True)
        assert len(peer.visible_messages) == 1
        assert len(peer.threads) == 1
        assert ref == f"C01OPS:{peer.messages[0]['ts']}"
        await other_link.close()


async def test_message_of_another_opening_is_not_taken_for_ours():
    """What is looked for is the key of this opening."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        await link.send(notice(key="mainspring:i_1:1"), None)
        await link.send(notice(NotificationEvent.REOPENED, "a_2", "mainspring:i_1:2"), None, is_again=True)
        assert len(peer.visible_messages) == 2
        await link.close()


async def test_message_is_posted_without_read_permission(caplog):
    """A bot without the scope tells all the same, and the log says what may follow."""
    async with serving(SlackPeer()) as peer:
        peer.lacks = {"conversations.history"}
        link = link_to(peer, "C01OPS")
        await link.send(notice(fields=(), links=()), None, is_again=True)
        assert len(peer.visible_messages) == 1
        assert (
            "this one may appear twice: Slack says missing_scope (the scope channels:history is needed)" in caplog.text
        )
        await link.close()


async def test_message_that_was_deleted_is_posted_again():
    """A reference that leads nowhere costs a new message, not a lost notice."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        ref = await link.send(notice(), None)
        peer.messages.clear()
        assert await link.send(notice(NotificationEvent.RESOLVED, "a_2"), ref) != ref
        assert len(peer.visible_messages) == 1
        await link.close()


@pytest.mark.parametrize(
    ("channel", "token", "text"),
    [("#ops", "xoxb-wrong", "invalid_auth"), ("#nowhere", SlackPeer.TOKEN, "channel_not_found")],
)
async def test_refusal_of_slack_is_reported_for_the_channel(channel, token, text):
    """A wrong token or channel makes notices wait, and is reported without the token."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer, channel, token)
        with pytest.raises(ChannelFault, match=f"Slack says {text}") as caught:
            await link.send(notice(), None)
        assert not caught.value.is_final
        assert not caught.value.is_unknown
        assert "xoxb" not in str(caught.value)
        assert peer.messages == []
        await link.close()


async def test_notice_that_slack_never_takes_is_final():
    """It would keep all that come after it waiting."""
    async with serving(SlackPeer()) as peer:
        peer.faults = [("chat.postMessage", SlackPeer.no("msg_too_long"))]
        link = link_to(peer)
        with pytest.raises(ChannelFault) as caught:
            await link.send(notice(), None)
        assert caught.value.is_final
        await link.close()


async def test_rate_limit_of_slack_is_obeyed():
    """Of more than it accepts a second nothing is refused: requests wait for each other."""
    async with serving(SlackPeer(gap_s=0.05)) as peer:
        link = link_to(peer, gap_s=0.06)
        for number in range(4):
            await link.send(notice(id=f"a_{number}", key=f"k{number}"), None)
        assert len(peer.visible_messages) == 4
        await link.close()


async def test_too_much_at_once_states_how_long_to_wait():
    """Retry-After is reported on; what stands there already is not posted again."""
    async with serving(SlackPeer(gap_s=60)) as peer:
        link = link_to(peer)
        with pytest.raises(ChannelFault) as caught:  # the details follow at once
            await link.send(notice(), None)
        assert caught.value.retry_after_ms == 1_000
        peer.gap_s = 0
        await link.send(notice(), None)
        assert len(peer.visible_messages) == len(peer.threads) == 1
        await link.close()


async def test_message_without_its_details_is_not_posted_again_without_read_permission():
    """Anyone who posted it still knows where it is."""
    async with serving(SlackPeer()) as peer:
        peer.lacks = {"conversations.history", "conversations.replies"}
        peer.faults = [("chat.postMessage", None), ("chat.postMessage", DROP_BEFORE)]
        link = link_to(peer)
        with pytest.raises(ChannelFault) as caught:
            await link.send(notice(), None)
        assert caught.value.is_unknown
        await link.send(notice(), None, is_again=True)
        assert len(peer.visible_messages) == len(peer.threads) == 1
        await link.close()


async def test_error_and_silence_of_the_server_are_unknown(monkeypatch):
    """A 5xx or no answer in time may have been taken; a server that is not there has taken nothing."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        for fault, text in [((503, {}, {}), "an internal error"), (HANG, "no answer in time")]:
            peer.faults = [("chat.postMessage", fault)]
            with monkeypatch.context() as patch, pytest.raises(ChannelFault, match=text) as caught:
                if fault == HANG:  # only here: on a busy machine any other request takes longer
                    patch.setattr(http, "WITHIN_S", 0.1)
                await link.send(notice(), None)
            assert caught.value.is_unknown
        await link.close()
    gone = SlackLink(
        read_channel_address("slack://secret:bot/#ops?api=http://127.0.0.1:1"), secrets(bot="xoxb-1"), CLOCK, 0
    )
    with pytest.raises(ChannelFault, match="ConnectError") as caught:
        await gone.send(notice(), None)
    assert not caught.value.is_unknown
    await gone.close()


async def test_redirect_is_not_followed():
    """The token goes to no one else."""
    async with serving(SlackPeer()) as peer, serving(SlackPeer()) as other:
        peer.faults = [("chat.postMessage", (307, {"location": f"{other.url}/api/chat.postMessage"}, {}))]
        link = link_to(peer)
        with pytest.raises(ChannelFault, match="redirects"):
            await link.send(notice(), None)
        assert other.requests == []
        await link.close()


async def test_answer_of_any_size_is_bounded():
    """A server that sends for ever costs 8 MiB, and behind an answer that is no JSON there may be a message."""
    async with serving(SlackPeer()) as peer:
        peer.faults = [("chat.postMessage", (200, {}, b"x" * 20_000_000))]
        link = link_to(peer)
        with pytest.raises(ChannelFault, match=r"cannot be read \(200\)") as caught:
            await link.send(notice(), None)
        assert caught.value.is_unknown
        await link.close()


async def test_secret_is_resolved_for_each_notice():
    """A token that was replaced counts at once, and one that is not set is reported by its name."""
    async with serving(SlackPeer()) as peer:
        link = SlackLink(read_channel_address(f"slack://secret:bot/#ops?api={peer.url}"), secrets(), CLOCK, 0)
        with pytest.raises(ConfigError, match="'bot' is not set"):
            await link.send(notice(), None)
        await link.close()


async def test_metadata_holds_no_more_than_names():
    """What Slack stores beside the text is the key and the id."""
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        await link.send(notice(), None)
        (first, *_) = [json.loads(body) for path, _, body in peer.requests if path.endswith("postMessage")]
        assert first["metadata"]["event_payload"] == {"key": "mainspring:i_1:1", "notice": "a_1"}
        assert first["unfurl_links"] is False
        await asyncio.gather(link.close())


async def test_question_has_a_button_for_each_answer_until_it_is_over():
    """Their values are sent back by Slack; a form opens its page; the last state has no buttons."""
    buttons = (NotificationButton("approve", "t1"), NotificationButton("Fill in the form", url="https://x/waiting"))
    async with serving(SlackPeer()) as peer:
        link = link_to(peer)
        ref = await link.send(notice(buttons=buttons), None)
        section, actions = peer.messages[0]["blocks"]
        assert section["text"]["text"] == peer.messages[0]["text"]
        assert [(item.get("value"), item.get("url")) for item in actions["elements"]] == [
            ("t1", None),
            (None, "https://x/waiting"),
        ]
        assert len({item["action_id"] for item in actions["elements"]}) == 2
        await link.send(notice(NotificationEvent.RESOLVED, "a_2"), ref)
        assert peer.messages[0]["blocks"] == []
        await link.close()
