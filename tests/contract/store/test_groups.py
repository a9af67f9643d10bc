"""A group of commands means what the same commands mean one by one: equal answers, equal tables."""

import os

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mainspring.domain.errors import StoreError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, DeliveryState, FailureReason, OutcomeState, RunState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.audit_chain import first_break
from mainspring.store.commands.automations import RetireAutomation, SetMeta, SetQueue
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint
from mainspring.store.commands.results import CLAIM_LOST, DONE, Refused, StartAnswer
from mainspring.store.commands.runs import (
    AnnotateRun,
    CancelRun,
    ClaimedRuns,
    ClaimRuns,
    ParentLink,
    ReleaseRun,
    RunKey,
)
from mainspring.store.commands.triggers import ReleaseSourceKey
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT
from tests.contract.store.clock import FakeClock
from tests.contract.store.deliveries import accepting, announced, deciding, gathering, hook, on_run, on_runs, releasing
from tests.contract.store.process import (
    BOOM,
    ask,
    audited,
    complete,
    event,
    finish,
    halt,
    outcome,
    post,
    signal,
    suspend,
    wait_for,
)

TABLES = (
    *("runs", "journal", "attempts", "checkpoints", "inbox", "waits", "run_keys", "partition_holds", "consumed_facts"),
    *("queues", "rollups", "rollup_details", "outbox", "events"),
)
DELIVERY_TABLES = ("triggers", "topics", "deliveries", "flow_control", "gatherings", "joined_runs")
SENT_BY = 7
"""The place of the run in a row of the outbox, without its number."""
NUMBERED = {"runs", "inbox", "outbox", "events", "deliveries"}
FLOW_CONTROLS = [
    FlowControl(),
    FlowControl(),
    FlowControl(),
    FlowControl(debounce=5),
    FlowControl(throttle=5),
    FlowControl(batch=2, within=5),
    FlowControl(dedup=5),
    FlowControl(rate=(1, 5)),
]
LEFT = [DeliveryState.FILTERED, DeliveryState.FAILED, DeliveryState.DROPPED, DeliveryState.REFUSED]
RUNS = 5
"""The first is in a partition, the second has a key, the third watches it and is the fourth's parent; facts lie in the last's inbox."""


def prepared(opener, *, is_held=False):
    """A worker that owns five runs, always the same ones, in a store that was restored before."""
    store = opener(FakeClock()).open(hash_seed="seed")
    store.do(announced(hook("a"), on_run("a", "b", "[]"), on_runs("b", "a", "b")))
    store.do(SetQueue("narrow", max_backlog=1))
    undecided = accepting(store, "asked", filtered=True, start=None)
    store.do(*(msgspec.structs.replace(undecided, id=f"d{n}", key=f"asked{n}") for n in range(3)))
    first = store.starting(id="r0", partition="p")
    keyed = store.starting(id="r1", run_key=RunKey("k", "h"))
    store.do(first, keyed, *(store.starting("b", id=f"r{n}") for n in (2, 4)))
    runs = {run.id: run for run in store.do(ClaimRuns("c0", 10)).runs}
    store.do(
        store.starting(id="r3", parent=ParentLink("r2", "child", runs["r2"].claim)),
        store.starting(id="r-blocked", partition="p"),
        OpenWait("r2", runs["r2"].claim, "watch", "run", "r1"),
        signal("r4", "one"),
        signal("r4", "two"),
        SaveAttempt("r4", runs["r4"].claim, "s1", "s1", 0, 1, AttemptState.STARTED, 1, 1, "b"),
        SaveCheckpoint("r4", runs["r4"].claim, "s1", b"1"),
    )
    runs |= {run.id: run for run in store.do(ClaimRuns("c1", 10)).runs}
    assert sorted(runs) == [f"r{n}" for n in range(RUNS)]
    store.do(SetMeta(RESTORED_AT, str(store.clock.now())), SetMeta(HOLD_KEY, "1" if is_held else None))
    return store, [runs[name] for name in sorted(runs)]


def tables(store):
    """All that is written, with numbers told by their order."""
    found = {}
    for table in (*TABLES, *DELIVERY_TABLES):
        rows = store.reader.read_text(f"select * from {table}")
        found[table] = [row[1:] for row in sorted(rows)] if table in NUMBERED else sorted(rows, key=repr)
    # What follows from two runs in one commit has no order; what one run sends has, and so has what was accepted.
    found["outbox"].sort(key=lambda row: row[SENT_BY])
    found["deliveries"].sort(key=lambda row: row[0] if row[0].startswith("d_") else "")
    chain = store.reader.read_text("select * from audit_log order by seq")
    assert first_break(chain) is None
    found["audit_log"] = sorted(row[2:9] for row in chain)
    return found


def comparable(answer):
    """An answer without the words of an error and without the numbers of facts, which a transaction may use up in vain."""
    if isinstance(answer, Exception):
        return type(answer)
    if isinstance(answer, ClaimedRuns):
        return [unnumbered(run) for run in answer.runs], answer.next_due_at, answer.more
    return answer


def unnumbered(run):
    return msgspec.structs.replace(run, facts=tuple(msgspec.structs.replace(fact, seq=0) for fact in run.facts))


def start_of(draw, store, number):
    """The start that something arrived for."""
    return store.starting(
        draw(st.sampled_from("aab")), id=f"n{number}", queue=draw(st.sampled_from(["default", "default", "narrow"])),
        partition=draw(st.sampled_from([None, None, "p"])), run_key=draw(st.sampled_from([None, None, RunKey("k", "h")])),
    )  # fmt: skip


def command(draw, store, runs, number):
    """One command of any kind, about one of a few runs."""
    run = draw(st.sampled_from(runs))
    if draw(st.integers(0, 9)) == 0:
        run = msgspec.structs.replace(run, claim=run.claim - 1)
    rank = draw(st.integers(1, 3))
    ident = f"s{draw(st.integers(1, 2))}"
    state = draw(st.sampled_from([RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED]))
    step = draw(st.sampled_from([OutcomeState.SUCCEEDED, OutcomeState.FAILED]))
    due = draw(st.sampled_from([None, 1, 2**42]))
    flag = draw(st.booleans())
    sent = {
        "posts": tuple(post(f"q/{n}", id=f"m{number}-{n}") for n in range(draw(st.sampled_from([0, 0, 1, 2])))),
        "events": tuple(event(id=f"e{number}") for _ in range(draw(st.sampled_from([0, 0, 0, 1])))),
    }
    kinds = {
        "outcome": lambda: outcome(
            run, rank, ident, state=step, failure=BOOM if flag else None, marked=draw(st.booleans()),
            inbox=draw(st.sampled_from([None, 1, 2])), kind=draw(st.sampled_from([OutcomeKind.STEP, OutcomeKind.TIMER])), **sent,
        ),
        "attempt": lambda: SaveAttempt(
            run.id, run.claim, ident, ident, 0, rank, draw(st.sampled_from([AttemptState.STARTED, AttemptState.FAILED])), 1, 1,
            run.automation, failure=BOOM if flag else None,
        ),
        "checkpoint": lambda: SaveCheckpoint(run.id, run.claim, ident, b"2" if flag else None, rank, 3),
        "annotate": lambda: AnnotateRun(run.id, run.claim, tags=b"{}" if flag else None, progress=b"[1,2]"),
        "suspend": lambda: suspend(run, rank=rank, due_at=due, seen=draw(st.integers(0, 2))),
        "finish": lambda: finish(run, state, rank=rank, reason=FailureReason.DEADLINE if flag else None, result=b"1"),
        "complete": lambda: complete(run, ident, output=b"1" if flag else None, **sent),
        "go on": lambda: finish(run, rank=rank, then=store.starting("b", id=f"n{number}")),
        "start": lambda: store.starting(
            draw(st.sampled_from("ab")), id=f"n{draw(st.integers(0, number))}", due_at=due, title=draw(st.sampled_from([None, "née"])),
            queue=draw(st.sampled_from(["default", "narrow", "wide"])),
        ),
        "audited start": lambda: audited(
            store.starting(id=f"n{draw(st.integers(0, number))}", due_at=due, concurrency_key=draw(st.sampled_from([None, "x"]))),
            f"command{draw(st.integers(0, number))}", "start", detail={"n": number},
        ),
        "audited cancel": lambda: audited(CancelRun(run.id, f"cmd{number}"), f"command{number}"),
        "start keyed": lambda: store.starting(
            id=f"n{number}", run_key=RunKey("k", draw(st.sampled_from("hi")), "restart"), partition="p" if flag else None
        ),
        "start child": lambda: store.starting(id=f"n{number}", parent=ParentLink(run.id, ident, run.claim)),
        "guilty start": lambda: store.starting(id=f"g{number}", input=None),
        "guilty outcome": lambda: msgspec.structs.replace(outcome(run, rank), name=None),
        "claim": lambda: ClaimRuns(f"x{number}", rank),
        "deliver": lambda: signal(run.id, ident),
        "wait": lambda: wait_for(run, ident=ident) if flag else ask(run, ident=ident),
        "watch": lambda: OpenWait(run.id, run.claim, ident, "run", draw(st.sampled_from(runs)).id),
        "halt": lambda: halt(run, rank=rank),
        "release": lambda: ReleaseRun(run.id, run.claim, rank),
        "cancel": lambda: CancelRun(run.id, f"cmd{number}"),
        "take in": lambda: accepting(
            store, f"k{draw(st.integers(0, 3))}", id=f"t{number}", body_hash=draw(st.sampled_from("hhg")), filtered=flag,
            was_stored=draw(st.booleans()), happened_at=draw(st.sampled_from([None, 1, 2**42])),
            pace=draw(st.sampled_from(FLOW_CONTROLS)), by=draw(st.sampled_from("xy")),
            start=None if flag else start_of(draw, store, number),
        ),
        "decide": lambda: deciding(
            store, f"d{draw(st.integers(0, 2))}", pace=draw(st.sampled_from(FLOW_CONTROLS)), start=start_of(draw, store, number)
        ),
        "decide not": lambda: deciding(store, f"d{draw(st.integers(0, 2))}", draw(st.sampled_from(LEFT)), note="no"),
        "let go": lambda: releasing(
            store, FlowControl(debounce=5), f"t{draw(st.integers(0, number))}", by="x", start=store.starting(id=f"n{number}")
        ),
        "gather": lambda: gathering(
            store, f"d{draw(st.integers(0, 2))}", draw(st.sampled_from("ab")), trigger="b/runs", counts=flag, run=run.id,
            start=store.starting("b", id=f"n{number}"),
        ),
        "forget": lambda: ReleaseSourceKey("a/webhook", f"k{draw(st.integers(0, 3))}"),
        "retire": lambda: RetireAutomation("a"),
    }  # fmt: skip
    usual = [
        "outcome",
        "outcome",
        "outcome",
        "attempt",
        "checkpoint",
        "annotate",
        "suspend",
        "finish",
        "complete",
        "complete",
        "start",
        "start",
        "audited start",
        "audited start",
        "take in",
        "take in",
        "decide",
        "decide not",
    ]
    return kinds[draw(st.sampled_from([*usual, *usual, *kinds]))]()


def test_group_means_what_its_commands_mean_one_by_one(new_database, request):
    """Whatever stands in a group, answers and tables are those of the same commands in the same order, each by itself."""

    # A new store on a server takes a second: the long tests have as many there as on a file.
    is_whole = "sqlite" in request.node.name or "TESTS_LONG" in os.environ

    @settings(
        max_examples=20 if is_whole else 6,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(data=st.data())
    def compare(data):
        is_held = data.draw(st.booleans())
        together, runs = prepared(new_database(), is_held=is_held)
        single, same = prepared(new_database(), is_held=is_held)
        try:
            assert runs == same
            count = data.draw(st.integers(2, 25))
            commands = [command(data.draw, together, runs, number) for number in range(count)]
            answers = together.database.commit(commands).results
            expected = [single.do(command) for command in commands]
            assert [comparable(answer) for answer in answers] == [comparable(answer) for answer in expected]
            assert tables(together) == tables(single)
        finally:
            together.close()
            single.close()

    compare()


@pytest.fixture
def owned(store):
    """Forty runs that this worker owns."""
    store.do(*(store.starting() for _ in range(40)))
    runs = store.claim(40).runs
    assert len(runs) == 40
    return runs


def test_big_group_keeps_the_order_of_each_run(store, owned):
    """A mark, its outcome and what follows it stand in one group for each of many runs: all are saved, and none is left open."""
    group = []
    for run in owned:
        group += [
            SaveAttempt(run.id, run.claim, "s1", "s1", 0, 1, AttemptState.STARTED, 1, 1, "a"),
            outcome(run, 1, marked=True),
            outcome(run, 2),
            suspend(run, rank=2) if run is not owned[0] else finish(run, rank=2),
        ]
    assert store.do(*group) == [DONE] * len(group)
    assert [store.state(run.id) for run in owned] == [RunState.SUCCEEDED] + [RunState.WAITING] * 39
    for run in owned:
        history = store.history(run.id)
        assert [row.rank for row in history.outcomes] == [1, 2]
        assert not history.attempts


def test_big_group_starts_in_its_order(store):
    """Many starts of one group are claimed in the order in which they stand there."""
    group = [store.starting() for _ in range(100)]
    assert store.do(*group) == [StartAnswer(command.id, created=True, state=RunState.QUEUED) for command in group]
    assert store.ids(100) == [command.id for command in group]


def test_big_group_of_audited_starts_is_one_chain(store):
    """Each start is on record once, in the order of the group; a command that stands there twice has one answer."""
    group = [audited(store.starting(), verb="start") for _ in range(50)]
    again = audited(store.starting(), group[3].command, "start")
    store.do(group[7])
    answers = store.do(*group, again)
    assert answers == [StartAnswer(c.inner.id, created=True, state=RunState.QUEUED) for c in [*group, group[3]]]
    assert store.ids(100) == [group[7].inner.id, *(c.inner.id for c in group if c is not group[7])]
    chain = store.reader.read_text("select * from audit_log order by seq")
    assert first_break(chain) is None
    assert [row[2] for row in chain] == [group[7].command, *(c.command for c in group if c is not group[7])]


def test_only_the_audited_start_that_cannot_be_recorded_fails(new_database):
    """A server refuses a NUL in a text: the other starts of the group are committed, and later ones too."""
    store, _ = prepared(new_database())
    try:
        group = [audited(store.starting(), verb="start", reason="a\0b" if n == 2 else None) for n in range(5)]
        answers = store.database.commit(group).results
        started = [isinstance(answer, StartAnswer) for answer in answers]
        assert started == [True, True, started[2], True, True]
        assert started[2] or isinstance(answers[2], StoreError)
        assert isinstance(store.do(audited(store.starting(), verb="start")), StartAnswer)
    finally:
        store.close()


def test_start_that_is_found_makes_no_queue(store):
    """A group of starts that were there already leaves nothing behind, whatever queue they name now."""
    group = [store.starting() for _ in range(3)]
    store.do(*group)
    answers = store.do(*(msgspec.structs.replace(command, queue="elsewhere") for command in group))
    assert answers == [StartAnswer(command.id, created=False, state=RunState.QUEUED) for command in group]
    assert store.reader.read_text("select name from queues") == [("default",)]


def test_only_the_run_that_lost_its_claim_in_a_big_group_is_reported(store, second, owned):
    """In the middle of a group one run belongs to someone else now: its commands are refused, all others are executed."""
    lost = owned[20]
    store.do(ReleaseRun(lost.id, lost.claim, 0))
    (claimed,) = second.claim(1).runs
    assert claimed.id == lost.id
    answers = store.do(*(part for run in owned for part in (outcome(run, 1), finish(run, rank=1))))
    assert answers[40:42] == [CLAIM_LOST, CLAIM_LOST]
    assert answers[:40] + answers[42:] == [DONE] * 78
    assert store.state(lost.id) is RunState.RUNNING
    assert not store.history(lost.id).outcomes


def test_only_the_guilty_command_of_a_big_group_fails(store, owned):
    """One command of many cannot be written: it gets the error, what stands before and after it is saved."""
    group = [outcome(run, 1) for run in owned]
    group[17] = msgspec.structs.replace(group[17], name=None)
    answers = store.do(*group)
    assert isinstance(answers[17], StoreError)
    assert answers[:17] + answers[18:] == [DONE] * 39
    assert [len(store.history(run.id).outcomes) for run in owned] == [1] * 17 + [0] + [1] * 22


def test_outcome_twice_in_a_group_is_saved_once(store, owned):
    """The same outcome again is answered alike; another one at its rank is refused."""
    first, other = owned[0], outcome(owned[0], 1, "another")
    answers = store.do(*(outcome(run, 1) for run in owned), outcome(first, 1), other)
    assert answers[:41] == [DONE] * 41
    assert answers[41] == Refused("rank_taken", f"run {first.id} has another outcome at rank 1")
    assert [row.ident for row in store.history(first.id).outcomes] == ["s1"]
