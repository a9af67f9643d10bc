"""Processes, definitions and sources that are lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, UnreachableSource, WatchedAutomation, WatchedProcess
from mainspring.domain.processes.stall import BlockedLoop
from tests.unit.domain.monitors.looking import DAY, HOUR, MINUTE, SECOND, T0, cadence, ends, found, look, watched

LOST, DEFINITION, SOURCE = IncidentKind.WORKER_LOST, IncidentKind.DEFINITION_LOST, IncidentKind.SOURCE_UNREACHABLE
NEEDY = watched(cadences=(cadence(every="1h", next_slot_at=T0 + 9 * DAY),), announced_at=T0, served=1)


def process(role: str = "worker", beat_at: int = T0, **known: Any) -> WatchedProcess:
    values: dict[str, Any] = {"session": 1, "host": "box", "pid": 7, "opened_at": T0 - DAY, "serves": True}
    return WatchedProcess(**values | {"role": role, "beat_at": beat_at} | known)


def facts(*processes: WatchedProcess, one: WatchedAutomation = NEEDY, **known: Any) -> MonitorInputs:
    return MonitorInputs(automations=(one,), processes=processes, **known)


def roles(known: MonitorInputs, now_at: int) -> list[str]:
    return [finding.subject.fingerprint for finding in found(LOST, known, now_at)]


def test_missing_role_is_told_after_five_minutes() -> None:
    """Since the last sign of life of any process of it, ended ones too."""
    known = facts(process("scheduler", T0 + 6 * MINUTE), last_seen={"worker": T0 + MINUTE})
    assert roles(known, T0 + 6 * MINUTE - 1) == []
    assert roles(known, T0 + 6 * MINUTE) == ["worker"]


def test_what_was_lost_with_the_worker_is_told_with_it() -> None:
    """Where `up` ends nobody lives: that is one thing. What was lost apart from it, told before or stays away longer is another."""
    now_at = T0 + 6 * MINUTE
    at_once = facts(last_seen={"worker": T0 + 20_000, "scheduler": T0})
    assert roles(at_once, T0 + 5 * MINUTE) == []
    (one,) = found(LOST, at_once, now_at)
    assert one.subject.fingerprint == "worker"
    assert one.text.startswith("no worker and no scheduler has sent a heartbeat for ")
    assert roles(facts(last_seen={"worker": T0 + 30_000, "scheduler": T0}), now_at) == ["scheduler", "worker"]
    told = frozenset({Subject("", IncidentKind.WORKER_LOST, "scheduler")})
    assert roles(facts(last_seen={"worker": T0, "scheduler": T0}, open=told), now_at) == ["scheduler", "worker"]
    assert roles(facts(process(beat_at=now_at), last_seen={"scheduler": T0}), now_at) == ["scheduler"]
    assert roles(facts(process("app", T0 + HOUR)), T0 + HOUR) == []


def test_nobody_is_missed_whom_nobody_needs() -> None:
    """Without schedule, trigger or waiting run no worker is needed; wrapped commands never need one."""
    for one in (watched(), watched(kind="exec", cadences=NEEDY.cadences), watched(listens=True, paused_at=1)):
        assert look(LOST, facts(one=one), T0 + DAY) == []
    assert roles(facts(one=watched(listens=True)), T0 + DAY) == ["worker"]


def test_blocked_worker_is_one_finding() -> None:
    """The only one that gives no sign is what is missing; beside others it is told by itself, and sooner."""
    alone = facts(process(), process("scheduler", T0 + HOUR))
    (finding,) = found(LOST, alone, T0 + HOUR)
    assert finding.subject == Subject("", LOST, "worker")
    assert "pid 7 of box is stopped or blocked" in finding.text
    other = process(beat_at=T0 + HOUR, session=2, pid=8)
    beside = facts(process(), other, process("scheduler", T0 + HOUR))
    assert roles(beside, T0 + HOUR) == ["worker:1"]
    assert roles(facts(process(beat_at=T0 + HOUR - 29 * SECOND), *beside.processes[1:]), T0 + HOUR) == []


def test_dead_or_draining_is_not_alive() -> None:
    """Its process is gone, or it takes nothing new."""
    dead: list[dict[str, Any]] = [{"gone": True}, {"draining": True}]
    for known in dead:
        alone = facts(process(beat_at=T0, **known), process("scheduler", T0 + HOUR))
        assert roles(alone, T0 + HOUR) == ["worker"]


KEPT = process("supervisor", T0 + HOUR, opened_at=T0, posts=("watcher",), session=9)


def young(now_at: int, **known: Any) -> WatchedProcess:
    return process("watcher", now_at, opened_at=now_at - SECOND, **known)


HELD = BlockedLoop(T0, ("/usr/lib/python3.12/asyncio/events.py:88 Handle._run", "/srv/shop.py:14 poll"), "r_7")
AT_POLL = Subject("", LOST, "blocked:shop.py poll")


def test_process_that_says_that_it_is_blocked_is_told_by_what_blocks_it() -> None:
    """After 30 s, with its run; nobody is told besides that its role is missing, however long it lasts."""
    for after, subjects in ((30 * SECOND - 1, []), (30 * SECOND, [AT_POLL]), (HOUR, [AT_POLL])):
        known = facts(process(blocked=HELD), process("scheduler", T0 + after))
        assert [one.subject for one in found(LOST, known, T0 + after)] == subjects
    (finding,) = found(LOST, known, T0 + HOUR)
    assert finding.text == "worker pid 7 of box is blocked for 1h at /srv/shop.py:14 poll, run r_7"
    assert "runs cancel r_7" in str(finding.hint)
    assert found(LOST, facts(process(beat_at=T0 + HOUR), process("scheduler", T0 + HOUR)), T0 + HOUR) == []


def test_blocked_process_beside_one_that_works_is_no_page() -> None:
    """And it is told once, not as silent too."""
    loud = watched(cadences=NEEDY.cadences, tier=Severity.PAGE)
    scheduler, other = process("scheduler", T0 + HOUR), process(beat_at=T0 + HOUR, session=2)
    alone = found(LOST, facts(process(blocked=HELD), scheduler, one=loud), T0 + HOUR)
    beside = found(LOST, facts(process(blocked=HELD), other, scheduler, one=loud), T0 + HOUR)
    assert [(one.subject, one.severity) for one in alone] == [(AT_POLL, Severity.PAGE)]
    assert [(one.subject, one.severity) for one in beside] == [(AT_POLL, Severity.NOTIFY)]


def test_what_takes_the_run_of_a_blocked_process_next_is_the_same_incident() -> None:
    """Until then nobody is told that it is over, nor that the last one died; it is over where nobody is blocked any more."""
    now_at = T0 + 5 * MINUTE
    scheduler, told = process("scheduler", now_at), frozenset({AT_POLL})
    new = process(beat_at=now_at, opened_at=now_at)
    died = {"worker": now_at - SECOND}
    known = facts(new, scheduler, open=told, last_died=died, last_seen={"worker": T0})
    assert found(LOST, known, now_at) == []
    assert [one.subject for one in look(LOST, known, now_at) if one.unsure] == [AT_POLL]
    held = process("probation", now_at, blocked=BlockedLoop(now_at - 5 * SECOND, HELD.stack, "r_7"), session=3)
    known = facts(new, scheduler, held, open=told, last_died=died, last_seen={"worker": T0})
    assert [one.subject for one in found(LOST, known, now_at)] == [AT_POLL]
    over = facts(new, scheduler, open=told, last_died={"worker": now_at - MINUTE})
    assert [one.subject for one in look(LOST, over, now_at) if one.unsure or one.finding] == []


@pytest.mark.parametrize("there", ["lives for a moment", "is dead already", "is gone from the record"])
def test_process_that_dies_whenever_it_is_started_is_missing(there: str) -> None:
    """However lately one gave a sign of life: since the last one that lived for a while."""
    now_at = T0 + 5 * MINUTE
    those = {"lives for a moment": [young(now_at)], "is dead already": [young(now_at, gone=True)]}.get(there, [])
    known = facts(KEPT, *those, one=watched(), last_died={"watcher": now_at - 2 * SECOND})
    (finding,) = found(LOST, known, now_at)
    assert finding.subject.fingerprint == "watcher"
    assert finding.text.startswith("no watcher stays running for 5m: the last one died 2s ago (pid 7 of box needs one")
    assert found(LOST, known, now_at - 1) == []
    steady = facts(KEPT, *those, one=watched(), last_died={"watcher": now_at}, last_seen={"watcher": T0 + MINUTE})
    assert found(LOST, steady, now_at) == []


def test_life_after_a_death_counts_once_it_lasts() -> None:
    """30 s after it began; at once where the death was long ago, or nobody died."""
    now_at = T0 + HOUR
    for opened_at, died_at, is_found in (
        (now_at - 30 * SECOND, now_at - 31 * SECOND, False),
        (now_at - 29 * SECOND, now_at - 31 * SECOND, True),
        (now_at - 29 * SECOND, now_at - 58 * SECOND, True),
        (now_at - 29 * SECOND, now_at - 59 * SECOND, False),
        (now_at - SECOND, None, False),
    ):
        one = process("watcher", now_at, opened_at=opened_at)
        died = {} if died_at is None else {"watcher": died_at}
        assert bool(found(LOST, facts(KEPT, one, one=watched(), last_died=died), now_at)) is is_found, opened_at


def test_what_was_told_is_over_once_a_life_lasts() -> None:
    """Whatever comes and goes meanwhile, its supervisor too: each would be an end, and told anew."""
    now_at = T0 + HOUR
    missing = Subject("", LOST, "watcher")
    seen = {"watcher": T0}
    kept = process("supervisor", now_at, opened_at=now_at - 5 * SECOND, posts=("watcher",), session=9)
    for opened_at, is_found in ((now_at - 29 * SECOND, True), (now_at - 30 * SECOND, False)):
        one = process("watcher", now_at, opened_at=opened_at)
        died = {"watcher": opened_at - 5 * MINUTE}
        told = facts(kept, one, one=watched(), last_seen=seen, last_died=died, open=frozenset({missing}))
        assert (missing in {each.subject for each in found(LOST, told, now_at)}) is is_found, opened_at
        new = facts(kept, one, one=watched(), last_seen=seen, last_died=died)
        assert found(LOST, new, now_at) == []
        stopped = facts(kept, one, one=watched(), last_seen=seen, open=frozenset({missing}))
        assert found(LOST, stopped, now_at) == [], "nobody died: it goes on"


def test_posts_of_a_supervisor_are_needed() -> None:
    """What it keeps must be there, whatever automations need."""
    known = facts(
        process("supervisor", T0 + HOUR, posts=("web", "watcher")), process("watcher", T0 + HOUR), one=watched()
    )
    assert roles(known, T0 + HOUR) == ["web"]


def test_loudness_is_that_of_the_loudest() -> None:
    """A page-tier automation makes the loss of its worker a page."""
    loud = watched(cadences=NEEDY.cadences, tier=Severity.PAGE)
    assert {one.severity for one in found(LOST, facts(one=loud), T0 + DAY)} == {Severity.PAGE}


@given(st.integers(0, DAY), st.integers(0, DAY), st.integers(0, MINUTE), st.none() | st.integers(0, DAY))
def test_loss_is_monotone_in_time(first: int, more: int, age: int, died: int | None) -> None:
    """Nobody comes back by waiting, whoever died before."""
    lost = {} if died is None else {"worker": T0 - died}
    known = facts(process(opened_at=T0 - age), last_seen={"worker": T0 - age}, last_died=lost)
    assert set(roles(known, T0 + first)) <= set(roles(known, T0 + first + more))


def test_definition_that_does_not_load_is_lost() -> None:
    """The line after the place is the reason."""
    one = watched(problem="/srv/jobs.py:3\nImportError: no module named x\nneeded by all", announced_at=T0)
    (finding,) = found(DEFINITION, facts(one=one), T0 + 1)
    assert finding.text == "it fails to load: ImportError: no module named x"
    assert "auto retire backup" in str(finding.hint)
    assert finding.cause == "load:/srv/jobs.py:3: ImportError: no module named x", (
        "the place, which it begins with, and the reason"
    )
    (finding,) = found(DEFINITION, facts(one=watched(problem="no reason", announced_at=T0)), T0 + 1)
    assert (finding.text, finding.cause) == ("it fails to load: no reason", None)


def test_definition_that_nobody_announces_is_lost() -> None:
    """Five minutes after workers last came or went; without workers that is told elsewhere."""
    gone = watched(cadences=NEEDY.cadences)
    known = facts(process(beat_at=T0 + DAY), one=gone, last_ended={"worker": T0})
    assert found(DEFINITION, known, T0 + 5 * MINUTE - 1) == []
    assert len(found(DEFINITION, known, T0 + 5 * MINUTE)) == 1
    assert look(DEFINITION, facts(one=gone), T0 + DAY)[0].unsure is not None
    assert found(DEFINITION, facts(process(), one=NEEDY), T0 + DAY) == []
    again = facts(
        *known.processes, one=gone, last_ended={"worker": T0 + DAY}, open=frozenset({Subject("backup", DEFINITION)})
    )
    assert len(found(DEFINITION, again, T0 + DAY)) == 1


@pytest.mark.parametrize("one", [watched(), watched(kind="exec", cadences=NEEDY.cadences)])
def test_definition_that_nobody_waits_for_is_not_lost(one: WatchedAutomation) -> None:
    """What never ran, and what wraps a command, is announced by no worker."""
    assert found(DEFINITION, facts(process(), one=one), T0 + DAY) == []


@pytest.mark.parametrize("ran", [{"succeeded_at": T0}, {"ends": ends(False, at=T0)}])
def test_definition_that_ran_and_is_gone_is_told_in_the_digest(ran: dict[str, Any]) -> None:
    """Nothing starts it by itself, so nobody waits; whoever starts it next has to know. What a worker has is well."""
    last = {"last_ended": {"worker": T0}}
    (finding,) = found(DEFINITION, facts(process(), one=watched(**ran), **last), T0 + 5 * MINUTE)
    assert finding.severity is Severity.DIGEST
    assert found(DEFINITION, facts(process(), one=watched(**ran), **last), T0 + 5 * MINUTE - 1) == []
    assert found(DEFINITION, facts(process(), one=watched(served=1, **ran), **last), T0 + DAY) == []


def test_source_is_away_after_five_minutes() -> None:
    """With the reason, and the broker as what it shares with others."""
    one = watched(away=(UnreachableSource("backup/queue", "box", T0, "refused", "nats://mq"),), tier=Severity.PAGE)
    assert found(SOURCE, one, T0 + 5 * MINUTE - 1) == []
    (finding,) = found(SOURCE, one, T0 + 5 * MINUTE)
    assert finding.text == "backup/queue has not reached its source for 5m: refused"
    assert (finding.cause, finding.severity) == ("source:nats://mq", Severity.NOTIFY)
