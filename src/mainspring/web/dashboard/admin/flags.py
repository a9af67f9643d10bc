"""`/flags`: flags with their rules; `/flags/{flag}`: one, with its answers, the runs that hold it on, and its history."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_text import parse_share
from mainspring.insight.flags.flag_history import FlagHistoryEntry
from mainspring.insight.flags.flag_views import FlagView
from mainspring.insight.flags.flag_words import describe_attributes
from mainspring.insight.text.formatting import shell_word
from mainspring.service.flag import require_flag
from mainspring.store.schema.flags.flag_uses import FlagUseCount
from mainspring.web.api.bodies import CommitOrderQuery, ListQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.flags import flag_operations, flag_reads
from mainspring.web.api.endpoints.flags.flag_operations import DeleteFlagRequest, KillFlagRequest, SetFlagRequest
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import (
    Form,
    PageButton,
    PageQuery,
    PageRoute,
    PageView,
    api_call,
    call_api,
    list_tables,
    read_reason,
)
from mainspring.web.server.path_table import path_segment

_PATH: Final = "/flags"
_CHANGES: Final = 50
TONES: Final = {"killed": "bad", "on": "good", "off": "idle", "split": "busy"}


def show(call: ApiCall[ListQuery, Form | None]) -> PageView:
    """List flags by name."""
    page = flag_reads.list_flags(api_call(call))
    return PageView("Flags", {"flags": page.items, "next": page.next, "tones": TONES, "quoted": shell_word})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[FlagView]:
    """Export all flags."""
    return list_all_pages(call, flag_reads.list_flags)


def show_one(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show a flag; its history only to those who may read the audit log."""
    detail = flag_reads.show_flag(api_call(call))
    may_read = call.visitor.may_read_audit_log
    changes = flag_reads.list_changes(call.with_query(CommitOrderQuery(limit=_CHANGES))) if may_read else None
    values = {
        "detail": detail,
        "as_json": lambda value: msgspec.json.encode(value).decode(),
        "flag": detail.flag,
        "describe_attributes": describe_attributes,
        "changes": changes,
        "tones": TONES,
        "quoted": shell_word,
        "typed": {"share": f"{detail.flag.percent:.4f}".rstrip("0").rstrip("."), "reason": "", **(call.body or {})},
    }
    return PageView(f"Flag {detail.flag.name}", values)


def rows_of_one(call: ApiCall[PageQuery, None]) -> list[FlagUseCount]:
    """Export its answers of the last 7 days."""
    return flag_reads.show_flag(call).answers


def history_of_one(call: ApiCall[PageQuery, None]) -> list[FlagHistoryEntry]:
    """Export its newest changes, for those who may read the audit log."""
    if not call.visitor.may_read_audit_log:
        call.missing("table", "history")
    return flag_reads.list_changes(call.with_query(CommitOrderQuery(limit=_CHANGES))).items


def kill(call: ApiCall[Any, Form]) -> str | None:
    """Kill a flag. If runs that hold the side on are to be cancelled or paused, lead to that operation."""
    stop_runs: Any = call.body.get("stop_runs") or None  # the call checks it
    request = KillFlagRequest(reason=read_reason(call), stop_runs=stop_runs)
    bulk: str | None = call_api(call, flag_operations.kill_flag, request, flag=_read_name(call)).bulk
    return None if bulk is None else f"/bulk/{path_segment(bulk)}"


def resume(call: ApiCall[Any, Form]) -> None:
    """End a kill."""
    _change(call, SetFlagRequest(killed=False, reason=read_reason(call)))


def share(call: ApiCall[Any, Form]) -> None:
    """Change the share of all keys that get the side on."""
    typed = call.body.get("share", "").strip()
    percent = parse_share(typed if typed.endswith("%") else f"{typed}%") * 100 / SHARE_UNITS
    _change(call, SetFlagRequest(percent=percent, reason=read_reason(call)))


def delete(call: ApiCall[Any, Form]) -> str:
    """Delete a flag, and lead to the list."""
    request = DeleteFlagRequest(force=bool(call.body.get("force")), reason=read_reason(call))
    call_api(call, flag_operations.delete_flag, request)
    return _PATH


def _change(call: ApiCall[Any, Form], request: SetFlagRequest) -> None:
    """Change the flag of the page. One that was deleted is not created again."""
    with flag_reads.missing_flag_as_not_found():
        require_flag(call.site.reader, call.names["flag"])
    call_api(call, flag_operations.set_flag, request)


def _read_name(call: ApiCall[Any, Form]) -> str:
    """Return the flag of the page, or of the row of the list."""
    return call.names.get("flag") or call.body.get("flag", "")


PAGES = (
    PageRoute(
        path=_PATH,
        template="admin/flags.html",
        show=show,
        rows=rows,
        query=ListQuery,
        whole=True,
        nouns=("audit-log",),
        buttons={"kill": PageButton(Role.OPERATOR, kill)},
    ),
    PageRoute(
        path=f"{_PATH}/{{flag}}",
        template="admin/flag.html",
        show=show_one,
        rows=rows_of_one,
        tables={**list_tables(flag_reads.show_flag, "runs"), "history": history_of_one},
        whole=True,
        nouns=("audit-log", "runs"),
        buttons={
            "share": PageButton(Role.OPERATOR, share),
            "kill": PageButton(Role.OPERATOR, kill),
            "resume": PageButton(Role.OPERATOR, resume),
            "delete": PageButton(Role.ADMIN, delete),
        },
        at=_PATH,
    ),
)
