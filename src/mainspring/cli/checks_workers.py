"""Checks of the processes that use the store, and of time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mainspring.cli.checks import Check, ok
from mainspring.cli.context import Invocation
from mainspring.insight.words import many, span

_AHEAD_MS = 5_000
_LATE_MS = 60_000


def clock(invocation: Invocation) -> Iterator[Check]:
    """The clock does not stand before what the store has on record."""
    from mainspring.store.reads.runs import list_runs
    from mainspring.store.reads.status import audit_rows

    now = invocation.clock.now()
    seen = [row.at for row in invocation.rows_if_made(lambda reader: audit_rows(reader, limit=1))]
    seen += [row.created_at for row in invocation.rows_if_made(lambda reader: list_runs(reader, limit=1).runs)]
    ahead = max(seen, default=now) - now
    if ahead <= _AHEAD_MS:
        yield ok("clock", datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
    else:
        yield Check(
            "clock",
            "problem",
            f"the clock stands {span(ahead)} before the newest record",
            "Set the clock (chrony, ntpd).",
        )


def time_zones(invocation: Invocation) -> Iterator[Check]:
    """Time zone data is there."""
    try:
        for name in ("Europe/Berlin", invocation.zone):
            ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        yield Check("tzdata", "problem", f"time zone data is missing: {error}", "Install it: pip install tzdata")
        return
    yield ok("tzdata", f"there; instants are shown in {invocation.zone}")


def worker(invocation: Invocation) -> Iterator[Check]:
    """A worker lives, if there is anything for one to do, and every session on record is a living process."""
    from mainspring.store.liveness import host_identity, is_free
    from mainspring.store.reads.status import automations, sessions

    live = invocation.rows_if_made(lambda reader: sessions(reader, limit=1000))
    here = host_identity()
    dead = [one for one in live if one.host == here and is_free(Path(one.lock_path)) is True]
    workers = [one for one in live if one.role == "worker" and one not in dead]
    served = [a for a in invocation.rows_if_made(automations) if a.retired_at is None and a.kind != "exec"]
    if dead:
        numbers = ", ".join(str(one.id) for one in dead[:5])
        yield Check(
            "worker",
            "warning",
            f"session {numbers} died; its runs wait for a worker to take them over",
            "mainspring up",
        )
    if workers:
        listed = ", ".join(f"pid {one.pid}" for one in workers[:5])
        yield ok("worker", f"{many(len(workers), 'worker')}: {listed}")
    elif served:
        yield Check("worker", "problem", f"no worker is running for {many(len(served), 'automation')}", "mainspring up")
    elif not dead:
        yield ok("worker", "none, and nothing that needs one")


def scheduler(invocation: Invocation) -> Iterator[Check]:
    """No due time of a schedule has passed without being served."""
    from mainspring.store.reads.engine import WorkerReads

    now = invocation.clock.now()
    late = invocation.rows_if_made(lambda reader: WorkerReads(reader).due_schedules(now - _LATE_MS))
    if late:
        longest = span(now - min(one.slot_at for one in late))
        names = ", ".join(one.name for one in late[:5])
        yield Check(
            "scheduler",
            "problem",
            f"{names} should have started {longest} ago",
            "Is a scheduler running? mainspring up",
        )
    else:
        yield ok("scheduler", "every due time was served")
