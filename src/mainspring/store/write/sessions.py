"""Handlers of sessions: open, drain, close, and declare a dead one dead and release all that it held, in one commit."""

import json

import msgspec

from mainspring.domain.errors import ConflictError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.processes.process_finding import ProcessFinding
from mainspring.domain.processes.stall import BlockedLoop
from mainspring.domain.processes.worker_loss import UNEXPLAINED_LIMIT, UNEXPLAINED_LOSSES, LossDetection
from mainspring.domain.states import AttemptState, FailureReason, RunMove, SessionState, target_state
from mainspring.store.commands.journal import RecordProcessGroup
from mainspring.store.commands.results import CLAIM_LOST, DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.commands.sessions import (
    ClearProbation,
    CloseSession,
    DeclareSessionDead,
    DrainSession,
    EndProbation,
    OpenSession,
    RecordBlockedLoop,
    RecordHeartbeat,
    RecordProcessFindings,
    WakeWorkers,
)
from mainspring.store.schema.processes.sessions import ENDING_SESSION
from mainspring.store.schema.runs.attempts import ATTEMPT_OF_RUN
from mainspring.store.schema.runs.runs import ENDED_RUN
from mainspring.store.transaction import Transaction
from mainspring.store.write import effects, locks
from mainspring.store.write.clock_steps import find_unseen_step
from mainspring.store.write.runs import run_keys, run_transitions
from mainspring.store.write.runs.journal import encode_failure
from mainspring.store.write.runs.queue_capacity import PROBATION_ROLE

_UNASKED = "SIGTERM without a request to stop"
_MOST_STEPS = 3
_LIVE = frozenset({SessionState.ALIVE.value, SessionState.DRAINING.value})
_SUPERVISED = frozenset({"worker", PROBATION_ROLE})
EXEC_ROLE = "exec"
"""Role of a process that runs one wrapped command itself: no other process can continue that command."""


def open_session(tx: Transaction, command: OpenSession) -> NumberAnswer:
    """Insert the session's row, once; this group and all later ones then act for it."""
    tx.change(
        "insert_session",
        {
            "uuid": command.uuid,
            "role": command.role,
            "host": command.host,
            "hostname": command.hostname,
            "pid": command.pid,
            "pid_started": command.pid_started,
            "lock_path": command.lock_path,
            "lease_ms": command.lease_ms,
            "posts": json.dumps(command.posts),
            "capacity": command.capacity,
            "hash_seed": command.hash_seed,
            "now": tx.now,
        },
    )
    session = tx.value("find_session", (command.uuid,), int) or 0
    if tx.session not in (None, session):
        raise ConflictError("this process has a session already: a process opens only one")
    tx.session = session
    if tx.clock_known is None:
        find_unseen_step(tx)
    return NumberAnswer(session)


def record_heartbeat(tx: Transaction, command: RecordHeartbeat) -> CommandDone:
    """Record a heartbeat and the usage of its process; the group has checked that the session lives."""
    usage = {"memory": command.memory, "processor": command.processor, "child_queue": command.child_queue}
    tx.change("record_heartbeat", {"now": tx.now, "session": tx.session, **usage})
    return DONE


def record_blocked_loop(tx: Transaction, command: RecordBlockedLoop) -> CommandDone:
    """Record which code blocks the loop of this session's process, or that it runs again."""
    encoded_loop = None
    if command.stack:
        runs = tx.values("list_owned_runs", (tx.session,), str)
        loop = BlockedLoop(tx.now - command.blocked_ms, command.stack, *(runs if len(runs) == 1 else ()))
        encoded_loop = msgspec.json.encode(loop).decode()
    tx.change("record_blocked_loop", (encoded_loop, tx.session))
    return DONE


def record_process_findings(tx: Transaction, command: RecordProcessFindings) -> CommandDone:
    """Record the findings of this session's process about itself."""
    findings = command.findings
    if command.kinds and (stored := tx.value("read_findings", (tx.session,), bytes)) is not None:
        known = msgspec.json.decode(stored, type=tuple[ProcessFinding, ...])
        findings = (*(finding for finding in known if finding.kind not in command.kinds), *findings)
    encoded_findings = msgspec.json.encode(findings).decode() if findings else None
    tx.change("record_process_findings", (encoded_findings, tx.session))
    return DONE


def drain_session(tx: Transaction, command: DrainSession) -> CommandDone | Refused:
    """Drain a session, this one or another: it claims nothing new."""
    if tx.change("drain_session", (command.session,)):
        return DONE
    return Refused("not_found", f"there is no live session {command.session}")


def close_session(tx: Transaction, command: CloseSession) -> CommandDone:
    """End this session. Its runs are ready again, and none of its attempts stays open."""
    session = tx.session
    if session is None:
        return DONE
    ending = ENDING_SESSION.read_first(tx.all("read_session_to_end", (session,)))
    steps = {run: _running_steps(tx, run) for run, _ in command.blamed}
    tx.change("lose_attempts", {"now": tx.now, "session": session})
    released = 0
    if (
        command.blamed and ending is not None and ending.state is SessionState.ALIVE
    ):  # else a person requested the drain
        released = _blame(tx, session, command, steps, is_probation=ending.role == PROBATION_ROLE)
    released += tx.change("release_owned_runs", {"now": tx.now, "session": session})
    _end_session(tx, session, SessionState.CLOSED, released)
    tx.session = None
    return DONE


def declare_all_dead(tx: Transaction) -> None:
    """Declare all sessions dead that did not end: no process uses this store."""
    for session in tx.values("list_sessions_to_declare_dead", (), int):
        declare_session_dead(tx, DeclareSessionDead(session))
    tx.write_counters()


def declare_session_dead(tx: Transaction, command: DeclareSessionDead) -> NumberAnswer | Refused:
    """Declare a session dead and release what it held. Its process can write nothing from this commit on."""
    session = command.session
    known = ENDING_SESSION.read_first(tx.all("read_session_to_end", (session,)))
    if known is None:
        return Refused("not_alive", f"there is no session {session}")
    if known.state not in _LIVE or session == tx.session:
        if tx.again and known.state in (SessionState.DEAD, SessionState.QUARANTINED):
            return NumberAnswer(known.freed or 0)
        return Refused("not_alive", f"session {session} has ended already")
    if command.silent_ms is not None and tx.first("is_session_silent", (session, tx.now - command.silent_ms)) is None:
        return Refused("not_silent", f"session {session} sent a heartbeat less than {command.silent_ms} ms ago")
    now = {"now": tx.now, "session": session}
    detection = _loss_detection(command)
    is_unexplained = detection in UNEXPLAINED_LOSSES and known.role in _SUPERVISED
    blamed = command.probation_run
    if is_unexplained and known.role == PROBATION_ROLE:
        blamed = _find_only_probation_run(tx, session)
    steps = "" if blamed is None else _running_steps(tx, blamed)
    tx.change(
        "record_losses", {**now, "noticed": detection.value, "ending": command.ending or None, "finder": tx.session}
    )
    tx.change("lose_attempts", now)
    released = _fail_exec_runs(tx, session) if known.role == EXEC_ROLE else 0
    if blamed is not None:
        ending = "it died with its supervisor" if is_unexplained else command.ending or "it died"
        released += _count_crash(tx, session, blamed, command.limit, f"{ending}{steps}")
    probation = {"crashed": int(command.crashed), "unexplained": int(is_unexplained), "limit": UNEXPLAINED_LIMIT}
    released += tx.change("lose_owned_runs", {**now, **probation})
    _end_session(tx, session, SessionState.QUARANTINED if command.quarantined else SessionState.DEAD, released)
    return NumberAnswer(released)


def end_probation(tx: Transaction, command: EndProbation) -> CommandDone:
    """End the probation of waiting runs."""
    for run in command.runs:
        tx.ready |= bool(tx.change("end_probation", (run,)))
    return DONE


def wake_workers(tx: Transaction, _command: WakeWorkers) -> CommandDone:
    """Let other workers claim runs."""
    tx.ready = True
    return DONE


def _loss_detection(command: DeclareSessionDead) -> LossDetection:
    if command.quarantined:
        return LossDetection.QUARANTINE
    if command.crashed:
        return LossDetection.CRASH
    return LossDetection.PROCESS_MISSING if command.silent_ms is None else LossDetection.LEASE_EXPIRED


def clear_probation(tx: Transaction, command: ClearProbation) -> CommandDone | Refused:
    """End the probation of a run."""
    values = {"run": command.run, "claim": command.claim, "session": tx.session, "progressed": int(command.progressed)}
    return DONE if tx.change("clear_probation", values) else CLAIM_LOST


def record_process_group(tx: Transaction, command: RecordProcessGroup) -> CommandDone:
    """Record, or delete, a process group of this session."""
    if command.ended:
        tx.change("delete_process_group", (tx.session, command.pgid))
    else:
        tx.change("record_process_group", (tx.session, command.pgid, command.run, command.ident, command.started))
    return DONE


def _end_session(tx: Transaction, session: int, state: SessionState, released: int) -> None:
    """Record the session's end and delete what only a live one has."""
    tx.change("end_session", {"state": state.value, "now": tx.now, "freed": released, "session": session})
    for query in (
        "delete_process_groups_of_session",
        "delete_session_automations",
        "delete_consumers_of_session",
        "delete_stalled_attempts_of_session",
    ):
        tx.change(query, (session,))
    locks.release_locks_of_session(tx, session, is_orderly=state is SessionState.CLOSED)
    effects.lose_effects(tx, session)
    tx.ready |= released > 0


def _blame(tx: Transaction, session: int, command: CloseSession, steps: dict[str, str], *, is_probation: bool) -> int:
    """Record an unrequested drain for each run that was claimed; on probation it counts as the crash of its only run.

    Return how many runs were quarantined.
    """
    blamed_runs = []
    drain = {"now": tx.now, "session": session, "noticed": LossDetection.OWN_REPORT.value, "ending": _UNASKED}
    for run, claim in command.blamed:
        on_probation = tx.value("count_forced_drain", (run,), int)
        if on_probation is None:
            continue
        tx.change("record_drain_loss", {**drain, "run": run, "claim": claim})
        if on_probation:
            blamed_runs.append(run)
    if is_probation and len(blamed_runs) == 1:
        (run,) = blamed_runs
        crashes = tx.value("count_crash_by_drain", (run,), int)
        if crashes is not None and crashes >= command.limit:
            return _quarantine(tx, session, run, f"{_UNASKED}{steps[run]}")
    return 0


def _find_only_probation_run(tx: Transaction, session: int) -> str | None:
    """Return the run that was on probation in this session, if it was the only one."""
    runs = tx.values("list_probation_runs_of_session", (session,), str)
    return runs[0] if len(runs) == 1 else None


def _running_steps(tx: Transaction, run: str) -> str:
    """Return " in step NAME" of a run's running attempts; "" without any on record."""
    attempts = [row.attempt for row in ATTEMPT_OF_RUN.read_all(tx.all("list_open_attempts_of", (json.dumps([run]),)))]
    running = dict.fromkeys(
        attempt.name for attempt in attempts if attempt.state is AttemptState.STARTED and attempt.superseded is None
    )
    names = list(running)[:_MOST_STEPS]
    return f" in step {', '.join(names)}" if names else ""


def _count_crash(tx: Transaction, session: int, run: str, limit: int, ending: str) -> int:
    """Count the death of a worker that had only this run; at the limit quarantine the run. Return how many runs were
    quarantined.
    """
    crashes = tx.value("count_crash", (run, session), int)
    return 0 if crashes is None or crashes < limit else _quarantine(tx, session, run, ending)


def _quarantine(tx: Transaction, session: int, run: str, ending: str) -> int:
    """Quarantine a run whose code ends its workers; `ending` = the end of the last one. Return how many were
    quarantined.
    """
    reason = FailureReason.CRASHES_WORKER.value
    failure = Failure("CrashesWorker", reason, f"crashes worker: {ending}", kind=FailureKind.PERMANENT)
    values = {"now": tx.now, "run": run, "session": session, "failure": encode_failure(failure)}
    halted = tx.first("quarantine_run", values)
    if halted is None:
        return 0
    automation, key = halted
    tx.ended.append(run)
    run_keys.record_key_state(tx, automation, key, run, target_state(RunMove.QUARANTINE))
    tx.count(automation, attention=1)
    tx.detail(automation, f"reason:{FailureReason.CRASHES_WORKER}")
    return 1


def _fail_exec_runs(tx: Transaction, session: int) -> int:
    """Fail the wrapped commands of an `exec` process that died: their outcome is unknown, and they are not repeated."""
    state, reason = target_state(RunMove.FAIL), FailureReason.PROCESS_LOST
    ended = 0
    for run in tx.values("list_owned_runs", (session,), str):
        lost = ENDED_RUN.read_first(tx.all("fail_lost_exec_run", {"now": tx.now, "run": run, "session": session}))
        if lost is not None:
            run_transitions.settle_end(tx, run, lost, state, None, None, reason)
            ended += 1
    return ended
