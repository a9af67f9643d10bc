"""Questions with a plan on every store: who is to answer them, and when a watcher reminds of them or tells the next person."""

from typing import Any

import msgspec
import pytest

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.incidents.incident_filter import IncidentFilter
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRoute, NotificationRouting
from mainspring.domain.runs.journal import FactKind, QuestionPlan
from mainspring.store.commands.inbox import DeliverFact, OpenWait
from mainspring.store.commands.incidents import AcknowledgeIncident
from mainspring.store.read.runs.run_views import questions
from tests.contract.store.process import audited
from tests.contract.store.test_watch import HOUR, Site

OPENED, REPEATED, ESCALATED = NotificationEvent.OPENED, NotificationEvent.REPEATED, NotificationEvent.ESCALATED
ROUTING = NotificationRouting(
    channels=("ops", "money", "chiefs"),
    routes=(
        NotificationRoute(to=("money",), match=IncidentFilter(assignee=("finance",))),
        NotificationRoute(to=("chiefs",), match=IncidentFilter(assignee=("cfo",))),
    ),
    group_wait_ms=0,
)


@pytest.fixture
def site(store: Any) -> Site:
    """A store with an automation, and a watcher that routes by assignee."""
    made = Site(store)
    made.watch = made.watcher(ROUTING)
    made.announce("a", tier="digest")
    return made


def ask(
    site: Site, plan: QuestionPlan, *, ident: str = "ask:refund#1", name: str = "refund", until_at: int | None = None
):
    """Open a question of a new run."""
    run = site.store.begin(automation="a")
    text = msgspec.json.encode({"text": "Refund?", "form": {"properties": {"amount": {}}, "required": ["amount"]}})
    site.store.do(OpenWait(run.id, run.claim, ident, "ask", name, until_at, question=text, plan=plan))
    return run


def waits(site: Site):
    """The incidents about questions."""
    return [item for item in site.store.read("incidents") if item.subject.kind is IncidentKind.HUMAN_WAIT]


def test_question_reminds_and_escalates_until_it_is_answered(site: Site) -> None:
    """Each notification goes to the channels of who is to answer then, and the answer resolves the incident."""
    run = ask(site, QuestionPlan("finance", 4 * HOUR, 10 * HOUR, "cfo"))
    site.evaluate(4 * HOUR - 1)
    assert site.notices() == []
    site.evaluate(1)
    for _ in range(8):
        site.evaluate(HOUR)
    (incident,) = waits(site)
    assert incident.severity is Severity.NOTIFY
    assert incident.text.startswith("a question for cfo is unanswered, for 12h")
    assert incident.facts["what"] == "It asks: Refund? [amount]"
    assert incident.hint == f"mainspring runs answer {run.id} --form amount=VALUE --question refund"
    assert site.notices() == [(OPENED, "money"), (REPEATED, "money"), (ESCALATED, "chiefs"), (REPEATED, "chiefs")]
    site.store.do(DeliverFact(run.id, FactKind.ANSWER, "refund", "c1", "ask:refund#1", b'{"answer":{"amount":1}}'))
    site.evaluate(HOUR)
    assert waits(site) == []


def test_acknowledged_question_reminds_no_one(site: Site) -> None:
    """Someone looks after it; the deadline of the question stays."""
    ask(site, QuestionPlan("finance", 4 * HOUR))
    site.evaluate(5 * HOUR)
    (incident,) = waits(site)
    site.store.do(audited(AcknowledgeIncident(incident.id, "ann", None), "ack"))
    for _ in range(5):
        site.evaluate(4 * HOUR)
    assert [about for about, _ in site.notices() if about is not NotificationEvent.ACKNOWLEDGED] == [OPENED]


def test_escalation_before_any_reminder_is_one_notification(site: Site) -> None:
    """The incident opens for the next assignee: an escalation of it would say the same."""
    ask(site, QuestionPlan("finance", None, 2 * HOUR, "cfo"))
    for _ in range(5):
        site.evaluate(HOUR)
    assert site.notices() == [(OPENED, "chiefs")]


def test_each_planned_question_has_its_own_incident(site: Site) -> None:
    """One answer resolves one of them; a question without a plan is counted with its automation."""
    first = ask(site, QuestionPlan("finance", HOUR))
    ask(site, QuestionPlan("cfo", HOUR))
    ask(site, QuestionPlan())
    site.evaluate(25 * HOUR)
    assert sorted(bool(item.subject.fingerprint) for item in waits(site)) == [False, True, True]
    site.store.do(DeliverFact(first.id, FactKind.ANSWER, "refund", "c1", "ask:refund#1", b'"x"'))
    site.evaluate(HOUR)
    left = [item.subject.fingerprint for item in waits(site)]
    assert (len(left), f"{first.id}/ask:refund#1" in left) == (2, False)


def test_questions_are_listed_by_the_assignee_of_now(site: Site) -> None:
    """After the span of its escalation a question is in the list of the other one."""
    run = ask(site, QuestionPlan("finance", None, 2 * HOUR, "cfo"))
    ask(site, QuestionPlan())

    def listed(assignee: str | None) -> list[str]:
        now = site.store.clock.now()
        return [wait.run for wait in questions(site.store.reader, assignee=assignee, now=now)]

    assert (listed("finance"), listed("cfo"), len(listed(None))) == ([run.id], [], 2)
    site.evaluate(2 * HOUR)
    assert (listed("finance"), listed("cfo"), len(listed(None))) == ([], [run.id], 2)
