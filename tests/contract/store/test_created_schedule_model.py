"""Any order of operations, passes of a scheduler, and commits that were planned before: no slot is lost or made twice."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from mainspring.domain.definitions.schedule_options import make_schedule, merge_options
from mainspring.store.commands.results import Refused, ScheduleChanged
from tests.contract.store.clock import FakeClock
from tests.contract.store.created_schedules import (
    announce,
    change,
    create,
    delete,
    find,
    pause,
    plan,
    resume,
    serve,
    slots,
)

OPTIONS = st.sampled_from(
    [
        {"every": "1m"},
        {"every": "90s"},
        {"every": "7m"},
        {"cron": ["*/2 * * * *"]},
        {"cron": ["30 * * * * *"], "tz": "Asia/Kolkata"},
        {"cron": ["5,10 * * * *"], "tz": "Europe/Berlin"},
    ]
)


class CreatedScheduleModel(RuleBasedStateMachine):
    """`forms` = the forms of the schedule since its creation, each with the instant from which its slots count. `seen` = what happened."""

    def __init__(self, new_database, seen):
        super().__init__()
        self.opener = new_database()
        self.seen = seen

    @initialize()
    def open(self):
        self.clock = FakeClock()
        self.process = self.opener(self.clock).open()
        announce(self.process, overlap="allow", misfire="all")
        self.options = None
        self.forms = []
        self.is_paused = False
        self.planned = []
        self.known = {}

    def expected_slots(self):
        """Return the slots up to now, by the definition alone."""
        found = set()
        for place, (from_at, schedule) in enumerate(self.forms):
            until_at = self.forms[place + 1][0] if place + 1 < len(self.forms) else self.clock.now()
            found |= set(schedule.slots_between(from_at, until_at, 100_000))
        return found

    @rule(seconds=st.integers(0, 300))
    def wait(self, seconds):
        self.clock.forward(seconds * 1_000)

    @precondition(lambda self: self.options is None)
    @rule(options=OPTIONS)
    def create(self, options):
        assert isinstance(create(self.process, **options), ScheduleChanged)
        self.options = merge_options({}, options, "UTC")
        self.forms = [(self.clock.now(), make_schedule("acme", self.options, None))]
        self.seen.add("created again" if self.known else "created")

    @precondition(lambda self: self.options is not None)
    @rule(options=OPTIONS)
    def change(self, options):
        answer = change(self.process, **options)
        if isinstance(answer, Refused):
            assert answer.code == "unserved_changes"
            self.seen.add("refused")
            return
        merged = merge_options(self.options, options, "UTC")
        if merged != self.options:
            self.options = merged
            self.forms.append((self.clock.now(), make_schedule("acme", merged, None)))
            self.seen.add("changed")

    @precondition(lambda self: self.options is not None)
    @rule()
    def delete(self):
        assert isinstance(delete(self.process), ScheduleChanged)
        self.options, self.forms, self.is_paused = None, [], False

    @precondition(lambda self: self.options is not None and self.known)
    @rule(options=OPTIONS)
    def create_again(self, options):
        self.delete()
        self.create(options)

    @precondition(lambda self: self.options is not None)
    @rule()
    def pause_or_resume(self):
        answer = resume(self.process) if self.is_paused else pause(self.process)
        assert isinstance(answer, ScheduleChanged)
        self.is_paused = not self.is_paused
        self.seen.add("paused")

    @rule(letter=st.sampled_from("ab"))
    def restart_worker(self, letter):
        announce(self.process, fingerprint=f"code-{letter}", overlap="allow", misfire="all")

    @rule()
    def plan(self):
        self.planned += plan(self.process)

    @rule()
    def commit_plan(self):
        """A scheduler was slow: it commits what it planned before other operations."""
        for command in self.planned:
            if isinstance(self.process.do(command), Refused):
                self.seen.add("stale")
        self.planned = []
        self.check()

    @precondition(lambda self: self.options is not None and not self.is_paused)
    @rule(seconds=st.integers(60, 200), options=OPTIONS, is_deleted=st.booleans())
    def overtake(self, seconds, options, is_deleted):
        """A change, or a deletion and a creation, are committed between the plan of a scheduler and its commit."""
        self.wait(seconds)
        self.plan()
        if is_deleted:
            self.delete()
            self.create(options)
        else:
            self.change(options)
        self.commit_plan()

    @rule()
    def serve(self):
        serve(self.process)
        self.check()
        if self.options is not None and not self.is_paused:
            assert self.expected_slots() <= slots(self.process).keys(), "a slot is lost"
            self.seen.add("served")

    def check(self):
        """Each new slot is one of the schedule as it is now, after its creation, and has its run."""
        now = slots(self.process)
        new = now.keys() - self.known.keys()
        assert new <= self.expected_slots(), "a slot was made that no form of the schedule has"
        assert all(now[at] == row for at, row in self.known.items())
        assert len({row.run for row in now.values()}) == len(now), "two slots have one run"
        assert all(row.run is not None for row in now.values())
        self.known = now
        schedule = find(self.process)
        assert (schedule is None) == (self.options is None)

    def teardown(self):
        if hasattr(self, "process"):
            self.process.close()


def test_operations_neither_lose_nor_double_a_slot(new_database):
    """A schedule that is deleted and created again makes no slot before its creation; a change of its times takes effect at its commit."""
    seen: set[str] = set()
    run_state_machine_as_test(
        lambda: CreatedScheduleModel(new_database, seen),
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
    assert {"created", "created again", "changed", "paused", "stale", "served"} <= seen
