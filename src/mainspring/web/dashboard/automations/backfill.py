"""`/a/NAME/backfill`: runs for past due times. A preview lists them first; then each is created once."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ConflictError, MainspringError, OptionError
from mainspring.domain.time.cron import find_zone, to_local
from mainspring.domain.time.rate import parse_rate
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.time.schedule_preview import ClockChange, find_clock_change
from mainspring.insight.text.formatting import format_count
from mainspring.service.backfill import PastSlot
from mainspring.service.runs.bulk import BulkDueTimes
from mainspring.service.runs.run_start import read_startable_definition
from mainspring.store.views import ScheduleView
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import automations
from mainspring.web.api.endpoints.automations import BackfillRequest, BackfillResponse
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason
from mainspring.web.dashboard.time_fields import format_time_field, parse_local_time, zone_of_automation

MAX_LISTED: Final = 100
"""Listed due times; exports contain all of them."""
_DAY_MS = 86_400_000
_RANGES = {"the last day": 1, "the last 7 days": 7, "the last 30 days": 30}


class BackfillRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The typed range, from `from` to before `to`, in the zone of the automation; `rate` = the rate of the runs ("60/m").

    `again` = also a new run for due times whose run has ended.
    """

    from_: Word | None = msgspec.field(name="from", default=None)
    to: Word | None = None
    rate: Word | None = None
    again: bool = False


def show(call: ApiCall[BackfillRange, Form | None]) -> PageView:
    """Show the form, and the preview of its range."""
    detail = automations.show_automation(api_call(call))
    definition = read_startable_definition(detail.automation)
    zone, query, now = zone_of_automation(call, definition), call.query, call.site.clock.now()
    typed_range = {"from": query.from_ or "", "to": query.to or "", "rate": query.rate or "", "again": query.again}
    schedules = [schedule for schedule in detail.schedules if schedule.retired_at is None]
    values: dict[str, Any] = {
        "automation": detail.automation.name,
        "zone": zone,
        "given": typed_range,
        "schedules": [_read_schedule(schedule).describe() for schedule in schedules],
        "ranges": {text: format_time_field(now - days * _DAY_MS, zone) for text, days in _RANGES.items()},
        "preview": None,
        "range_error": "",
        "typed": call.body or {},
    }
    if query.from_ is not None and schedules:
        try:
            values |= _preview(call, query, zone, now)
        except MainspringError as error:
            values["range_error"] = " ".join(filter(None, (error.message, error.hint)))
    return PageView(f"Backfill {detail.automation.name}", values)


def rows(call: ApiCall[BackfillRange, None]) -> Iterator[PastSlot]:
    """Export all due times that need a run."""
    definition = read_startable_definition(automations.show_automation(call).automation)
    zone = zone_of_automation(call, definition)
    return iter(
        _dry_run(call, _build_body(call.query, zone, call.site.clock.now())).slots
        if call.query.from_ is not None
        else ()
    )


def start_backfill(call: ApiCall[Any, Any]) -> None:
    """Create the runs of the preview."""
    zone = zone_of_automation(call, read_startable_definition(automations.show_automation(api_call(call)).automation))
    form = call.body
    form_range = BackfillRange(
        from_=form.get("from") or None,
        to=form.get("to") or None,
        rate=form.get("rate") or None,
        again=form.get("again") == "true",
    )
    body = msgspec.structs.replace(_build_body(form_range, zone, call.site.clock.now()), reason=read_reason(call))
    created: BackfillResponse = call_api(call, automations.backfill, body)
    if created.refused:
        reason = next(iter(created.refused.values()))
        raise ConflictError(
            f"{format_count(created.made, 'run')} started; {len(created.refused)} were refused: {reason}"
        )


def _preview(call: ApiCall[BackfillRange, Any], query: BackfillRange, zone: str, now: int) -> dict[str, Any]:
    """Return the values of the preview. Raises MainspringError."""
    body = _build_body(query, zone, now)
    preview = _dry_run(call, body)
    end = body.to or datetime.fromisoformat(parse_local_time(format_time_field(now, zone), zone))
    to = query.to or format_time_field(now, zone)
    last_at = None
    if query.rate is not None and preview.count:
        last_at = BulkDueTimes(now, parse_rate(query.rate)).at(preview.count - 1)
    line = [
        "mainspring",
        "auto",
        "backfill",
        call.names["automation"],
        "--from",
        _to_iso(body.from_),
        "--to",
        _to_iso(end),
    ]
    line += ["--rate", query.rate] if query.rate is not None else []
    line += ["--again"] if query.again else []
    return {
        "preview": preview,
        "listed": [(slot, _describe_clock_change(slot.slot_at, zone)) for slot in islice(preview.slots, MAX_LISTED)],
        "fixed": {
            "from": query.from_ or "",
            "to": to,
            "rate": query.rate or "",
            "again": "true" if query.again else "",
        },
        "last_at": last_at,
        "command": shlex.join(line),
    }


def _dry_run(call: ApiCall[BackfillRange, Any], body: BackfillRequest) -> BackfillResponse:
    preview: BackfillResponse = call_api(call, automations.backfill, msgspec.structs.replace(body, dry_run=True))
    return preview


def _build_body(query: BackfillRange, zone: str, now: int) -> BackfillRequest:
    """Return the request to the API. Raises OptionError."""
    if query.from_ is None:
        raise OptionError("the start time is missing", hint="Fill in From.")
    first = datetime.fromisoformat(parse_local_time(query.from_, zone))
    end = datetime.fromisoformat(parse_local_time(query.to or format_time_field(now, zone), zone))
    if query.rate is not None:
        parse_rate(query.rate)
    return BackfillRequest(from_=first, to=end, rate=query.rate, again=query.again)


def _to_iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _describe_clock_change(at: int, zone: str) -> str:
    """Return the clock change on the day of a due time, as words."""
    change = find_clock_change(to_local(at, find_zone(zone)).date(), find_zone(zone))
    return "" if change is ClockChange.NONE else change.value


def _read_schedule(view: ScheduleView) -> Schedule:
    return Schedule.from_data(msgspec.json.decode(view.spec))


PAGES = (
    PageRoute(
        path="/a/{automation}/backfill",
        template="automations/backfill.html",
        show=show,
        rows=rows,
        query=BackfillRange,
        role=Role.OPERATOR,
        at="/automations",
        buttons={"make": PageButton(Role.OPERATOR, start_backfill)},
    ),
)
