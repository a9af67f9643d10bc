"""The links of a message about a failed run: robots change nothing, its buttons act once, on what was shown, and with its key."""

import contextlib
import re

import msgspec
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette

from mainspring.app.alerting.channels import offer_answers, sign_incident_link
from mainspring.config import Settings
from mainspring.config.web_settings import WebSettings
from mainspring.domain.access.answer_button import verify_answer_button
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import ConflictError
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import NotificationContext, render_notification
from mainspring.domain.states import RunState
from mainspring.resources.secret_store import SecretStore
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs import run
from mainspring.service.store_engine import StoreEngine
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.read import incidents
from mainspring.store.read.runs.run_views import run_history, run_view
from mainspring.web.pages.incident_pages import IncidentPages
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import fail
from tests.unit.cli.conftest import Stage
from tests.unit.web.pages.test_incident_pages import OWN, Site

pytestmark = pytest.mark.asyncio
KEY, NEXT = "the key that signed it", "the key of the rotation"
SYNC = Definition(kind=DefinitionKind.TASK, name="sync")


class Failed(Site):
    """A store where a run failed, and what people were notified of it."""

    def __init__(self, path):
        self.stage = Stage(path)
        self.store, self.clock = self.stage.store, self.stage.clock
        self.settings = replace(Settings(), web=WebSettings(public_url="https://ops.example.com/ms"))
        self.stage.announce(SYNC)
        failed = self.stage.begin(SYNC)
        self.run = failed.id
        self.stage.do(fail(failed))
        finding = Finding(
            subject=Subject("sync", IncidentKind.PERMANENT_ERROR, "f"), severity=Severity.PAGE, text="it broke", since_at=1,
            facts={"runs": [self.run]},
        )  # fmt: skip
        self.stage.do(
            RecordEvaluation(started_at=self.clock.now(), found=(EvaluatedFinding(id="i_01", finding=finding),))
        )
        incident = incidents.incident(self.store.reader, "i_01")
        around = NotificationContext(link=sign_incident_link(self.settings, secrets(KEY), self.clock, incident))
        self.notice = render_notification("a_1", NotificationEvent.OPENED, 1, incident, around)
        self.links = [link.url.removeprefix("https://ops.example.com/ms") for link in self.notice.links]
        self.token = self.links[0].removeprefix("/i/")
        self.serve(KEY)

    def serve(self, *keys):
        """Answer with these keys in the secret."""
        pages = IncidentPages(self.settings, self.store, secrets(*keys), self.clock)
        self.app = Starlette(routes=pages.routes())

    async def seen(self):
        return re.search(r'name="seen" value="([0-9.]+)"', (await self.ask("GET")).text)[1]

    @property
    def run_state(self):
        return run_view(self.store.reader, self.run).state

    def fail_again(self):
        """Let a worker take the run up, and fail it once more."""
        self.stage.do(fail(self.stage.claim()))


def secrets(*keys):
    return SecretStore.of(None, {"MAINSPRING_SECRET_LINK_KEY": "\n".join(keys)})


@pytest.fixture
def site(tmp_path):
    made = Failed(tmp_path / "s.db")
    yield made
    made.store.close()


async def test_opening_a_link_of_a_message_changes_nothing(site):
    """Opened twenty times by GET and HEAD nothing is changed, not even read as used; then the button works, and is on record."""
    before, operations = site.rows(), site.operations()
    assert len(site.links) == 1
    for link in site.links:
        for _ in range(20):
            assert [(await site.ask(method, link)).status_code for method in ("GET", "HEAD")] == [200, 200]
    assert (site.rows(), site.operations(), site.state, site.run_state) == (before, operations, "open", RunState.FAILED)
    assert "done" in (await site.submit("retry")).text
    assert site.run_state is RunState.QUEUED
    assert site.operations()[: len(site.operations()) - len(operations)] == [("retry", "link:ana")]


async def test_retry_is_once_for_what_was_displayed(site):
    """Pressed again it does nothing more, also when the run has failed again meanwhile: that is another failure, to be looked at first."""
    seen = await site.seen()
    await site.submit("retry", seen=seen)
    operations = site.operations()
    await site.submit("retry", seen=seen)
    site.fail_again()
    late = await site.submit("retry", seen=seen)
    assert "the run was continued by someone else" in late.text
    assert (site.run_state, site.operations()) == (RunState.FAILED, operations)
    await site.submit("retry", name="bob")
    assert site.run_state is RunState.QUEUED
    assert site.operations()[0] == ("retry", "link:bob")


async def test_retry_of_a_continued_run_does_nothing(site):
    """Anyone who was faster is not overruled."""
    seen = await site.seen()
    run.retry(site.store, site.run, act=operation_context(Actor.cli("bob", "box"), site.clock))
    operations = site.operations()
    assert "Retry the" not in (await site.ask("GET")).text
    late = (await site.submit("retry", seen=seen)).text
    assert "the run was continued by someone else" in late
    assert re.search(r"already retried by bob@box at \d\d:\d\d", late)
    assert site.operations() == operations


@pytest.mark.parametrize(
    ("act", "done"),
    [(run.mark_done, "declared done"), (run.cancel, "cancelled")],
)
async def test_late_visitor_sees_the_result_for_the_run(site, act, done):
    """Not what became of the incident: that someone took it is another matter."""
    seen = await site.seen()
    run.retry(site.store, site.run, act=operation_context(Actor.link("ana"), site.clock))
    act(site.store, site.run, act=operation_context(Actor.link("zoe"), site.clock))
    with contextlib.suppress(ConflictError):
        run.discard(site.store, site.run, act=operation_context(Actor.link("eve"), site.clock))
    await site.submit("acknowledge", name="max")
    late = (await site.submit("retry", seen=seen)).text
    assert re.search(rf"already {done} by zoe at \d\d:\d\d", late)


async def test_earlier_operation_is_not_called_faster(site):
    """The run that is shown has failed since."""
    run.retry(site.store, site.run, act=operation_context(Actor.link("bob"), site.clock))
    site.fail_again()
    site.clock = FakeClock(site.clock.now() + 1_000)
    seen = await site.seen()
    await site.submit("resolve", name="max")
    late = (await site.submit("retry", seen=seen)).text
    assert "already" not in late
    assert "resolve by link:max" in late


async def test_link_opens_where_the_clock_is_behind(site):
    """The machine that answers is not the one that made it."""
    site.clock = FakeClock(site.clock.now() - 9 * 60_000)
    site.serve(KEY)
    assert (await site.ask("GET")).status_code == 200


async def test_link_dies_with_its_key(site):
    """While both keys stand in the secret it opens; without its own it neither shows nor acts."""
    seen = await site.seen()
    site.serve(NEXT, KEY)
    assert (await site.ask("GET")).status_code == 200
    site.serve(NEXT)
    assert [(await site.ask(method)).status_code for method in ("GET", "HEAD")] == [404, 404]
    assert (await site.ask("POST", data={"act": "retry", "seen": seen}, headers=OWN)).status_code == 404
    assert (site.run_state, site.state) == (RunState.FAILED, "open")


class OpenQuestionSite(Failed):
    """A store where a question waits too long, and what people were notified of it."""

    def __init__(self, path):
        super().__init__(path)
        self.waiting_run = self.stage.begin(SYNC)
        self.ask_people("q1", "Go?")
        self.evaluate("q1")
        self.incident = incidents.incident(self.store.reader, "i_02")
        link = sign_incident_link(self.settings, secrets(KEY), self.clock, self.incident)
        self.token = link.rpartition("/")[2]

    def ask_people(self, ident, text):
        """Open a question of the run."""
        question = msgspec.json.encode({"text": text, "choices": ["yes", "no"], "detailed": True})
        self.stage.do(OpenWait(self.waiting_run.id, self.waiting_run.claim, ident, "ask", "ask", question=question))

    def evaluate(self, ident):
        """Let the incident of the automation be about a question of the run."""
        waits = run_history(self.store.reader, self.waiting_run.id).waits
        opened_at = next(wait.opened_at for wait in waits if wait.ident == ident)
        answer = {"ident": ident, "opened_at": opened_at, "choices": ["yes", "no"], "has_form": False}
        finding = Finding(
            subject=Subject("sync", IncidentKind.HUMAN_WAIT), severity=Severity.NOTIFY, text="a question", since_at=1,
            facts={"run": self.waiting_run.id, "answer": answer},
        )  # fmt: skip
        self.stage.do(
            RecordEvaluation(started_at=self.clock.now(), found=(EvaluatedFinding(id="i_02", finding=finding),))
        )

    async def button(self, choice):
        """Return the button of a choice, as the page has it now."""
        return re.search(rf'value="(answer:[0-9a-f]+:{choice})"', (await self.ask("GET")).text)[1]

    def answer_elsewhere(self, ident, choice):
        """Let bob answer a question on the command line."""
        act = operation_context(Actor.cli("bob", "box"), self.clock)
        StoreEngine(self.store, self.clock).answer(self.waiting_run.id, choice, act=act, question=ident)

    @property
    def answers(self):
        return [msgspec.json.decode(fact.payload) for fact in run_history(self.store.reader, self.waiting_run.id).facts]


@pytest.fixture
def question_site(tmp_path):
    made = OpenQuestionSite(tmp_path / "s.db")
    yield made
    made.store.close()


async def test_question_is_answered_by_a_button_behind_the_link(question_site):
    """Once, with the name that the person gives; opening the page answers nothing, and afterwards it has no such button."""
    button, other = await question_site.button("yes"), await question_site.button("no")
    assert question_site.answers == []
    seen = await question_site.seen()
    for _ in range(2):
        assert "answered yes" in (await question_site.submit(button, seen=seen)).text
    assert question_site.answers == [{"answer": "yes", "by": "link:ana", "note": None}]
    assert "nothing was answered: already answered by ana" in (await question_site.submit(other, seen=seen)).text
    assert ":yes" not in (await question_site.ask("GET")).text


async def test_question_that_the_page_does_not_display_is_not_answered_by_it(question_site):
    """The incident is about another one by now: the run may delete something there."""
    question_site.ask_people("q2", "Delete the production database?")
    button, seen = await question_site.button("yes"), await question_site.seen()
    question_site.answer_elsewhere("q1", "no")
    question_site.evaluate("q2")
    text = (await question_site.submit(button, seen=seen)).text
    assert "nothing was answered: the incident is about another question now" in text
    assert [answer["answer"] for answer in question_site.answers] == ["no"]


async def test_two_questions_are_answered_one_after_the_other(question_site):
    """The same choice of the second one is another answer."""
    question_site.ask_people("q2", "Sure?")
    await question_site.submit(await question_site.button("yes"), seen=await question_site.seen())
    question_site.evaluate("q2")
    await question_site.submit(await question_site.button("yes"), seen=await question_site.seen())
    facts = run_history(question_site.store.reader, question_site.waiting_run.id).facts
    assert [fact.ident for fact in facts] == ["q1", "q2"]


async def test_late_answer_names_who_was_faster(question_site):
    """With the time."""
    button, seen = await question_site.button("yes"), await question_site.seen()
    question_site.answer_elsewhere("q1", "no")
    assert "nothing was answered: already answered by bob" in (await question_site.submit(button, seen=seen)).text


async def test_answer_that_is_not_offered_changes_nothing(question_site):
    """Nor does one from another site."""
    seen = await question_site.seen()
    button = await question_site.button("yes")
    assert "answered maybe" not in (await question_site.submit(f"{button[:-3]}maybe", seen=seen)).text
    assert (await question_site.submit(button, seen=seen, headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert question_site.answers == []


async def test_buttons_need_a_public_address_and_both_secrets(question_site):
    """Without the secret of Slack no message has a button that no one would answer; a form has its page all the same."""
    both = {"MAINSPRING_SECRET_LINK_KEY": KEY, "MAINSPRING_SECRET_SLACK_SIGNING_SECRET": "s"}
    offered = offer_answers(
        question_site.settings, SecretStore.of(None, both), question_site.clock, question_site.incident
    )
    assert [button.text for button in offered.buttons] == ["yes", "no"]
    now_s = question_site.clock.now() // 1000
    assert all(verify_answer_button(button.value, [KEY], now_s) for button in offered.buttons)
    assert (
        offer_answers(question_site.settings, secrets(KEY), question_site.clock, question_site.incident).buttons == ()
    )
    assert (
        offer_answers(Settings(), SecretStore.of(None, both), question_site.clock, question_site.incident).buttons == ()
    )
    answer = question_site.incident.facts["answer"] | {"has_form": True, "choices": []}
    form = replace(question_site.incident, facts=question_site.incident.facts | {"answer": answer})
    page = f"https://ops.example.com/ms/waiting/{question_site.waiting_run.id}/q1"
    assert offer_answers(question_site.settings, secrets(KEY), question_site.clock, form).form == page
    assert (
        offer_answers(question_site.settings, SecretStore.of(None, both), question_site.clock, form).buttons[0].url
        == page
    )
