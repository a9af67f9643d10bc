"""`/schedules`: schedules in code and created schedules; `/schedules/{schedule}`: one of them; buttons pause, resume and delete it."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.access.permissions import Role
from mainspring.domain.values.plain_json import decode_value
from mainspring.domain.values.sealing import split_sealed
from mainspring.insight.automations.schedule_list import ScheduleHistoryEntry, ScheduleLine
from mainspring.insight.text.formatting import shell_word
from mainspring.insight.text.hidden_values import hide_in_data
from mainspring.web.api.bodies import CommitOrderQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import schedules
from mainspring.web.api.endpoints.schedules import ScheduleOperationRequest, SchedulesQuery
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import (
    Form,
    PageButton,
    PageQuery,
    PageRoute,
    PageView,
    api_call,
    call_api,
    read_reason,
)

_PATH: Final = "/schedules"
_CHANGES: Final = 50
TONES: Final = {"active": "good", "paused": "idle", "automation_paused": "idle", "retired": "idle", "ended": "idle"}


def show(call: ApiCall[SchedulesQuery, Form | None]) -> PageView:
    """List schedules by name."""
    page = schedules.list_schedules(api_call(call))
    values = {"schedules": page.items, "next": page.next, "tones": TONES, "query": call.query}
    return PageView("Schedules", values)


def rows(call: ApiCall[SchedulesQuery, None]) -> Iterator[ScheduleLine]:
    """Export all schedules of the filter."""
    return list_all_pages(call, schedules.list_schedules)


def show_one(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show a schedule; its history only to those who may change it."""
    detail = schedules.show_schedule(api_call(call))
    is_sealed = detail.input is not None and split_sealed(detail.input) is not None
    values = {
        "detail": detail,
        "line": detail.line,
        "input": None if is_sealed else hide_in_data(decode_value(detail.input)),
        "is_sealed": is_sealed,
        "changes": _read_changes(call) if call.visitor.may(Role.OPERATOR) else None,
        "tones": TONES,
        "quoted": shell_word,
        "typed": call.body or {},
    }
    return PageView(f"Schedule {detail.line.name}", values)


def history_of_one(call: ApiCall[PageQuery, None]) -> list[ScheduleHistoryEntry]:
    """Export its newest changes, for those who may change it."""
    if not call.visitor.may(Role.OPERATOR):
        call.missing("table", "history")
    return _read_changes(call)


def pause(call: ApiCall[Any, Form]) -> None:
    """Pause the schedule."""
    call_api(call, schedules.pause_schedule, _read_request(call))


def resume(call: ApiCall[Any, Form]) -> None:
    """Resume the schedule."""
    call_api(call, schedules.resume_schedule, _read_request(call))


def delete(call: ApiCall[Any, Form]) -> str:
    """Delete the schedule, and lead to the list."""
    call_api(call, schedules.delete_schedule, _read_request(call))
    return _PATH


def _read_changes(call: ApiCall[PageQuery, Any]) -> list[ScheduleHistoryEntry]:
    return schedules.list_changes(call.with_query(CommitOrderQuery(limit=_CHANGES))).items


def _read_request(call: ApiCall[Any, Form]) -> ScheduleOperationRequest:
    """Return the request of a button: it expects the version on the page, so nothing happens to a schedule that was changed since."""
    version = call.body.get("version", "")
    return ScheduleOperationRequest(
        reason=read_reason(call), expected_version=int(version) if version.isdecimal() else None
    )


PAGES = (
    PageRoute(
        path=_PATH,
        template="automations/schedules.html",
        show=show,
        rows=rows,
        query=SchedulesQuery,
        nouns=("automations",),
        at="/schedule",
    ),
    PageRoute(
        path=f"{_PATH}/{{schedule}}",
        template="automations/created_schedule.html",
        show=show_one,
        tables={"history": history_of_one},
        nouns=("automations",),
        buttons={
            "pause": PageButton(Role.OPERATOR, pause),
            "resume": PageButton(Role.OPERATOR, resume),
            "delete": PageButton(Role.OPERATOR, delete),
        },
        at="/schedule",
    ),
)
