"""What a shift hands over: what was before is left out, what programs did too, and what others may not see."""

import pytest

from mainspring.domain.errors import ConflictError
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.insight.status.handover import MOST, HandoverRemainder, read_handover
from mainspring.service import automation, incident
from mainspring.service.actor import Actor, OperationContext
from mainspring.service.runs import run
from mainspring.service.runs.run_start import start
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.sqlite.store import SqliteStore
from tests.api_world import BACKUP, PAY, announce
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import fail, halt, suspend

HOUR = 3_600_000


class Shift:
    """A store whose clock is reported, and a person at a command line."""

    def __init__(self, path):
        self.clock = FakeClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.store.open()
        self.store.open_session("worker")
        announce(self.store, PAY, BACKUP)
        self.operation_count = 0

    def act(self, channel="cli", name="ann@box", reason=None, command=None):
        self.operation_count += 1
        return OperationContext(Actor(channel, name), reason, command or f"c{self.operation_count}")

    def begin(self, definition=PAY, **who):
        started = start(
            self.store, self.clock, definition, b'{"amount":1}', act=self.act(**who), sealing=PLAIN_SEALING
        ).run
        (claimed,) = self.store.apply(ClaimRuns(f"k{self.operation_count}.{self.clock.now()}", 1)).runs
        assert claimed.id == started
        return claimed

    def find(self, name, id):
        finding = Finding(
            subject=Subject(name, IncidentKind.SILENCE), severity=Severity.PAGE, text="no success", since_at=1
        )
        self.store.apply(
            RecordEvaluation(started_at=self.clock.now(), found=(EvaluatedFinding(id=id, finding=finding),))
        )

    def hand_over(self, since_at, is_visible=lambda _: True):
        return read_handover(self.store.reader, since_at, self.clock.now(), is_visible)


@pytest.fixture
def shift(tmp_path):
    made = Shift(tmp_path / "s.db")
    yield made
    made.store.close()


def test_quiet_shift_is_reported(shift):
    """Nothing happened, and nothing waits."""
    found = shift.hand_over(0)
    assert (found.is_quiet, found.more) == (True, False)


def test_shift_reports_what_opened_closed_and_still_waits(shift):
    """What opened before and is open still is wrong, but not new; what ended is closed, by whom."""
    shift.find("pay", "i_old")
    shift.clock.forward(HOUR)
    since_at = shift.clock.now()
    shift.find("backup", "i_new")
    shift.clock.forward(1)
    incident.resolve(shift.store, "i_new", act=shift.act(reason="a full disk"))
    shift.store.apply(halt(shift.begin(), "s1"))
    waiting_run = shift.begin()
    question = b'{"text":"Go?","choices":["yes"]}'
    shift.store.apply(OpenWait(waiting_run.id, waiting_run.claim, "q1", "ask", "ask", question=question))
    shift.store.apply(suspend(waiting_run))
    automation.pause(shift.store, "backup", act=shift.act(reason="a move"))
    found = shift.hand_over(since_at)
    assert [entry.incident.id for entry in found.opened] == ["i_new"]
    assert [(entry.incident.id, entry.by, entry.note) for entry in found.closed] == [
        ("i_new", "cli:ann@box", "a full disk")
    ]
    assert [incident.id for incident in found.incidents] == ["i_old"]
    assert [halt.automation for halt in found.halted] == ["pay"]
    assert [(question.automation, question.text) for question in found.questions] == [("pay", "Go?")]
    assert [(pause.automation, pause.reason) for pause in found.paused] == [("backup", "a move")]
    assert not found.is_quiet


def test_operations_are_those_of_people_in_this_time(shift):
    """Not of programs, not what was refused, not who came and went; what was done at once is one line."""
    shift.begin()
    shift.clock.forward(HOUR)
    since_at = shift.clock.now()
    shift.begin(channel="api", name="bot")
    runs = [shift.begin() for _ in range(3)]
    for failed_run in runs:
        shift.store.apply(fail(failed_run))
    bulk = shift.act(reason="the bank is back", command="bulk1")
    for failed_run in runs:
        run.retry(shift.store, failed_run.id, act=bulk.part(failed_run.id))
    with pytest.raises(ConflictError):
        run.retry(shift.store, runs[0].id, act=shift.act())
    found = [
        (operation.verb, operation.automation, operation.number, operation.reason)
        for operation in shift.hand_over(since_at).acts
    ]
    assert found == [("retry", "pay", 3, "the bank is back"), *[("start", "pay", 1, None)] * 3]


def test_restricted_visitor_sees_no_other_automation(shift):
    """Neither incidents, runs, questions nor acts of another one, nor of the house itself."""
    for name, id in (("pay", "i_pay"), ("backup", "i_backup"), ("", "i_house")):
        shift.find(name, id)
    shift.store.apply(halt(shift.begin(BACKUP), "s1"))
    automation.pause(shift.store, "backup", act=shift.act())
    found = shift.hand_over(0, lambda name: name == "pay")
    assert [entry.incident.id for entry in found.opened] == [incident.id for incident in found.incidents] == ["i_pay"]
    assert (found.acts, found.halted, found.paused, found.questions) == ([], [], [], [])


def test_entries_over_the_limit_are_counted(shift):
    """How much of what; nothing is left where all is reported, of what others may not see least of all."""
    for place in range(MOST + 2):
        shift.find(f"x{place}", f"i_{place}")
        automation.pause(shift.store, "pay", act=shift.act())
        automation.resume(shift.store, "pay", act=shift.act())
    found = shift.hand_over(0)
    assert (len(found.opened), len(found.incidents), len(found.acts), found.more) == (MOST, MOST, MOST, True)
    assert found.left == HandoverRemainder(opened=2, incidents=2, acts=MOST + 4)
    assert shift.hand_over(0, lambda name: name == "x0").left == HandoverRemainder()


def test_operations_of_people_are_found_among_those_of_programs(shift, monkeypatch):
    """As far back as is looked at; what lies behind that is said to be there, unless it was before the shift."""
    monkeypatch.setattr("mainspring.insight.status.handover._OPERATIONS_READ", 5)
    since_at = shift.clock.now()
    automation.pause(shift.store, "backup", act=shift.act())
    for _ in range(4):
        shift.begin(channel="api", name="bot")
    found = shift.hand_over(since_at)
    assert ([operation.verb for operation in found.acts], found.more) == (["pause"], False)
    shift.begin(channel="api", name="bot")
    found = shift.hand_over(since_at)
    assert (found.acts, found.more) == ([], True)
    shift.clock.forward(HOUR)
    assert not shift.hand_over(shift.clock.now()).more
