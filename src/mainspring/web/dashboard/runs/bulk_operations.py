"""`/bulk` and `/bulk/{bulk}`: bulk operations with their progress and refused parts; pause, resume, stop."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.bulk_operation import part_noun
from mainspring.domain.states import BULK_MOVES, BulkMove
from mainspring.insight.runs.bulk_description import (
    bulk_command,
    bulk_title,
    count_parts_text,
    describe_progress,
    filter_of,
)
from mainspring.store.read.bulk_operations import BulkPart, BulkView
from mainspring.web.api.bodies import CommitOrderQuery, OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import bulk_operations
from mainspring.web.api.endpoints.bulk_operations import BulkPartsQuery
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason

_CONTROLS: Final = {
    BulkMove.PAUSE: bulk_operations.pause,
    BulkMove.RESUME: bulk_operations.resume,
    BulkMove.STOP: bulk_operations.stop,
}


def show_all(call: ApiCall[CommitOrderQuery, Form | None]) -> PageView:
    """List them, newest first."""
    page = bulk_operations.list_bulk_operations(api_call(call))
    lines = [(view, bulk_title(view.verb, filter_of(view))) for view in page.items]
    return PageView(
        "Bulk operations",
        {
            "operations": lines,
            "next": page.next,
            "shares": {view.id: done_and_refused_shares(view) for view in page.items},
        },
    )


def rows_of_all(call: ApiCall[CommitOrderQuery, None]) -> Iterator[BulkView]:
    """Export all of them."""
    return list_all_pages(call, bulk_operations.list_bulk_operations)


def show(call: ApiCall[BulkPartsQuery, Form | None]) -> PageView:
    """Show one."""
    view = bulk_operations.show_bulk_operation(api_call(call))
    filter = filter_of(view)
    parts = bulk_operations.list_parts(api_call(call))
    head = bulk_title(view.verb, filter)
    values = {
        "bulk": view,
        "head": head,
        "noun_of_part": part_noun(view.verb),
        "nouns_of_parts": count_parts_text(view.verb),
        "progress_text": describe_progress(view, call.site.clock.now()),
        "share": done_and_refused_shares(view),
        "listed_parts": parts.items,
        "next": parts.next,
        "refused_only": call.query.refused,
        "moves": [move.value for move in _CONTROLS if view.state in BULK_MOVES[move][0]],
        "line": bulk_command(view.verb, filter, view.rate),
    }
    return PageView(head, values)


def rows(call: ApiCall[BulkPartsQuery, None]) -> Iterator[BulkPart]:
    """Export its parts."""
    return list_all_pages(call, bulk_operations.list_parts)


def done_and_refused_shares(view: BulkView) -> tuple[float, float]:
    """Return the percentages that are done and refused."""
    total = max(view.total, 1)
    return round(100 * view.done / total, 2), round(100 * view.refused / total, 2)


def _build_button(move: BulkMove) -> PageButton:
    def control(call: ApiCall[Any, Form]) -> None:
        call_api(call, _CONTROLS[move], OperationRequest(reason=read_reason(call)))

    return PageButton(Role.OPERATOR, control)


PAGES = (
    PageRoute(
        path="/bulk",
        template="runs/bulk_operations.html",
        show=show_all,
        rows=rows_of_all,
        query=CommitOrderQuery,
        nouns=("bulk",),
        at="/failed",
    ),
    PageRoute(
        path="/bulk/{bulk}",
        template="runs/bulk_operation.html",
        show=show,
        rows=rows,
        query=BulkPartsQuery,
        nouns=("bulk",),
        buttons={move.value: _build_button(move) for move in _CONTROLS},
        at="/failed",
    ),
)
