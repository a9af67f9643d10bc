"""Schedules: list and show all of them; create, change, pause, resume and delete those that are not in code."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mainspring.app.setup.calendars import make_calendars
from mainspring.domain.access.permissions import Role
from mainspring.insight.automations.schedule_list import (
    ScheduleDetail,
    ScheduleHistoryEntry,
    ScheduleLine,
    list_schedule_lines,
    read_schedule_detail,
    read_schedule_history,
)
from mainspring.service import schedule
from mainspring.service.schedule import SchedulingContext
from mainspring.store.commands.results import ScheduleChanged
from mainspring.store.read.schedules import find_automation_of_schedule, find_created_schedule
from mainspring.web.api.bodies import CommitOrderQuery, ListQuery, Number, OperationRequest, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route


class SchedulesQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of schedules: those of an automation, and names that contain this text."""

    automation: Word | None = None
    name: Word | None = None


class ScheduleOptionsRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a schedule, as in a definition. In a change, null clears one.

    `input` = the arguments of its runs by name, all of them.
    """

    cron: Word | UnsetType | None = UNSET
    every: Word | UnsetType | None = UNSET
    at: Word | UnsetType | None = UNSET
    tz: Word | UnsetType | None = UNSET
    calendar: Word | UnsetType | None = UNSET
    jitter: Word | UnsetType | None = UNSET
    misfire: Word | UnsetType | None = UNSET
    overlap: Word | UnsetType | None = UNSET
    tags: dict[str, str] | UnsetType | None = UNSET
    input: dict[str, Any] | UnsetType = UNSET


class CreateScheduleRequest(ScheduleOptionsRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of cron, every and at is stated. Without jitter, misfire or overlap, that of the automation counts."""

    automation: Word


class ChangeScheduleRequest(ScheduleOptionsRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options that change. `expected_version` = refuse the change if the schedule has another version."""

    expected_version: Number | None = None


class ScheduleOperationRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expected_version` = refuse the operation if the schedule has another version."""

    expected_version: Number | None = None


class ScheduleOperationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule after the operation: its version, its text before and after, and its next slot."""

    command: str
    schedule: ScheduleChanged


def list_schedules(call: ApiCall[SchedulesQuery, None]) -> Page[ScheduleLine]:
    """List schedules by name: those in code, and those that a person or program created."""
    query = call.query
    lines = list_schedule_lines(call.site.reader, call.site.clock.now(), query.automation)
    visible = [
        line
        for line in lines
        if call.visitor.may_view(line.automation) and (query.name is None or query.name in line.name)
    ]
    return slice_rows(visible, lambda line: line.name, query)


def show_schedule(call: AnyApiCall) -> ScheduleDetail:
    """Show a schedule: when it starts which automation, with which input, and whether it is paused."""
    name, site = call.names["schedule"], call.site
    detail = read_schedule_detail(site.reader, name, _find_automation(call), site.clock.now())
    if detail is None:
        return call.missing("schedule", name)
    return msgspec.structs.replace(detail, input=site.opening.value(detail.input))


def list_changes(call: ApiCall[CommitOrderQuery, None]) -> Page[ScheduleHistoryEntry]:
    """List the operations on a schedule, newest first: who, when, what and why. The history outlives the schedule."""
    name, query, reader = call.names["schedule"], call.query, call.site.reader
    if find_automation_of_schedule(reader, name) is not None or not call.visitor.is_for_all:
        _find_automation(call)
    page = read_schedule_history(reader, name, limit=query.limit, cursor=query.cursor)
    if not page.entries and query.cursor is None:
        _find_automation(call)
    entries, cursor = page.entries, page.cursor
    if (
        not call.visitor.is_for_all
    ):  # an earlier schedule of this name may have been of an automation that the visitor does not see
        known = find_created_schedule(reader, name)
        since_at = 0 if known is None else known.created_at
        entries = [entry for entry in page.entries if entry.at >= since_at]
        cursor = page.cursor if len(entries) == len(page.entries) else None
    return Page(entries, None if cursor is None else str(cursor))


def create_schedule(call: ApiCall[None, CreateScheduleRequest]) -> ScheduleOperationResponse:
    """Create a schedule that starts runs of an automation, from now on."""
    act, body = call.act(), call.body
    if not call.visitor.may_view(body.automation):
        call.missing("automation", body.automation)
    arguments = {} if isinstance(body.input, UnsetType) else body.input
    name, context = call.names["schedule"], _make_context(call)
    changed = schedule.create_schedule(context, name, body.automation, _read_options(body), arguments, act=act)
    return ScheduleOperationResponse(command=act.command, schedule=changed)


def change_schedule(call: ApiCall[None, ChangeScheduleRequest]) -> ScheduleOperationResponse:
    """Change the stated options of a schedule. A slot that is due already is still made."""
    act, body = call.act(), call.body
    _find_automation(call)
    arguments = None if isinstance(body.input, UnsetType) else body.input
    name, context, expected = call.names["schedule"], _make_context(call), body.expected_version
    changed = schedule.change_schedule(context, name, _read_options(body), arguments, act=act, expected=expected)
    return ScheduleOperationResponse(command=act.command, schedule=changed)


def pause_schedule(call: ApiCall[None, ScheduleOperationRequest]) -> ScheduleOperationResponse:
    """Pause a schedule: it starts no runs. Runs that exist continue."""
    act = call.act()
    _find_automation(call)
    context, expected = _make_context(call), call.body.expected_version
    changed = schedule.pause_schedule(context, call.names["schedule"], act=act, expected=expected)
    return ScheduleOperationResponse(command=act.command, schedule=changed)


def resume_schedule(call: ApiCall[None, ScheduleOperationRequest]) -> ScheduleOperationResponse:
    """Resume a paused schedule: its misfire policy decides on the slots that were due."""
    act = call.act()
    _find_automation(call)
    context, expected = _make_context(call), call.body.expected_version
    changed = schedule.resume_schedule(context, call.names["schedule"], act=act, expected=expected)
    return ScheduleOperationResponse(command=act.command, schedule=changed)


def delete_schedule(call: ApiCall[None, ScheduleOperationRequest]) -> ScheduleOperationResponse:
    """Delete a schedule: it starts no more runs and is not watched. Its history stays."""
    act = call.act()
    if find_automation_of_schedule(call.site.reader, call.names["schedule"]) is not None or not call.visitor.is_for_all:
        _find_automation(call)  # a repeated request for a deleted one gets its first answer
    context, expected = _make_context(call), call.body.expected_version
    changed = schedule.delete_schedule(context, call.names["schedule"], act=act, expected=expected)
    return ScheduleOperationResponse(command=act.command, schedule=changed)


def _find_automation(call: AnyApiCall) -> str:
    """Return the automation of the schedule that the path names. Raises NotFoundError if this visitor sees none."""
    name = call.names["schedule"]
    automation = find_automation_of_schedule(call.site.reader, name)
    if automation is None or not call.visitor.may_view(automation):
        return call.missing("schedule", name)
    return automation


def _make_context(call: AnyApiCall) -> SchedulingContext:
    site = call.site
    calendars = make_calendars(site.settings.calendars, site.clock.now())
    return SchedulingContext(site.store, site.reader, site.sealing, calendars, site.settings.project.timezone)


def _read_options(body: ScheduleOptionsRequest) -> dict[str, Any]:
    """Return the options that a request states; None clears one."""
    names = [field for field in ScheduleOptionsRequest.__struct_fields__ if field not in ("reason", "input")]
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}


_OPERATION = (ScheduleOperationRequest, ScheduleOperationResponse)
ROUTES = (
    get_route("schedules.listed", "/schedules", list_schedules, Page[ScheduleLine], query=SchedulesQuery),
    get_route("schedules.shown", "/schedules/{schedule}", show_schedule, ScheduleDetail),
    get_route(
        "schedules.history",
        "/schedules/{schedule}/history",
        list_changes,
        Page[ScheduleHistoryEntry],
        query=CommitOrderQuery,
        role=Role.OPERATOR,
    ),
    post_route(
        "schedules.create",
        "/schedules/{schedule}/create",
        create_schedule,
        CreateScheduleRequest,
        ScheduleOperationResponse,
    ),
    post_route(
        "schedules.change",
        "/schedules/{schedule}/change",
        change_schedule,
        ChangeScheduleRequest,
        ScheduleOperationResponse,
    ),
    post_route("schedules.pause", "/schedules/{schedule}/pause", pause_schedule, *_OPERATION),
    post_route("schedules.resume", "/schedules/{schedule}/resume", resume_schedule, *_OPERATION),
    post_route("schedules.delete", "/schedules/{schedule}/delete", delete_schedule, *_OPERATION),
)
