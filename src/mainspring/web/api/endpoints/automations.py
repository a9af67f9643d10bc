"""Automations: list and show them, pause, resume and retire them, start runs and backfills."""

from typing import Annotated, Any, Literal

import msgspec

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.definitions.start_options import KeyPolicy, StartOptions
from mainspring.domain.time.rate import parse_rate
from mainspring.insight.text.hidden_values import hide_in_command
from mainspring.service import automation
from mainspring.service.backfill import PastSlot, list_past_slots
from mainspring.service.backfill import backfill as start_backfill
from mainspring.service.runs.bulk import BulkDueTimes
from mainspring.service.runs.run_start import encode_arguments, read_startable_definition
from mainspring.store.read.status.status import automations, schedules
from mainspring.store.views import AutomationView, ScheduleView
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, Text, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route, post_route

_BACKFILL_WITHIN_S = 60.0
_HIDDEN = "***"


class AutomationsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of automations: names that contain this text; `retired` = retired ones too."""

    name: Word | None = None
    retired: bool = False


class AutomationDetail(msgspec.Struct, frozen=True):
    """An automation, and its schedules with their next due times."""

    automation: AutomationView
    schedules: list[ScheduleView]


class PauseRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`until` = when the pause ends by itself; left out: when a person resumes it."""

    until: Instant | None = None


class StartRunRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run to start: its arguments and options. An option that is left out is as in the definition.

    `key`: two starts with one key are one run. `key_policy` decides if the key has a run: "restart" = a new one if it failed or was
    cancelled, "one_live" = a new one if it has ended, "replace" = a new one, and that run is cancelled. `join` "any" = with "one_live",
    join a run with another input, too. `request_id`: sent again within 24 hours, the start gets the same run.
    `retry`: attempts of the whole run, or a table of `attempts initial max jitter restart`.
    `headers`: texts by name, at most 8 KiB, for the run and all that follows from it.
    """

    input: dict[str, Any] = msgspec.field(default_factory=dict)
    key: Text | None = None
    key_policy: KeyPolicy = "reuse"
    join: Literal["same", "any"] = "same"
    request_id: Text | None = None
    at: Instant | None = None
    queue: Word | None = None
    priority: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    tag: Word | None = None
    tags: dict[str, str] | None = None
    title: Text | None = None
    retry: int | dict[str, Any] | None = None
    headers: dict[str, str] | None = None


class StartRunResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The run; `created` = it is new. Otherwise it was found by its key."""

    command: str
    run: str
    created: bool
    state: str


class BackfillRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Due times from `from` to before `to`; with a `rate` ("60/m") each run gets a time of its own. `again`: those whose run has ended get
    a new one, too.
    """

    from_: Instant = msgspec.field(name="from")
    to: Instant | None = None
    rate: Word | None = None
    again: bool = False
    dry_run: bool = False


class BackfillResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that were made, or would be made: `slots` are the due times that need a run. `refused` = slot -> reason."""

    command: str
    dry_run: bool
    count: int
    slots: list[PastSlot]
    made: int
    had_run: int
    to_come: int
    refused: dict[str, str]


def list_automations(call: ApiCall[AutomationsQuery, None]) -> Page[AutomationView]:
    """List automations by name."""
    query = call.query
    matching = [
        view
        for view in automations(call.site.reader)
        if call.visitor.may_view(view.name)
        and (query.name is None or query.name in view.name)
        and (query.retired or view.retired_at is None)
    ]
    page = slice_rows(matching, lambda view: view.name, query)
    return Page([hide_environment(view, call.visitor) for view in page.items], page.next)


def show_automation(call: AnyApiCall) -> AutomationDetail:
    """Show an automation: its definition, operations on it, its schedules."""
    view = find_automation(call)
    return AutomationDetail(hide_environment(view, call.visitor), schedules(call.site.reader, view.name))


def pause(call: ApiCall[None, PauseRequest]) -> OperationResponse:
    """Pause an automation: it starts no runs. A run that a worker holds continues; one that waits continues after the pause."""
    act = call.act()
    automation.pause(call.site.store, find_automation(call).name, act=act, until_at=to_ms(call.body.until))
    return OperationResponse(act.command)


def resume(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Resume an automation that is paused or retired."""
    act = call.act()
    automation.resume(call.site.store, find_automation(call).name, act=act)
    return OperationResponse(act.command)


def retire(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Retire an automation: end its schedules and its monitoring."""
    act = call.act()
    automation.retire(call.site.store, find_automation(call).name, act=act)
    return OperationResponse(act.command)


def start_run(call: ApiCall[None, StartRunRequest]) -> StartRunResponse:
    """Start a run; the response comes after the start is committed."""
    body, site, act = call.body, call.site, call.act()
    definition = read_startable_definition(find_automation(call))
    data = encode_arguments(definition, body.input, site.sealing.limit)
    started = site.engine().start(definition, data, act=act, options=read_start_options(body))
    return StartRunResponse(command=act.command, run=started.run, created=started.created, state=started.state)


def read_start_options(body: StartRunRequest) -> StartOptions:
    """Return the options of a start. Raises ArgumentError: its instant is too late."""
    return StartOptions(
        key=body.key,
        key_policy=body.key_policy,
        join=body.join,
        request_id=body.request_id,
        retry=body.retry,
        due_at=to_ms(body.at),
        queue=body.queue,
        priority=body.priority,
        tag=body.tag,
        tags=body.tags,
        title=body.title,
        headers=body.headers,
    )


def backfill(call: ApiCall[None, BackfillRequest]) -> BackfillResponse:
    """Start one run for each past due time that has none."""
    body, site, act = call.body, call.site, call.act()
    name, now = find_automation(call).name, site.clock.now()
    slots = list_past_slots(site.reads, name, to_ms(body.from_) or 0, to_ms(body.to) or now, now, again=body.again)
    due = None if body.rate is None else BulkDueTimes(now, parse_rate(body.rate))
    backfilled = start_backfill(
        site.store, site.reads, site.clock, name, slots, act=act, due=due, sealing=site.sealing, dry_run=body.dry_run
    )
    due_slots = [slot for slot in backfilled.slots if slot.needs_run]
    return BackfillResponse(
        command=act.command,
        dry_run=backfilled.dry_run,
        count=len(due_slots),
        slots=due_slots,
        made=backfilled.made,
        had_run=sum(slot.run is not None and not slot.needs_run for slot in backfilled.slots),
        to_come=sum(slot.is_to_come for slot in backfilled.slots),
        refused=backfilled.refused,
    )


def hide_environment(view: AutomationView, visitor: Visitor) -> AutomationView:
    """Return an automation without the values of its command's environment, because a value may be a secret; the names stay.

    Other automations that start it are hidden unless the visitor sees them.
    """
    definition = msgspec.json.decode(view.definition)
    for trigger in definition.get("triggers", {}).values():
        source = trigger["source"]
        if "automation" in source and not visitor.may_view(source["automation"]):
            source["automation"] = _HIDDEN
        if "automations" in source:
            source["automations"] = [name if visitor.may_view(name) else _HIDDEN for name in source["automations"]]
    definition["env"] = dict.fromkeys(definition.get("env", {}), _HIDDEN)
    definition["command"] = hide_in_command(definition.get("command", ()))
    return msgspec.structs.replace(view, definition=msgspec.json.encode(definition))


def find_automation(call: AnyApiCall) -> AutomationView:
    """Return the automation that the path names, read once per request. Raises NotFoundError."""
    name = call.names["automation"]
    if name not in call.seen:
        call.seen.update((view.name, view) for view in automations(call.site.reader, name))
    if name not in call.seen or not call.visitor.may_view(name):
        call.missing("automation", name)
    return call.seen[name]


ROUTES = (
    get_route("automations.listed", "/automations", list_automations, Page[AutomationView], query=AutomationsQuery),
    get_route("automations.shown", "/automations/{automation}", show_automation, AutomationDetail),
    post_route("automations.begin", "/automations/{automation}/runs", start_run, StartRunRequest, StartRunResponse),
    post_route("automations.pause", "/automations/{automation}/pause", pause, PauseRequest, OperationResponse),
    post_route("automations.resume", "/automations/{automation}/resume", resume, OperationRequest, OperationResponse),
    post_route("automations.retire", "/automations/{automation}/retire", retire, OperationRequest, OperationResponse),
    post_route(
        "automations.backfill",
        "/automations/{automation}/backfill",
        backfill,
        BackfillRequest,
        BackfillResponse,
        within_s=_BACKFILL_WITHIN_S,
    ),
)
