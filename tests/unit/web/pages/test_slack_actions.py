"""Clicks in Slack: verified, answered once, and reported to their person; everything else changes nothing."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

import httpx2
import msgspec
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from mainspring.domain.access.answer_button import AnswerButton
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.read.runs.run_views import run_history
from mainspring.store.read.status.status import audit_rows
from mainspring.web.pages.slack_actions import MAX_BODY_BYTES, SlackActions
from tests.unit.alerting.peer import Peer, serving
from tests.unit.cli.conftest import Stage

KEY, SIGNING = "a key that only the test knows", "8f742231b10e8888abcd99yyyzzz85a5"
SYNC = Definition(kind=DefinitionKind.TASK, name="sync")
pytestmark = pytest.mark.asyncio


class Replies(Peer):
    """Takes replies, as the address does that Slack names."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def answer(self, path, headers, body):
        self.texts.append(json.loads(body)["text"])
        return 200, {}, {"ok": True}


class Site:
    """A run with a question, the handler, and a client that signs as Slack does."""

    def __init__(self, path, replies):
        stage = Stage(path)
        self.store, self.clock, self.replies = stage.store, stage.clock, replies
        stage.announce(SYNC)
        self.run = stage.begin(SYNC)
        question = {"text": "Go?", "choices": ["yes", "no"], "detailed": True}
        self.ask = OpenWait(self.run.id, self.run.claim, "q1", "ask", "ask", question=msgspec.json.encode(question))
        self.store.apply(self.ask)
        secrets = SecretStore.of(
            None, {"MAINSPRING_SECRET_LINK_KEY": KEY, "MAINSPRING_SECRET_SLACK_SIGNING_SECRET": SIGNING}
        )
        self.actions = SlackActions(self.store, secrets, self.clock, reply_url=replies.url)
        self.app = Starlette(routes=self.actions.routes())

    def token(self, choice="yes", key=KEY, **changes):
        now = self.clock.now()
        (wait,) = run_history(self.store.reader, self.run.id).waits
        button = AnswerButton(self.run.id, "q1", wait.opened_at, choice, now // 1000 + 3600)
        return msgspec.structs.replace(button, **changes).token(key)

    async def click(self, value, user="U1", **changes):
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": "ana"},
            "actions": [{"action_id": "mainspring-answer:0", "value": value}],
            "response_url": f"{self.replies.url}/reply",
        }
        return await self.send(urlencode({"payload": json.dumps(payload | changes)}).encode())

    async def send(self, body, at_s=None, key=SIGNING):
        stamp = str(self.clock.now() // 1000 if at_s is None else at_s)
        digest = hmac.new(key.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="https://x") as client:
            return await client.post("/slack/actions", content=body, headers=headers)

    @property
    def answers(self):
        return [msgspec.json.decode(fact.payload) for fact in run_history(self.store.reader, self.run.id).facts]


@pytest_asyncio.fixture
async def site(tmp_path):
    async with serving(Replies()) as replies:
        made = Site(tmp_path / "s.db", replies)
        yield made
        await made.actions.close()
        made.store.close()


async def test_click_answers_once(site):
    """Reported twice, as Slack does when it hears nothing, it is one answer of the person that Slack names."""
    token = site.token()
    for _ in range(2):
        assert (await site.click(token)).status_code == 200
    await site.actions.close()
    assert site.answers == [{"answer": "yes", "by": "slack:ana U1", "note": None}]
    assert site.replies.texts == [f"Answered yes to run {site.run.id}."] * 2
    (row,) = [row for row in audit_rows(site.store.reader) if row.verb == "answer"]
    assert row.actor == "slack:ana U1"


async def test_later_click_on_another_button_is_too_late(site):
    """The first answer counts."""
    await site.click(site.token("no"))
    await site.click(site.token("yes"), user="U2")
    await site.actions.close()
    assert [answer["answer"] for answer in site.answers] == ["no"]
    assert any("has no open question" in text for text in site.replies.texts)


@pytest.mark.parametrize(
    "changes", [{"key": "another key of some length"}, {"until_s": 5}, {"opened_at": 1}, {"ident": "q2"}]
)
async def test_button_that_is_not_valid_answers_nothing(site, changes):
    """Signed by another key, too old, about another question, or about an earlier one of the same identity."""
    assert (await site.click(site.token(**changes))).status_code == 200
    assert site.answers == []


async def test_request_that_slack_did_not_sign_is_rejected(site):
    """With another secret, a changed body, or from more than five minutes ago, as a recorded one is."""
    body = urlencode({"payload": "{}"}).encode()
    now_s = site.clock.now() // 1000
    assert (await site.send(body, key="wrong")).status_code == 401
    assert (await site.send(body, at_s=now_s - 301)).status_code == 401
    assert (await site.send(body, at_s=now_s + 301)).status_code == 401
    assert (await site.send(b"x" * (MAX_BODY_BYTES + 1))).status_code == 413
    assert (await site.send(body)).status_code == 200


@pytest.mark.parametrize("payload", ["", "null", "[]", "{", '{"type": "view_submission"}', "[" * 5_000])
async def test_report_of_something_else_changes_nothing(site, payload):
    """It is accepted, so that Slack does not repeat it."""
    assert (await site.send(urlencode({"payload": payload}).encode())).status_code == 200
    assert (await site.click(site.token(), actions=[{"action_id": "other", "value": "x"}])).status_code == 200
    assert site.answers == []


async def test_reply_goes_to_slack_only(site):
    """Not to an address of a request that names another host."""
    await site.click(site.token(), response_url="https://example.com/reply")
    await site.actions.close()
    assert (len(site.answers), site.replies.texts) == (1, [])
