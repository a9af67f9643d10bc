"""Any order of starts, claims, suspensions, ends, messages and burials against a model small enough to be read."""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mainspring.domain.states import RunState
from mainspring.store.commands.results import CLAIM_LOST, DONE
from mainspring.store.commands.runs import CancelRun, ReleaseRun
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import finish, outcome, signal, suspend


@dataclass
class Model:
    """What the store must know of one run."""

    id: str
    number: int
    partition: str | None
    due_at: int
    state: RunState = RunState.QUEUED
    is_started: bool = False
    needs_partition: bool = False
    claimed: object = None
    owner: object = None
    ranks: int = 0
    messages: int = 0
    seen: int = 0
    wake_at: int | None = None


class StoreModel(RuleBasedStateMachine):
    """Two workers on one store; a declared dead one is replaced by a new process. `compared` = runs whose claim was compared."""

    def __init__(self, new_database, compared):
        super().__init__()
        self.compared = compared
        self.opener = new_database()
        self.clock = FakeClock()
        self.opened = []

    @initialize()
    def open(self):
        self.workers = [self.new_worker(), self.new_worker()]
        self.runs: dict[str, Model] = {}
        self.lines: dict[str, list[str]] = {"p": [], "q": []}

    def new_worker(self):
        worker = self.opener(self.clock).open("app")  # without a supervisor: no probation process would claim a run
        worker.announce("a")
        self.opened.append(worker)
        return worker

    def of_state(self, *states):
        return sorted(run.id for run in self.runs.values() if run.state in states)

    def line_up(self, run):
        """A run that may begin takes its place for its key."""
        if run.partition is not None and not run.needs_partition:
            run.needs_partition = True
            self.lines[run.partition].append(run.id)

    def leave(self, run):
        if run.partition is not None and run.needs_partition:
            self.lines[run.partition].remove(run.id)

    def is_first(self, run):
        return run.partition is None or self.lines[run.partition][:1] == [run.id]

    def due(self):
        """What became due since the last claim lines up in order of due time."""
        for run in sorted(self.runs.values(), key=lambda run: (run.due_at, run.number)):
            if run.state is RunState.QUEUED and run.due_at <= self.clock.now():
                self.line_up(run)

    def ready(self):
        now = self.clock.now()
        found = []
        for run in self.runs.values():
            if run.state is RunState.QUEUED and (run.is_started or (run.due_at <= now and self.is_first(run))):
                found.append(run)
            if run.state is RunState.WAITING and (
                run.messages > run.seen or (run.wake_at is not None and run.wake_at <= now)
            ):
                found.append(run)
        return found

    @rule(
        partition=st.sampled_from([None, None, "p", "q"]), later=st.sampled_from([0, 0, 0, 7]), worker=st.integers(0, 1)
    )
    def start(self, partition, later, worker):
        self.due()
        command = self.workers[worker].starting(partition=partition, due_at=self.clock.now() + later if later else None)
        assert self.workers[worker].do(command).created
        run = Model(command.id, len(self.runs), partition, self.clock.now() + later)
        self.runs[run.id] = run
        if not later:
            self.line_up(run)

    @rule(worker=st.integers(0, 1), limit=st.integers(1, 4))
    def claim(self, worker, limit):
        self.due()
        expected = {run.id for run in self.ready()}
        resumes = {run.id for run in self.ready() if run.is_started}
        claimed = self.workers[worker].claim(limit).runs
        assert len(claimed) == min(limit, len(expected))
        assert {run.id for run in claimed} <= expected
        assert len([run for run in claimed if run.id in resumes]) == min(limit, len(resumes))
        starts = [self.runs[run.id] for run in claimed if run.id not in resumes]
        assert starts == sorted(starts, key=lambda run: (run.due_at, run.number))
        self.compared.update(run.id for run in claimed)
        for run in claimed:
            model = self.runs[run.id]
            assert run.fresh is not model.is_started
            assert run.rank == model.ranks
            assert len(run.facts) == model.messages
            model.state, model.is_started, model.claimed, model.owner = (
                RunState.RUNNING,
                True,
                run,
                self.workers[worker],
            )
            model.wake_at = None

    @precondition(lambda self: bool(self.of_state(RunState.RUNNING)))
    @rule(data=st.data())
    def save(self, data):
        model = self.pick(data)
        model.ranks += 1
        model.owner.twice(outcome(model.claimed, model.ranks))

    @precondition(lambda self: bool(self.of_state(RunState.RUNNING)))
    @rule(data=st.data(), wake=st.sampled_from([None, 0, 5]), deliver_fact=st.booleans())
    def suspend(self, data, wake, deliver_fact):
        model = self.pick(data)
        facts = model.owner.history(model.id).facts if deliver_fact else []
        model.seen = len(facts)
        model.wake_at = None if wake is None else self.clock.now() + wake
        command = suspend(model.claimed, due_at=model.wake_at, seen=facts[-1].seq if facts else 0, rank=model.ranks)
        model.owner.twice(command)
        model.state, model.owner = RunState.WAITING, None

    @precondition(lambda self: bool(self.of_state(RunState.RUNNING)))
    @rule(data=st.data(), end=st.sampled_from([RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED]))
    def finish(self, data, end):
        model = self.pick(data)
        model.owner.twice(finish(model.claimed, end, rank=model.ranks))
        model.state, model.owner = end, None
        self.leave(model)

    @precondition(lambda self: bool(self.of_state(RunState.RUNNING)))
    @rule(data=st.data())
    def release(self, data):
        model = self.pick(data)
        model.owner.twice(ReleaseRun(model.id, model.claimed.claim, model.ranks))
        model.state, model.owner = RunState.QUEUED, None

    @precondition(lambda self: bool(self.of_state(RunState.RUNNING, RunState.WAITING)))
    @rule(data=st.data(), worker=st.integers(0, 1))
    def deliver(self, data, worker):
        model = self.runs[data.draw(st.sampled_from(self.of_state(RunState.RUNNING, RunState.WAITING)))]
        model.messages += 1
        assert self.workers[worker].twice(signal(model.id, f"m{model.messages}")) == DONE

    @precondition(lambda self: any(run.state is RunState.QUEUED and not run.is_started for run in self.runs.values()))
    @rule(data=st.data(), worker=st.integers(0, 1))
    def cancel_fresh(self, data, worker):
        fresh = sorted(run.id for run in self.runs.values() if run.state is RunState.QUEUED and not run.is_started)
        model = self.runs[data.draw(st.sampled_from(fresh))]
        self.workers[worker].twice(CancelRun(model.id, "c"))
        model.state = RunState.CANCELLED
        self.leave(model)

    @rule(worker=st.integers(0, 1), crashed=st.booleans())
    def declare_dead(self, worker, crashed):
        dead = self.workers[worker]
        self.workers[1 - worker].do(DeclareSessionDead(dead.session))
        for model in self.runs.values():
            if model.owner is dead:
                model.state, model.owner = RunState.QUEUED, None
        self.workers[worker] = self.new_worker()

    @precondition(lambda self: any(run.claimed is not None and run.owner is None for run in self.runs.values()))
    @rule(data=st.data(), worker=st.integers(0, 1))
    def write_with_a_lost_claim(self, data, worker):
        lost = sorted(run.id for run in self.runs.values() if run.claimed is not None and run.owner is None)
        model = self.runs[data.draw(st.sampled_from(lost))]
        assert (
            self.workers[worker].do(outcome(model.claimed, model.ranks + 1), finish(model.claimed)) == [CLAIM_LOST] * 2
        )

    @rule(ms=st.sampled_from([1, 5, 20]))
    def pass_time(self, ms):
        self.clock.forward(ms)

    def pick(self, data):
        return self.runs[data.draw(st.sampled_from(self.of_state(RunState.RUNNING)))]

    @invariant()
    def states_agree(self):
        if getattr(self, "runs", None):
            found = {row.id: row.state for row in self.workers[0].list_runs(limit=1_000).runs}
            assert found == {run.id: run.state for run in self.runs.values()}

    @invariant()
    def journals_agree(self):
        for run in getattr(self, "runs", {}).values():
            if run.owner is not None:
                assert len(run.owner.history(run.id).outcomes) == run.ranks

    def teardown(self):
        for worker in self.opened:
            worker.close()


def test_store_behaves_like_the_model(new_database, request):
    """Whatever the order of commands, the store and the model agree after each."""
    most = 60 if "sqlite" in request.node.name else 12  # a server answers more slowly than a file
    compared: set[str] = set()
    run_state_machine_as_test(
        lambda: StoreModel(new_database, compared),
        settings=settings(
            max_examples=most,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.function_scoped_fixture,
            ],
        ),
    )
    assert compared, "not one run was ever claimed"
