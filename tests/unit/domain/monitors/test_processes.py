"""Processes, definitions and sources that are lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, UnreachableSource, WatchedAutomation, WatchedProcess
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.processes.stall import BlockedLoop
from tests.unit.domain.monitors.monitor_inputs import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    cadence,
    ends,
    evaluate,
    found,
    watched,
)

LOST, DEFINITION, SOURCE = IncidentKind.WORKER_LOST, IncidentKind.DEFINITION_LOST, IncidentKind.SOURCE_UNREACHABLE
NEEDY = watched(cadences=(cadence(every="1h", next_slot_at=T0 + 9 * DAY),), announced_at=T0, served=1)


def process(role: str = "worker", beat_at: int = T0, **known: Any) -> WatchedProcess:
    values: dict[str, Any] = {"session": 1, "host": "box", "pid": 7, "opened_at": T0 - DAY, "serves": True}
    return WatchedProcess(**values | {"role": role, "beat_at": beat_at} | known)


def facts(*processes: WatchedProcess, automation: WatchedAutomation = NEEDY, **known: Any) -> MonitorInputs:
    return MonitorInputs(automations=(automation,), processes=processes, **known)


def roles(known: MonitorInputs, now_at: int) -> list[str]:
    return [finding.subject.fingerprint for finding in found(LOST, known, now_at)]


def test_missing_role_is_reported_after_five_minutes() -> None:
    """Since the last sign of life of any process of it, ended ones too."""
    known = facts(process("scheduler", T0 + 6 * MINUTE), last_seen={"worker": T0 + MINUTE})
    assert roles(known, T0 + 6 * MINUTE - 1) == []
    assert roles(known, T0 + 6 * MINUTE) == ["worker"]


def test_losses_with_the_worker_are_grouped() -> None:
    """Where `up` ends no one lives: that is one thing. What was lost apart from it, told before or stays away longer is another."""
    now_at = T0 + 6 * MINUTE
    at_once = facts(last_seen={"worker": T0 + 20_000, "scheduler": T0})
    assert roles(at_once, T0 + 5 * MINUTE) == []
    (finding,) = found(LOST, at_once, now_at)
    assert finding.subject.fingerprint == "worker"
    assert finding.text.startswith("no worker and no scheduler has sent a heartbeat for ")
    assert roles(facts(last_seen={"worker": T0 + 30_000, "scheduler": T0}), now_at) == ["scheduler", "worker"]
    known_open = frozenset({Subject("", IncidentKind.WORKER_LOST, "scheduler")})
    assert roles(facts(last_seen={"worker": T0, "scheduler": T0}, open=known_open), now_at) == ["scheduler", "worker"]
    assert roles(facts(process(beat_at=now_at), last_seen={"scheduler": T0}), now_at) == ["scheduler"]
    assert roles(facts(process("app", T0 + HOUR)), T0 + HOUR) == []


def test_unneeded_role_is_not_missed() -> None:
    """Without schedule, trigger or waiting run no worker is needed; wrapped commands never need one."""
    for automation in (watched(), watched(kind="exec", cadences=NEEDY.cadences), watched(listens=True, paused_at=1)):
        assert evaluate(LOST, facts(automation=automation), T0 + DAY) == []
    assert roles(facts(automation=watched(listens=True)), T0 + DAY) == ["worker"]


def test_blocked_worker_is_one_finding() -> None:
    """The only one that gives no sign is what is missing; beside others it is reported by itself, and sooner."""
    facts_single = facts(process(), process("scheduler", T0 + HOUR))
    (finding,) = found(LOST, facts_single, T0 + HOUR)
    assert finding.subject == Subject("", LOST, "worker")
    assert "pid 7 of box is stopped or blocked" in finding.text
    other = process(beat_at=T0 + HOUR, session=2, pid=8)
    facts_with_other = facts(process(), other, process("scheduler", T0 + HOUR))
    assert roles(facts_with_other, T0 + HOUR) == ["worker:1"]
    assert roles(facts(process(beat_at=T0 + HOUR - 29 * SECOND), *facts_with_other.processes[1:]), T0 + HOUR) == []


def test_dead_or_draining_is_not_alive() -> None:
    """Its process is gone, or it takes nothing new."""
    dead: list[dict[str, Any]] = [{"gone": True}, {"draining": True}]
    for known in dead:
        known_facts = facts(process(beat_at=T0, **known), process("scheduler", T0 + HOUR))
        assert roles(known_facts, T0 + HOUR) == ["worker"]


SUPERVISOR = process("supervisor", T0 + HOUR, opened_at=T0, posts=("watcher",), session=9)


def young(now_at: int, **known: Any) -> WatchedProcess:
    return process("watcher", now_at, opened_at=now_at - SECOND, **known)


HELD = BlockedLoop(T0, ("/usr/lib/python3.12/asyncio/events.py:88 Handle._run", "/srv/shop.py:14 poll"), "r_7")
AT_POLL = Subject("", LOST, "blocked:shop.py poll")


def test_blocked_process_is_reported_with_its_cause() -> None:
    """After 30 s, with its run; no one is notified besides that its role is missing, however long it lasts."""
    for after, subjects in ((30 * SECOND - 1, []), (30 * SECOND, [AT_POLL]), (HOUR, [AT_POLL])):
        known = facts(process(blocked=HELD), process("scheduler", T0 + after))
        assert [item.subject for item in found(LOST, known, T0 + after)] == subjects
    (finding,) = found(LOST, known, T0 + HOUR)
    assert finding.text == "worker pid 7 of box is blocked for 1h at /srv/shop.py:14 poll, run r_7"
    assert "runs cancel r_7" in str(finding.hint)
    assert found(LOST, facts(process(beat_at=T0 + HOUR), process("scheduler", T0 + HOUR)), T0 + HOUR) == []


def test_blocked_process_next_to_one_that_works_is_no_page() -> None:
    """And it is reported once, not as silent too."""
    loud = watched(cadences=NEEDY.cadences, tier=Severity.PAGE)
    scheduler, other = process("scheduler", T0 + HOUR), process(beat_at=T0 + HOUR, session=2)
    single_findings = found(LOST, facts(process(blocked=HELD), scheduler, automation=loud), T0 + HOUR)
    shared_findings = found(LOST, facts(process(blocked=HELD), other, scheduler, automation=loud), T0 + HOUR)
    assert [(item.subject, item.severity) for item in single_findings] == [(AT_POLL, Severity.PAGE)]
    assert [(item.subject, item.severity) for item in shared_findings] == [(AT_POLL, Severity.NOTIFY)]


def test_next_process_blocked_by_a_run_is_the_same_incident() -> None:
    """Until then no one learns that it is over, nor that the last one died; it is over where no one is blocked any more."""
    now_at = T0 + 5 * MINUTE
    scheduler, known_open = process("scheduler", now_at), frozenset({AT_POLL})
    new = process(beat_at=now_at, opened_at=now_at)
    died = {"worker": now_at - SECOND}
    known = facts(new, scheduler, open=known_open, last_died=died, last_seen={"worker": T0})
    assert found(LOST, known, now_at) == []
    assert [evaluation.subject for evaluation in evaluate(LOST, known, now_at) if evaluation.unsure] == [AT_POLL]
    held = process("probation", now_at, blocked=BlockedLoop(now_at - 5 * SECOND, HELD.stack, "r_7"), session=3)
    known = facts(new, scheduler, held, open=known_open, last_died=died, last_seen={"worker": T0})
    assert [item.subject for item in found(LOST, known, now_at)] == [AT_POLL]
    over = facts(new, scheduler, open=known_open, last_died={"worker": now_at - MINUTE})
    assert [
        evaluation.subject for evaluation in evaluate(LOST, over, now_at) if evaluation.unsure or evaluation.finding
    ] == []


@pytest.mark.parametrize("there", ["lives for a moment", "is dead already", "is gone from the record"])
def test_process_that_dies_whenever_it_is_started_is_missing(there: str) -> None:
    """However lately one gave a sign of life: since the last one that lived for a while."""
    now_at = T0 + 5 * MINUTE
    watchers = {"lives for a moment": [young(now_at)], "is dead already": [young(now_at, gone=True)]}.get(there, [])
    known = facts(SUPERVISOR, *watchers, automation=watched(), last_died={"watcher": now_at - 2 * SECOND})
    (finding,) = found(LOST, known, now_at)
    assert finding.subject.fingerprint == "watcher"
    assert finding.text.startswith("no watcher stays running for 5m: the last one died 2s ago (pid 7 of box needs one")
    assert found(LOST, known, now_at - 1) == []
    steady = facts(
        SUPERVISOR, *watchers, automation=watched(), last_died={"watcher": now_at}, last_seen={"watcher": T0 + MINUTE}
    )
    assert found(LOST, steady, now_at) == []


def test_life_after_a_death_counts_once_it_lasts() -> None:
    """30 s after it began; at once where the death was long ago, or no one died."""
    now_at = T0 + HOUR
    for opened_at, died_at, is_found in (
        (now_at - 30 * SECOND, now_at - 31 * SECOND, False),
        (now_at - 29 * SECOND, now_at - 31 * SECOND, True),
        (now_at - 29 * SECOND, now_at - 58 * SECOND, True),
        (now_at - 29 * SECOND, now_at - 59 * SECOND, False),
        (now_at - SECOND, None, False),
    ):
        watcher = process("watcher", now_at, opened_at=opened_at)
        died = {} if died_at is None else {"watcher": died_at}
        assert (
            bool(found(LOST, facts(SUPERVISOR, watcher, automation=watched(), last_died=died), now_at)) is is_found
        ), opened_at


def test_loss_resolves_once_a_process_lasts() -> None:
    """Whatever comes and goes meanwhile, its supervisor too: each would be an end, and told again."""
    now_at = T0 + HOUR
    missing = Subject("", LOST, "watcher")
    seen = {"watcher": T0}
    supervisor = process("supervisor", now_at, opened_at=now_at - 5 * SECOND, posts=("watcher",), session=9)
    for opened_at, is_found in ((now_at - 29 * SECOND, True), (now_at - 30 * SECOND, False)):
        watcher = process("watcher", now_at, opened_at=opened_at)
        died = {"watcher": opened_at - 5 * MINUTE}
        known = facts(
            supervisor, watcher, automation=watched(), last_seen=seen, last_died=died, open=frozenset({missing})
        )
        assert (missing in {each.subject for each in found(LOST, known, now_at)}) is is_found, opened_at
        new = facts(supervisor, watcher, automation=watched(), last_seen=seen, last_died=died)
        assert found(LOST, new, now_at) == []
        stopped = facts(supervisor, watcher, automation=watched(), last_seen=seen, open=frozenset({missing}))
        assert found(LOST, stopped, now_at) == [], "no process died: it continues"


def test_posts_of_a_supervisor_are_needed() -> None:
    """What it keeps must be there, whatever automations need."""
    known = facts(
        process("supervisor", T0 + HOUR, posts=("web", "watcher")), process("watcher", T0 + HOUR), automation=watched()
    )
    assert roles(known, T0 + HOUR) == ["web"]


def test_loudness_is_that_of_the_loudest() -> None:
    """A page-tier automation makes the loss of its worker a page."""
    loud = watched(cadences=NEEDY.cadences, tier=Severity.PAGE)
    assert {fact.severity for fact in found(LOST, facts(automation=loud), T0 + DAY)} == {Severity.PAGE}


@given(st.integers(0, DAY), st.integers(0, DAY), st.integers(0, MINUTE), st.none() | st.integers(0, DAY))
def test_loss_is_monotone_in_time(first: int, more: int, age: int, died: int | None) -> None:
    """No one comes back by waiting, no matter who died before."""
    lost = {} if died is None else {"worker": T0 - died}
    known = facts(process(opened_at=T0 - age), last_seen={"worker": T0 - age}, last_died=lost)
    assert set(roles(known, T0 + first)) <= set(roles(known, T0 + first + more))


def test_definition_that_does_not_load_is_lost() -> None:
    """The line after the place is the reason."""
    automation = watched(problem="/srv/jobs.py:3\nImportError: no module named x\nneeded by all", announced_at=T0)
    (finding,) = found(DEFINITION, facts(automation=automation), T0 + 1)
    assert finding.text == "it fails to load: ImportError: no module named x"
    assert "auto retire backup" in str(finding.hint)
    assert finding.cause == "load:/srv/jobs.py:3: ImportError: no module named x", (
        "the place, which it begins with, and the reason"
    )
    (finding,) = found(DEFINITION, facts(automation=watched(problem="no reason", announced_at=T0)), T0 + 1)
    assert (finding.text, finding.cause) == ("it fails to load: no reason", None)


def test_definition_that_no_one_announces_is_lost() -> None:
    """Five minutes after workers last came or went; without workers that is reported elsewhere."""
    gone = watched(cadences=NEEDY.cadences)
    known = facts(process(beat_at=T0 + DAY), automation=gone, last_ended={"worker": T0})
    assert found(DEFINITION, known, T0 + 5 * MINUTE - 1) == []
    assert len(found(DEFINITION, known, T0 + 5 * MINUTE)) == 1
    assert evaluate(DEFINITION, facts(automation=gone), T0 + DAY)[0].unsure is not None
    assert found(DEFINITION, facts(process(), automation=NEEDY), T0 + DAY) == []
    again = facts(
        *known.processes,
        automation=gone,
        last_ended={"worker": T0 + DAY},
        open=frozenset({Subject("backup", DEFINITION)}),
    )
    assert len(found(DEFINITION, again, T0 + DAY)) == 1


@pytest.mark.parametrize("automation", [watched(), watched(kind="exec", cadences=NEEDY.cadences)])
def test_definition_that_no_one_waits_for_is_not_lost(automation: WatchedAutomation) -> None:
    """What never ran, and what wraps a command, is announced by no worker."""
    assert found(DEFINITION, facts(process(), automation=automation), T0 + DAY) == []


@pytest.mark.parametrize("ran", [{"succeeded_at": T0}, {"ends": ends(False, at=T0)}])
def test_definition_that_ran_and_is_gone_is_reported_in_the_digest(ran: dict[str, Any]) -> None:
    """Nothing starts it by itself, so no one waits; anyone who starts it next has to know. What a worker has is healthy."""
    last = {"last_ended": {"worker": T0}}
    (finding,) = found(DEFINITION, facts(process(), automation=watched(**ran), **last), T0 + 5 * MINUTE)
    assert finding.severity is Severity.DIGEST
    assert found(DEFINITION, facts(process(), automation=watched(**ran), **last), T0 + 5 * MINUTE - 1) == []
    assert found(DEFINITION, facts(process(), automation=watched(served=1, **ran), **last), T0 + DAY) == []


def test_definition_that_another_process_announced_is_lost_only_later() -> None:
    """`mainspring run` has announced a new file; workers load it when they are restarted."""
    new = watched(succeeded_at=T0 + DAY, announced_at=T0 + DAY)
    known = facts(process(beat_at=T0 + DAY), automation=new, last_ended={"worker": T0})
    assert found(DEFINITION, known, T0 + DAY + 5 * MINUTE - 1) == []
    (finding,) = found(DEFINITION, known, T0 + DAY + 5 * MINUTE)
    assert finding.since_at == T0 + DAY


def test_source_is_unreachable_after_five_minutes() -> None:
    """With the reason, and the broker as what it shares with others."""
    automation = watched(
        away=(UnreachableSource("backup/queue", "box", T0, "refused", "nats://mq"),), tier=Severity.PAGE
    )
    assert found(SOURCE, automation, T0 + 5 * MINUTE - 1) == []
    (finding,) = found(SOURCE, automation, T0 + 5 * MINUTE)
    assert finding.text == "backup/queue has not reached its source for 5m: refused"
    assert (finding.cause, finding.severity) == ("source:nats://mq", Severity.NOTIFY)


def test_file_that_a_worker_cannot_load_is_an_incident_of_the_project() -> None:
    """Of the file, until a worker serves without it; while no worker serves, nothing is known."""
    reason = "/srv/new.py:1: failed to load: ModuleNotFoundError: No module named 'x'\nInstall 'x'."
    failing = process(findings=(ProcessFinding(ProcessFindingKind.LOAD, "/srv/new.py", reason, T0),))
    (finding,) = found(DEFINITION, facts(failing, process(session=2)), T0 + 1)
    subject = Subject("", DEFINITION, "/srv/new.py")
    assert finding.subject == subject
    assert finding.text == "/srv/new.py:1: failed to load: ModuleNotFoundError: No module named 'x'"
    assert finding.hint == "Install 'x'. Then restart the workers: mainspring down; mainspring up"
    assert found(DEFINITION, facts(process()), T0 + 1) == []
    for known, expected in (
        (facts(open=frozenset({subject})), [subject]),
        (facts(process(), open=frozenset({subject})), []),
    ):
        evaluations = MONITORS[DEFINITION].evaluate(known, DEFAULT_TUNINGS[DEFINITION], T0 + 1)
        unsure = [
            evaluation.subject for evaluation in evaluations if evaluation.unsure and not evaluation.subject.automation
        ]
        assert unsure == expected
