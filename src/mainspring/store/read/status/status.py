"""Status reads of everything but runs: queues, definitions, schedules, sessions, locks, events, audit log, statistics.

None of them counts rows without a cap.
"""

import json
from collections.abc import Collection

import msgspec

from mainspring.domain.integrity.audit_head import AuditHead, find_truncation
from mainspring.domain.processes.child_queue import ChildQueue
from mainspring.domain.states import RunState, SessionState
from mainspring.domain.time.punctuality import SlotStart
from mainspring.store.audit_chain import FIRST_HASH, first_break
from mainspring.store.base import Snapshot, StoreReader
from mainspring.store.liveness import find_dead, has_process_ended
from mainspring.store.queue_load import ReadyGroup
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT, decision_key
from mainspring.store.schema.messages.waits import WAIT_VIEW
from mainspring.store.schema.processes.sessions import SESSION_VIEW, WORKER_ON_HOST
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.schema.runs.runs import RUN_ROW, RUN_VIEW
from mainspring.store.session_views import SessionView
from mainspring.store.transaction import Rows
from mainspring.store.views import (
    AuditCheck,
    AuditView,
    AutomationView,
    Blocker,
    Capped,
    EventView,
    GivenRun,
    LockView,
    QueueView,
    RunRow,
    RunView,
    SchedulePlan,
    ScheduleView,
    SlotView,
    Sums,
)

CAP = 1_000
"""Limit of counts."""

_CHAIN_PAGE = 5_000
_SLOT_HOLDERS = 20


def queue_views(reader: StoreReader) -> list[QueueView]:
    """Return all queues by name."""
    return [QueueView(*row) for row in reader.read("list_queues", (None,))]


def automations(reader: StoreReader, name: str | None = None) -> list[AutomationView]:
    """Return all definitions, or the one of this name."""
    if name is None:
        return [AutomationView(*row) for row in reader.read("list_automations")]
    return [AutomationView(*row) for row in reader.read("list_automations_of", (json.dumps([name]),))]


def automation_names(reader: StoreReader) -> list[str]:
    """Return the names of all automations, for callers that do not need their definitions."""
    return first_values(reader.read("list_automation_names"), str)


def schedules(reader: StoreReader, automation: str | None = None) -> list[ScheduleView]:
    """Return all schedules, or those of one automation."""
    return [ScheduleView(*row) for row in reader.read("list_schedules", (automation,))]


def due_schedules(reader: StoreReader, now_at: int, limit: int = 100) -> list[ScheduleView]:
    """Return schedules whose next slot is due, earliest first."""
    return [ScheduleView(*row) for row in reader.read("list_due_schedules", (now_at, limit))]


def late_slots(reader: StoreReader, before_at: int) -> list[tuple[str, int]]:
    """Return (automation, due time) of slots that were due by then and not created, the longest waiting first; at most
    100.
    """
    return [(automation, due_at) for _, automation, _, due_at in reader.read("list_startable_schedules", (before_at,))]


def next_slot_at(reader: StoreReader) -> int | None:
    """Return the earliest planned slot of all schedules."""
    return first_value(reader.read("find_next_slot"), int)


def slots(reader: StoreReader, schedule: str, limit: int = 50) -> list[SlotView]:
    """Return the slots that a schedule served, newest first."""
    return [SlotView(*row) for row in reader.read("list_slots", (schedule, limit))]


def slots_between(reader: StoreReader, schedule: str, first_at: int, last_at: int, limit: int) -> list[SlotView]:
    """Return the recorded slots from one instant to another, both included, oldest first."""
    return [SlotView(*row) for row in reader.read("list_slots_between", (schedule, first_at, last_at, limit))]


def slot_starts(reader: StoreReader, schedule: str, limit: int) -> list[SlotStart]:
    """Return when the runs of the newest slots started, newest first."""
    return [SlotStart(*row) for row in reader.read("list_slot_starts", (schedule, limit))]


def plans(reader: StoreReader, automation: str | None = None) -> list[SchedulePlan]:
    """Return the data to compute the slots of all schedules that have not ended, or of one automation's."""
    return [SchedulePlan(*row) for row in reader.read("list_schedule_plans", (automation,))]


def sessions(reader: StoreReader, *, live: bool = True, limit: int = 100) -> list[SessionView]:
    """Return sessions, newest first: the live ones, or ended ones too. A session whose process ended is dead, whatever
    is on record.
    """
    with reader.snapshot() as read:
        found = SESSION_VIEW.read_all(read("list_live_sessions" if live else "list_sessions", (limit,)))
        served: dict[int, dict[str, tuple[int, ...]]] = {}
        for session, automation, version in read("list_session_automations"):
            versions = served.setdefault(session, {})
            versions[automation] = (*versions.get(automation, ()), version)
    views = [msgspec.structs.replace(view, automations=served.get(view.id, {})) for view in found]
    return [
        msgspec.structs.replace(view, state=SessionState.DEAD.value)
        if view.ended_at is None and has_process_ended(view.host, view.pid, view.pid_started)
        else view
        for view in views
    ]


def locks(reader: StoreReader) -> list[LockView]:
    """Return the holders and waiters of locks, by name: holders by slot, then waiters in their order. A session whose process ended is
    dead, whatever is on record.
    """
    views = [LockView(*row) for row in reader.read("list_locks")]
    dead = {found.session for found in find_dead(reader)} if views else set()
    return [msgspec.structs.replace(view, live=0) if view.session in dead else view for view in views]


def events(
    reader: StoreReader, name: str | None = None, *, limit: int = 50, cursor: int | None = None
) -> list[EventView]:
    """Return stored events, newest first; `cursor` = the seq where the last page ended."""
    before = NEWEST if cursor is None else cursor
    if name is None:
        return [EventView(*row) for row in reader.read("list_events", (before, limit))]
    # A rare name is found by its own index, however many other events followed.
    return [EventView(*row) for row in reader.read("list_events_by_name", (name, before, limit))]


def event(reader: StoreReader, id: str) -> EventView | None:
    """Return the stored event with this id; None = there is none, or it has expired."""
    return next((EventView(*row) for row in reader.read("read_event", (id,))), None)


def receivers_of_event(reader: StoreReader, event: str, limit: int = 100) -> list[GivenRun]:
    """Return runs that got an event, when it was published or when they started to wait for it."""
    rows = reader.read("list_receivers_of_event", (event, limit))
    return [GivenRun(id, automation, RunState(state)) for id, automation, state in rows]


def audit_rows(reader: StoreReader, *, limit: int = 50, cursor: int | None = None) -> list[AuditView]:
    """Return recorded operations, newest first; `cursor` = the seq where the last page ended."""
    return [AuditView(*row) for row in reader.read("list_audit_entries", (NEWEST if cursor is None else cursor, limit))]


def audit_rows_of(
    reader: StoreReader, entry_points: Collection[str], since_at: int, *, among: int, limit: int
) -> tuple[list[AuditView], bool]:
    """Return operations since an instant through one of these entry points, newest first, and whether there may be
    more.

    They are searched among the newest `among` of all operations.
    """
    newest = audit_rows(reader, limit=1)
    behind = next((row.seq - among for row in newest), 0)
    listed = msgspec.json.encode(sorted(entry_points)).decode()
    found = [AuditView(*row) for row in reader.read("list_audit_entries_by_origin", (behind, since_at, listed, limit))]
    older_rows = audit_rows(reader, limit=1, cursor=behind + 1)
    return found, len(found) == limit or any(row.at >= since_at for row in older_rows)


def audit_row_of_command(reader: StoreReader, command: str) -> AuditView | None:
    """Return the recorded operation with this command id; None = there is none."""
    return next((AuditView(*row) for row in reader.read("read_audit_entry", (command,))), None)


def audit_rows_of_bulk(reader: StoreReader, command: str, limit: int = CAP) -> list[AuditView]:
    """Return the parts of an operation on several subjects: each is recorded on its own, with a command id that begins
    with the whole's.
    """
    # "0" is the character after "/" in the order of bytes.
    return [AuditView(*row) for row in reader.read("list_audit_entries_of_bulk", (f"{command}/", f"{command}0", limit))]


def verify_audit(reader: StoreReader) -> AuditCheck:
    """Verify the whole hash chain of the audit log."""
    last_hash, rows, last_seq = FIRST_HASH, 0, 0
    while True:
        page = reader.read("read_audit_chain", (last_seq, _CHAIN_PAGE))
        if not page:
            return AuditCheck(None, rows, last_hash)
        broken = first_break(page, before=last_hash, expected=rows + 1)
        if broken is not None:
            return AuditCheck(broken, rows, last_hash)
        last_seq, *_, last_hash = page[-1]
        rows += len(page)


def audit_head(reader: StoreReader) -> AuditHead | None:
    """Return the number and hash of the last recorded operation; None without one."""
    return _newest_head(reader.read("read_newest_audit_entry", ()))


def _newest_head(rows: Rows) -> AuditHead | None:
    return next((AuditHead(*row) for row in rows), None)


def explain_audit_gap(reader: StoreReader, head: AuditHead) -> str | None:
    """Return why the audit log does not continue a head that was stored elsewhere; None = it does."""
    with reader.snapshot() as read:
        rows, last = read("read_audit_chain", (head.seq - 1, 1)), read("read_newest_audit_entry", ())
    found = next((str(own_hash) for seq, *_, own_hash in rows if seq == head.seq), None)
    return find_truncation(head, _newest_head(last), found)


def sums_since(reader: StoreReader, since_at: int) -> list[Sums]:
    """Return the statistics of each automation from the minute of `since_at` on (from the hour, if minutes were
    grouped).
    """
    with reader.snapshot() as read:
        totals = read("sum_rollups", (since_at - since_at % 60_000,))
        detail_rows = read("sum_rollup_details", (since_at - since_at % 60_000,))
    details: dict[str, dict[str, int]] = {}
    for automation, bucket, n in detail_rows:
        details.setdefault(automation, {})[bucket] = int(n)  # a sum is a decimal on a server
    return [Sums(*(name, *map(int, sums), details.get(name, {}))) for name, *sums in totals]


def count_in(reader: StoreReader, state: RunState, cap: int = CAP) -> Capped:
    """Count runs that failed, need attention, retry or wait, up to the cap."""
    return _capped(reader.read("count_runs_in_state", (state.value, cap + 1)), cap)


def failed_since(reader: StoreReader, since_at: int, cap: int = CAP) -> Capped:
    """Count runs that failed and were created since an instant, up to the cap."""
    return _capped(reader.read("count_failed_since", (since_at, cap + 1)), cap)


def _capped(rows: Rows, cap: int) -> Capped:
    """Return a number that was counted up to one more than the cap."""
    number = first_value(rows, int) or 0
    return Capped(min(number, cap), number > cap)


def ready_groups(reader: StoreReader, now_at: int, limit: int = 100) -> list[ReadyGroup]:
    """Return the groups of runs that wait for a worker, up to `limit`."""
    return [
        ReadyGroup(queue, automation, version, tag, Capped(min(number, CAP), number > CAP), since)
        for queue, automation, version, tag, _, number, since in reader.read(
            "measure_ready_groups", (now_at, CAP + 1, limit)
        )
    ]


def meta(reader: StoreReader, key: str) -> str | None:
    """Return one entry of `meta`, e.g. `held`."""
    return first_value(reader.read("read_meta", (key,)), str)


def blocker(reader: StoreReader, run: str) -> Blocker | None:
    """Return the facts that tell why a run does not continue; None = there is no such run."""
    with reader.snapshot() as read:
        view = RUN_VIEW.read_first(read("read_run", (run,)))
        if view is None:
            return None
        holder: Rows = []
        if view.blocked == "key":
            holder = read("read_key_holder", (view.automation, view.run_key))
        elif view.partition is not None:
            holder = read("read_partition_holder", (view.queue, view.partition))
        queue = read("list_queues", (view.queue,))
        automation = read("list_automations_of", (json.dumps([view.automation]),))
        live = SESSION_VIEW.read_all(read("list_live_sessions", (CAP,)))
        ended_sessions = {each.id for each in live if has_process_ended(each.host, each.pid, each.pid_started)}
        serving = [each for each in live if each.id not in ended_sessions]
        held = bool(read("read_meta", (HOLD_KEY,)))
        undecided, is_undecided = _undecided(read, view) if held else (None, False)
        return Blocker(
            run=view,
            held=held,
            place=_place(read, view),
            holder=first_value(holder, str),
            queue=next((QueueView(*row) for row in queue), None),
            slot_holders=_list_slot_holders(read, view),
            automation=next((AutomationView(*row) for row in automation), None),
            workers=[
                row.worker
                for row in WORKER_ON_HOST.read_all(read("list_workers", (view.automation,)))
                if not has_process_ended(row.host, row.worker.pid, row.pid_started)
            ],
            waits=WAIT_VIEW.read_all(read("list_waits", (run,))),
            is_served=any(each.role == "worker" for each in serving),
            is_supervised=any(each.replaces_workers for each in serving),
            child_queue=_child_queue(read, view.session),
            is_owner_gone=view.session in ended_sessions,
            undecided=undecided,
            is_undecided=is_undecided,
        )


def _undecided(read: Snapshot, run: RunView) -> tuple[Capped | None, bool]:
    """Return how many runs of a store on hold must be decided, and whether this one is among them."""
    at = first_value(read("read_meta", (RESTORED_AT,)), str)
    if at is None:
        return None, False
    found = len(read("list_undecided_restored_runs", (int(at), decision_key(at, ""), CAP)))
    is_old = run.finished_at is None and run.created_at <= int(at)
    return Capped(found, found == CAP), is_old and not read("read_meta", (decision_key(at, run.id),))


def _child_queue(read: Snapshot, session: int | None) -> ChildQueue | None:
    stored = None if session is None else first_value(read("read_child_queue", (session,)), str)
    return None if stored is None else msgspec.json.decode(stored, type=ChildQueue)


def _list_slot_holders(read: Snapshot, run: RunView) -> list[RunRow]:
    """Return the runs that have the slots for which a run waits: those of its concurrency key, or of its queue."""
    if run.blocked == "concurrency":
        return RUN_ROW.read_all(read("list_slot_holders", (run.automation, run.concurrency_key, _SLOT_HOLDERS)))
    return RUN_ROW.read_all(read("list_running_in_queue", (run.queue, _SLOT_HOLDERS)))


def _place(read: Snapshot, run: RunView) -> Capped | None:
    """Return the place in the line of the concurrency key, or among ready runs of the same queue, automation, version and tag."""
    if run.blocked == "concurrency":
        line = (run.automation, run.concurrency_key, int(run.fresh), -run.priority, run.seq, CAP)
        ahead = first_value(read("count_runs_ahead_in_line", line), int) or 0
        return Capped(ahead + 1 if ahead < CAP else CAP, ahead >= CAP)
    if not run.ready:
        return None
    group = (int(run.probation), run.queue, run.automation, run.version, run.tag, int(run.fresh))
    ahead = first_value(read("count_runs_ahead", (*group, run.place, run.seq, CAP)), int) or 0
    return Capped(ahead + 1 if ahead < CAP else CAP, ahead >= CAP)
