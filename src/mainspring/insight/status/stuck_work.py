"""Stuck work, as sentences with the fix: workers, queues, runs that no worker can take. Pure."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.processes.process_role import SUPERVISOR, ProcessRole
from mainspring.domain.processes.tag_expression import matches
from mainspring.domain.states import SessionState
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, format_span, shell_word
from mainspring.store.queue_load import ReadyGroup
from mainspring.store.read.outbox import OutboxQueue, RefusedMessages
from mainspring.store.read.runs.unresolved_runs import OverdueRuns
from mainspring.store.session_views import SessionView
from mainspring.store.views import AutomationView, Capped, QueueView

LOW_SPACE = 512 * 1024 * 1024
"""Fewer free bytes next to the store are reported."""
SILENT_MS = 30_000
"""A worker sends a heartbeat every two seconds, also while its code is busy: without one for this long it is stopped or blocked."""
LONG_MS = 300_000
"""A run that no worker can take is reported after this time: a deployment may be in progress."""
_LONG_UNSENT_MS = 60_000
"""A broker that restarts is back within this time."""
_GONE = (SessionState.DEAD, SessionState.CLOSED)


def describe_idle_workers(
    sessions: Sequence[SessionView], now: int, *, needed: bool, reported: Collection[str] = ()
) -> Iterator[str]:
    """Report workers that do nothing; `needed` = there is work for one, `reported` = lost ones that have an incident."""
    if ProcessRole.WORKER in reported:
        return
    workers = [session for session in sessions if session.role in ("worker", "dev") and session.state not in _GONE]
    draining = [worker for worker in workers if worker.state == SessionState.DRAINING]
    silent = [worker for worker in workers if worker not in draining and now - worker.beat_at > SILENT_MS]
    if not workers and needed:
        is_supervised = any(session.replaces_workers and now - session.beat_at <= SILENT_MS for session in sessions)
        fix = "The supervisor starts one." if is_supervised else "Start one: mainspring up"
        yield f"No worker is running. {fix}"
    elif workers and len(draining) == len(workers) and needed:
        pids = ", ".join(str(worker.pid) for worker in draining[:5])
        yield f"Every worker drains and claims no runs (pid {pids}). Restart: mainspring down, then mainspring up"
    for worker in [worker for worker in silent if f"{worker.role}:{worker.id}" not in reported][:5]:
        yield (
            f"Worker pid {worker.pid} of {escape_line(worker.hostname, 40)} has sent no heartbeat for "
            f"{format_span(now - worker.beat_at)}: it is stopped or blocked. Continue it: kill -CONT "
            f"{worker.pid}; or restart: mainspring down, then mainspring up"
        )


def describe_idle_supervisors(sessions: Sequence[SessionView], now: int) -> Iterator[str]:
    """Report supervisors that do nothing: dead processes are not started again, and `mainspring down` waits for them."""
    silent = [
        session
        for session in sessions
        if session.role == SUPERVISOR and session.state not in _GONE and now - session.beat_at > SILENT_MS
    ]
    for session in silent[:5]:
        yield (
            f"Supervisor pid {session.pid} of {escape_line(session.hostname, 40)} has sent no heartbeat for "
            f"{format_span(now - session.beat_at)}: it is stopped or blocked. Continue it: kill -CONT "
            f"{session.pid}; or kill it and start it again: mainspring up"
        )


def describe_paused_queues(queues: Sequence[QueueView], now: int) -> Iterator[str]:
    """Report paused queues in which runs wait."""
    for queue in queues:
        if queue.paused_at is not None and queue.backlog:
            runs = format_count(queue.backlog, "run waits", "runs wait")
            yield (
                f"Queue {queue.name} was paused {format_distance(queue.paused_at, now)} by "
                f"{escape_line(queue.paused_by, 60)}, and {runs} in it. Resume it: mainspring queues resume "
                f"{queue.name}"
            )


def describe_overdue_runs(
    overdue: Sequence[OverdueRuns], automations: Collection[str], queues: Collection[str]
) -> Iterator[str]:
    """Report runs whose deadline passed while their automation or queue is paused: nothing ends them before it is resumed."""
    for runs in overdue:
        name, queue = escape_line(runs.automation, 80), escape_line(runs.queue, 80)
        paused, resume = [], []
        if runs.automation in automations:
            paused.append(name)
            resume.append(f"mainspring auto resume {shell_word(runs.automation)}")
        if runs.queue in queues:
            paused.append(f"queue {queue}")
            resume.append(f"mainspring queues resume {shell_word(runs.queue)}")
        are = "is past its deadline and ends" if str(runs.number) == "1" else "are past their deadline and end"
        yield (
            f"{format_count(runs.number, 'run')} of {name} {are} only after the pause of "
            f"{' and '.join(paused)}. End the pause: {'; '.join(resume)}. See: mainspring explain "
            f"{runs.first}"
        )


class RetiredRuns(NamedTuple):
    """Runs of a retired automation that have not ended, and why none of them continues; `halt` "" = a worker continues them."""

    automation: str
    number: Capped
    halt: str


def find_retired_halt(view: AutomationView, sessions: Sequence[SessionView], now: int) -> str:
    """Return why no worker continues the runs of a retired automation; "" = one does."""
    workers = [
        session for session in sessions if session.role in ("worker", "dev") and session.state == SessionState.ALIVE
    ]
    if not any(view.name in worker.automations for worker in workers):
        return "no running worker has loaded it"
    return "it is paused" if is_paused(view, now) else ""


def describe_retired_runs(retired: Sequence[RetiredRuns]) -> Iterator[str]:
    """Report runs of retired automations that wait until a person acts."""
    for runs in retired:
        name = escape_line(runs.automation, 80)
        yield (
            f"{name} is retired, and {_unfinished_text(runs)}. Cancel: {cancel_all_command(runs.automation)}. "
            f"Or end the retirement: mainspring auto resume {shell_word(runs.automation)}"
        )


def describe_retirement(runs: RetiredRuns) -> str:
    """Return what happens to the runs of an automation that was just retired, and the command that cancels them."""
    return f"{_unfinished_text(runs)}. Cancel: {cancel_all_command(runs.automation)}"


def _unfinished_text(runs: RetiredRuns) -> str:
    is_one = str(runs.number) == "1"
    begin = f"{format_count(runs.number, 'run')} of it {'has' if is_one else 'have'} not ended"
    if runs.halt:
        return f"{begin}: {runs.halt}, so {'that run waits' if is_one else 'they wait'} until you act"
    return f"{begin}: a running worker has loaded it and continues {'that run' if is_one else 'them'}"


def cancel_all_command(automation: str) -> str:
    """Return the command that cancels all runs of an automation that have not ended."""
    return f"mainspring runs cancel --name {shell_word(automation)} -y"


class OutboxFinding(NamedTuple):
    """A sentence about messages that no broker has, and the fix."""

    text: str
    fix: str


def describe_unsent_messages(
    queues: Sequence[OutboxQueue], refused: RefusedMessages, now: int
) -> Iterator[OutboxFinding]:
    """Report messages that wait for long, and those that need a person."""
    for queue in [queue for queue in queues if now - queue.oldest_at > _LONG_UNSENT_MS][:5]:
        where = f"messages to {escape_line(queue.name, 80)} wait, the oldest for {format_span(now - queue.oldest_at)}"
        if queue.fault:
            yield OutboxFinding(f"{where}: {escape_line(queue.fault, 200)}", "They are sent when that is fixed.")
        else:
            yield OutboxFinding(f"{where}, and no process sends them", "Start it: mainspring up")
    if refused.number.number:
        number = format_count(refused.number, "message was", "messages were")
        yield OutboxFinding(
            f"{number} refused by the broker: {escape_line(refused.why, 200)}", "See: mainspring failed list --messages"
        )


def describe_unserved_runs(
    groups: Sequence[ReadyGroup],
    sessions: Sequence[SessionView],
    queues: Sequence[QueueView],
    paused: set[str],
    now: int,
) -> Iterator[str]:
    """Report runs that no live worker can take, after a while; paused ones wait for another reason."""
    alive = [session for session in sessions if session.state == SessionState.ALIVE and session.role != "run"]
    if not any(worker.role in ("worker", "dev") for worker in alive):
        return  # reported already
    paused_queues = {queue.name for queue in queues if queue.paused_at is not None}
    for group in groups:
        if group.queue in paused_queues or group.automation in paused or now - group.since_at <= LONG_MS:
            continue
        if not any(_can_take(worker, group) for worker in alive):
            version_text = f"version {group.version}" + (f", tag {group.tag}" if group.tag else "")
            waits = format_count(group.number, "run", "runs")
            yield (
                f"{waits} of {group.automation} ({version_text}, queue {group.queue}) has no running worker that "
                f"can claim it, since {format_distance(group.since_at, now)}. See why: mainspring runs list "
                f"--name {group.automation}, then mainspring explain RUN"
            )


def describe_write_fault(fault: str) -> Iterator[str]:
    """Report a disk of the store that accepts no writes; `fault` = the error of the kernel, "" if it accepts them."""
    if fault:
        yield (
            f"The disk of the store cannot be written: {fault}. No run can make progress. See why: dmesg | "
            "tail. Then make it writable and start again: mainspring up"
        )


def describe_low_space(free: int | None) -> Iterator[str]:
    """Report a nearly full disk of the store; `free` in bytes, None = not read."""
    if free is not None and free < LOW_SPACE:
        yield (
            f"The disk of the store is nearly full: {free // (1024 * 1024):,} MiB are free. Free space: "
            "mainspring db prune, or a larger disk"
        )


def _can_take(worker: SessionView, group: ReadyGroup) -> bool:
    serves = worker.queues is None or group.queue in worker.queues
    return (
        serves
        and group.version in worker.automations.get(group.automation, ())
        and (not group.tag or matches(group.tag, worker.tags))
    )
