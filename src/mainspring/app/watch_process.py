"""`mainspring watch --once`: take in the spool, bury the dead, and judge what is silent. Told once, acted on by whoever asked.

It looks from outside: nothing of ours has to run for it. What cannot be judged because the store is away is an error,
never silence.
"""

from pathlib import Path

import msgspec

from mainspring.app.exec_ledger import Ledger, bury
from mainspring.domain.cadence import overdue
from mainspring.domain.clock import Clock
from mainspring.domain.definition import Definition
from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.schedule import Schedule
from mainspring.service.spool import Spool, TakenIn
from mainspring.store.base import Reader
from mainspring.store.liveness import find_dead, left_to_supervisor
from mainspring.store.process_store import ProcessStore
from mainspring.store.reads import status as reads_status
from mainspring.store.views import AutomationView, ScheduleView

PATIENCE = 30.0
"""Seconds that one round may take; cron starts the next one anyway."""


class Silent(msgspec.Struct, frozen=True):
    """An automation without the success that was expected of it; `succeeded_at` None = it never succeeded."""

    name: str
    expected: str
    succeeded_at: int | None
    due_at: int
    late_at: int
    owner: str | None


class WatchReport(msgspec.Struct, frozen=True):
    """What one round did and found; `judged` automations have a cadence."""

    taken_in: TakenIn
    bad: list[str]
    buried: list[int]
    judged: int
    silent: list[Silent]


def watch_once(store: str | Path, spool: Path, clock: Clock) -> WatchReport:
    """Make one round.

    Raises:
        StoreUnavailableError: the store cannot be opened or does not answer, so nothing can be judged.
    """
    ledger = Ledger(store, clock, patience=PATIENCE)
    records = Spool(spool)

    def act(opened: ProcessStore) -> WatchReport:
        opened.open()
        buried = _bury_dead(opened)
        taken = records.take_in(opened.apply)
        judged, silent = judge(opened.reader, clock.now())
        report = WatchReport(taken, records.bad_names(), buried, judged, silent)
        opened.close()
        return report

    report = ledger.do(act)
    if report is None:
        raise StoreUnavailableError(
            f"the store is away, so nothing can be judged\nat {ledger.shown}: {ledger.away}",
            hint="Wrapped commands run all the same and their records wait in the spool. Mend the store, then watch again.",
        )
    return report


def _bury_dead(store: ProcessStore) -> list[int]:
    """Bury all dead sessions of this host, but leave a supervisor that lives its own workers: it knows how they died."""
    dead = find_dead(store.reader)
    left = left_to_supervisor(store.reader, dead)
    return [one.session for one in dead if one.session not in left and bury(store, one)]


def judge(reader: Reader, now_at: int) -> tuple[int, list[Silent]]:
    """Return how many automations have a cadence, and which of them are silent, by name."""
    planned: dict[str, list[ScheduleView]] = {}
    for row in reads_status.schedules(reader):
        if row.retired_at is None:
            planned.setdefault(row.automation, []).append(row)
    judged, silent = 0, []
    for automation in reads_status.automations(reader):
        if _is_off(automation, now_at):
            continue
        definition = Definition.from_data(msgspec.json.decode(automation.definition))
        rows = planned.get(automation.name, [])
        silence = definition.option("silence")
        if silence is False or (silence is None and not rows):
            continue
        judged += 1
        found = _silence_of(reader, automation, definition, rows, now_at)
        if found is not None:
            silent.append(found)
    return judged, silent


def _silence_of(
    reader: Reader, automation: AutomationView, definition: Definition, rows: list[ScheduleView], now_at: int
) -> Silent | None:
    schedules = [Schedule.from_data(msgspec.json.decode(row.spec)) for row in rows]
    succeeded_at = reader.read("last_success", (automation.name,))[0][0]
    grace, silence = definition.options.get("grace"), definition.options.get("silence")
    late = overdue(
        schedules,
        since_at=min((row.low_water_at for row in rows), default=automation.announced_at),
        succeeded_at=succeeded_at,
        now_at=now_at,
        grace=None if grace is None else parse_duration(grace),
        silence=None if silence is None else parse_duration(silence),
        jitter=definition.span("jitter"),
    )
    if late is None:
        return None
    expected = f"within {silence}" if silence is not None else " or ".join(one.describe() for one in schedules)
    return Silent(automation.name, expected, succeeded_at, late.due_at, late.late_at, definition.option("owner"))


def _is_off(automation: AutomationView, now_at: int) -> bool:
    """Whether nothing is expected of it: it is retired, or paused for now."""
    paused = automation.paused_at is not None and (automation.paused_until is None or automation.paused_until > now_at)
    return automation.retired_at is not None or paused
