"""Checks of workers and other processes that use the store, and of clocks."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import format_count, format_span

if TYPE_CHECKING:
    from mainspring.store.session_views import SessionView
    from mainspring.store.views import QueueView

_MAX_CLOCK_SKEW_MS = 5_000
_LATE_AFTER_MS = 60_000
_MAX_NAMES_PRINTED = 5


def check_clock(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the clock is not behind the newest record, and that this machine's clock is close to it."""
    from mainspring.store.read.runs.run_views import list_runs
    from mainspring.store.read.status.status import audit_rows

    now = invocation.clock.now()
    recorded_at = [row.at for row in invocation.rows_if_made(lambda reader: audit_rows(reader, limit=1))]
    recorded_at += [row.created_at for row in invocation.rows_if_made(lambda reader: list_runs(reader, limit=1).runs)]
    ahead = max(recorded_at, default=now) - now
    skew = invocation.machine_clock.now() - now
    if abs(skew) > _MAX_CLOCK_SKEW_MS:
        side = "ahead of" if skew > 0 else "behind"
        yield CheckResult(
            "clock",
            "warning",
            f"the clock of this machine is {format_span(abs(skew))} {side} the clock of the database, which counts",
            "Set the clock (chrony, ntpd).",
        )
    elif ahead <= _MAX_CLOCK_SKEW_MS:
        yield make_ok_result("clock", datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
    else:
        yield CheckResult(
            "clock",
            "problem",
            f"the clock is {format_span(ahead)} behind the newest record",
            "Set the clock (chrony, ntpd).",
        )


def check_time_zones(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that time zone data is installed."""
    try:
        for name in ("Europe/Berlin", invocation.zone):
            ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        yield CheckResult("tzdata", "problem", f"time zone data is missing: {error}", "Install it: pip install tzdata")
        return
    yield make_ok_result("tzdata", f"there; instants are shown in {invocation.zone}")


def check_workers(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that a worker runs, if one is needed, and that every recorded session is a live process."""
    from mainspring.store.liveness import LockState, host_identity, read_lock
    from mainspring.store.read.status.status import automations, sessions

    live = invocation.rows_if_made(lambda reader: sessions(reader, limit=1000))
    host = host_identity()
    locks = {session.id: read_lock(Path(session.lock_path)) for session in live if session.host == host}
    dead = [session for session in live if locks.get(session.id) is LockState.FREE]
    unreadable = [session for session in live if locks.get(session.id) is LockState.UNREADABLE]
    workers = [session for session in live if session.role == "worker" and session not in dead]
    served = [
        automation
        for automation in invocation.rows_if_made(automations)
        if automation.retired_at is None and automation.kind != "exec"
    ]
    if dead:
        numbers = ", ".join(str(session.id) for session in dead[:5])
        yield CheckResult(
            "worker",
            "warning",
            f"session {numbers} died; its runs wait for another worker",
            "mainspring up",
        )
    if workers:
        listed = ", ".join(f"pid {session.pid}" for session in workers[:5])
        yield make_ok_result("worker", f"{format_count(len(workers), 'worker')}: {listed}")
    elif served:
        yield CheckResult(
            "worker", "problem", f"no worker is running for {format_count(len(served), 'automation')}", "mainspring up"
        )
    elif not dead:
        yield make_ok_result("worker", "none, and nothing needs one")
    for session in unreadable[:_MAX_NAMES_PRINTED]:
        yield make_ok_result(
            "worker", _describe_unreadable_lock(session, has_leases=invocation.settings.store.is_remote)
        )


def _describe_unreadable_lock(session: "SessionView", *, has_leases: bool) -> str:
    """Describe a session's lock that this user cannot read: its owner, and how the session's death is noticed."""
    from mainspring.store.side_files import describe_owner

    owner = describe_owner(Path(session.lock_path))
    end = "its lease has expired" if has_leases else "its process has ended"
    return (
        f"session {session.id} (pid {session.pid}) will be declared dead when {end}: this user cannot "
        f"read its lock {session.lock_path} ({owner})"
    )


def check_scheduler(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that every due time of a schedule was served."""
    from mainspring.store.read.runs.worker_reads import WorkerReads

    now = invocation.clock.now()
    late = invocation.rows_if_made(lambda reader: WorkerReads(reader).due_schedules(now - _LATE_AFTER_MS))
    full = [
        (schedule, queue)
        for schedule in late
        if (queue := _find_full_queue(invocation, schedule.definition)) is not None
    ]
    for schedule, queue in full[:_MAX_NAMES_PRINTED]:
        yield CheckResult(
            "scheduler",
            "problem",
            f"{schedule.name} should have started {format_span(now - schedule.slot_at)} ago: queue {queue.name!r} is full, "
            f"{queue.backlog} of at most {format_count(queue.max_backlog, 'run')} {'waits' if queue.backlog == 1 else 'wait'} in it",
            f"mainspring queues show {queue.name}",
        )
    blocked = {schedule.name for schedule, _ in full}
    late = [schedule for schedule in late if schedule.name not in blocked]
    if late:
        longest = format_span(now - min(schedule.slot_at for schedule in late))
        names = ", ".join(schedule.name for schedule in late[:5])
        yield CheckResult(
            "scheduler",
            "problem",
            f"{names} should have started {longest} ago",
            "Start a scheduler: mainspring up",
        )
    elif not full:
        yield make_ok_result("scheduler", "every due time was served")


def _find_full_queue(invocation: Invocation, definition: bytes | None) -> "QueueView | None":
    """Return the queue of an automation if it accepts no more runs."""
    from mainspring.domain.definitions.definition import Definition
    from mainspring.store.read.status.status import queue_views

    if definition is None:
        return None
    name = Definition.from_data(msgspec.json.decode(definition)).option("queue")
    queue = next((view for view in invocation.rows_if_made(queue_views) if view.name == name), None)
    is_full = queue is not None and queue.max_backlog is not None and queue.backlog >= queue.max_backlog
    return queue if is_full else None
