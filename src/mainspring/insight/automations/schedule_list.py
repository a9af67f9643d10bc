"""The list of schedules for people and programs: those declared in code, and those that a person or program created."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.definitions.schedule_options import describe_options
from mainspring.domain.derived_states import ScheduleOrigin, ScheduleState
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused, Result, ScheduleChanged
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.schedules import find_created_schedule, list_created_schedules, read_open_pause
from mainspring.store.read.status.status import automations, schedules
from mainspring.store.schema.triggers.schedules import CreatedSchedule, decode_schedule
from mainspring.store.views import AuditView, AutomationView, ScheduleView

_MOST_DESCRIBED = 3
_RESULT = msgspec.json.Decoder[Result](Result)


class ScheduleLine(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule of a list. `origin` = "code" or "created" by a person or program. Of a schedule in code `version` and `options` are None.

    `next_slot_at` None = nothing starts before a person acts, or it is over.
    """

    name: str
    automation: str
    origin: ScheduleOrigin
    state: ScheduleState
    text: str
    next_slot_at: int | None
    last_slot_at: int | None
    version: int | None = None
    options: dict[str, Any] | None = None


class ScheduleDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule. Of a created one also when it was created, who paused it, and the sealed `input` of its runs."""

    line: ScheduleLine
    created_at: int | None = None
    paused_at: int | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    input: bytes | None = None


class ScheduleHistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation on a schedule: the version that it made, and the text before and after it. `refused` = why it changed nothing."""

    seq: int
    at: int
    actor: str
    verb: str
    reason: str | None
    version: int | None = None
    before: str | None = None
    after: str | None = None
    is_input_changed: bool = False
    refused: str | None = None


class ScheduleHistory(msgspec.Struct, frozen=True):
    """Operations, newest first; `cursor` continues the list (None = that was all)."""

    entries: list[ScheduleHistoryEntry]
    cursor: int | None


def list_schedule_lines(reader: StoreReader, now: int, automation: str | None = None) -> list[ScheduleLine]:
    """Return the schedules that have not ended, of all automations or of one, by name."""
    views = {view.name: view for view in automations(reader, automation)}
    lines = [
        ScheduleLine(
            name=row.name,
            automation=row.automation,
            origin=ScheduleOrigin.CODE,
            state=(state := _find_state(views.get(row.automation), now, None, is_over=_is_over(row))),
            text=decode_schedule(row.spec).describe(),
            next_slot_at=_find_next(state, views.get(row.automation), row.next_slot_at),
            last_slot_at=row.last_slot_at,
        )
        for row in schedules(reader, automation)
        if row.options is None and row.retired_at is None
    ]
    for row in list_created_schedules(reader, automation):
        view = views.get(row.automation)
        state = _find_state(view, now, row.paused_at, is_over=row.next_slot_at is None)
        lines.append(
            ScheduleLine(
                name=row.name,
                automation=row.automation,
                origin=ScheduleOrigin.CREATED,
                state=state,
                text=describe_options(decode_schedule(row.spec), row.options),
                next_slot_at=_find_next(state, view, row.next_slot_at),
                last_slot_at=row.last_slot_at,
                version=row.version,
                options=dict(row.options),
            )
        )
    return sorted(lines, key=lambda line: line.name)


def read_schedule_detail(reader: StoreReader, name: str, automation: str, now: int) -> ScheduleDetail | None:
    """Return a schedule of an automation; None = it was deleted."""
    line = next((line for line in list_schedule_lines(reader, now, automation) if line.name == name), None)
    if line is None:
        return None
    row = find_created_schedule(reader, name)
    if row is None:
        return ScheduleDetail(line=line)
    pause = read_open_pause(reader, row)
    return ScheduleDetail(
        line=line,
        created_at=row.created_at,
        paused_at=row.paused_at,
        paused_by=None if pause is None else pause.by,
        pause_reason=None if pause is None else pause.reason,
        input=row.input,
    )


def read_schedule_history(
    reader: StoreReader, name: str, *, limit: int, cursor: int | None = None, since_at: int | None = None
) -> ScheduleHistory:
    """Return the operations on a schedule of this name, also of one that was deleted."""
    page = audit_page(reader, AuditFilter(subject=f"schedule:{name}", since_at=since_at), limit=limit, cursor=cursor)
    return ScheduleHistory([_make_entry(row) for row in page.rows], page.cursor)


def group_created_schedules(reader: StoreReader) -> dict[str, list[CreatedSchedule]]:
    """Return the created schedules by automation."""
    groups: dict[str, list[CreatedSchedule]] = {}
    for row in list_created_schedules(reader):
        groups.setdefault(row.automation, []).append(row)
    return groups


def describe_created(created: Sequence[CreatedSchedule]) -> list[str]:
    """Return created schedules in words, each with its name: the first ones, and the number of the others."""
    texts = [
        f"{row.name}: {describe_options(decode_schedule(row.spec), row.options)}"
        + (" (paused)" if row.paused_at is not None else "")
        for row in created[:_MOST_DESCRIBED]
    ]
    left = len(created) - len(texts)
    return [*texts, f"{left} more schedules"] if left else texts


def _make_entry(row: AuditView) -> ScheduleHistoryEntry:
    answer = _RESULT.decode(row.result)
    changed = answer if isinstance(answer, ScheduleChanged) else None
    return ScheduleHistoryEntry(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        verb=row.verb,
        reason=row.reason,
        version=None if changed is None else changed.version,
        before=None if changed is None else changed.before,
        after=None if changed is None or row.verb == "delete" else changed.text,
        is_input_changed=changed is not None and changed.is_input_changed,
        refused=(answer.text or answer.code) if isinstance(answer, Refused) else None,
    )


def _is_over(row: ScheduleView) -> bool:
    """Return whether a declared schedule has no more slots. Those of a wrapped command are made by another program."""
    return row.next_slot_at is None and not msgspec.json.decode(row.spec).get("expected")


def _find_state(view: AutomationView | None, now: int, paused_at: int | None, *, is_over: bool) -> ScheduleState:
    if view is None or view.retired_at is not None:
        return ScheduleState.RETIRED
    if paused_at is not None:
        return ScheduleState.PAUSED
    if is_over:
        return ScheduleState.ENDED
    return ScheduleState.AUTOMATION_PAUSED if is_paused(view, now) else ScheduleState.ACTIVE


def _find_next(state: ScheduleState, view: AutomationView | None, next_slot_at: int | None) -> int | None:
    """Return the next slot; during a pause of the automation with an end it is not before that."""
    if state is ScheduleState.ACTIVE:
        return next_slot_at
    until_at = view.paused_until if view is not None and state is ScheduleState.AUTOMATION_PAUSED else None
    return None if until_at is None or next_slot_at is None else max(next_slot_at, until_at)
