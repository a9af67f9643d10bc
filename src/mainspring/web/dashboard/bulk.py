"""`/bulk` and `/bulk/{bulk}`: acts on many that go on by themselves: how far each is, what was refused; pause, resume, stop."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.bulk_operation import part_noun
from mainspring.domain.states import BULK_MOVES, BulkMove
from mainspring.insight.bulk_words import command_of, head_of, parts_of, stands, which_of
from mainspring.store.reads.bulk import BulkPart, BulkView
from mainspring.web.api import bulk_acts
from mainspring.web.api.bodies import Because, Numbered
from mainspring.web.api.bulk_acts import PartsQuery
from mainspring.web.api.call import Call
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of

_ACTS: Final = {
    BulkMove.PAUSE: bulk_acts.pause,
    BulkMove.RESUME: bulk_acts.resume,
    BulkMove.STOP: bulk_acts.stop,
}


def show_all(call: Call[Numbered, Form | None]) -> View:
    """List them, newest first."""
    found = bulk_acts.listed(looked(call))
    lines = [(one, head_of(one.verb, which_of(one))) for one in found.items]
    return View(
        "Bulk acts", {"acts": lines, "next": found.next, "shares": {one.id: shares(one) for one in found.items}}
    )


def rows_of_all(call: Call[Numbered, None]) -> Iterator[BulkView]:
    """Give them all."""
    return pages_of(call, bulk_acts.listed)


def show(call: Call[PartsQuery, Form | None]) -> View:
    """Show one."""
    view = bulk_acts.shown(looked(call))
    which = which_of(view)
    parts = bulk_acts.parts(looked(call))
    head = head_of(view.verb, which)
    values = {
        "bulk": view,
        "head": head,
        "noun_of_part": part_noun(view.verb),
        "nouns_of_parts": parts_of(view.verb),
        "stands": stands(view, call.site.clock.now()),
        "share": shares(view),
        "parts_found": parts.items,
        "next": parts.next,
        "refused_only": call.query.refused,
        "moves": [move.value for move in _ACTS if view.state in BULK_MOVES[move][0]],
        "line": command_of(view.verb, which, view.rate),
    }
    return View(head, values)


def rows(call: Call[PartsQuery, None]) -> Iterator[BulkPart]:
    """Give its parts."""
    return pages_of(call, bulk_acts.parts)


def shares(view: BulkView) -> tuple[float, float]:
    """Return how much of it was done, and refused, of a hundred."""
    total = max(view.total, 1)
    return round(100 * view.done / total, 2), round(100 * view.refused / total, 2)


def _button(move: BulkMove) -> Button:
    def do(call: Call[Any, Form]) -> None:
        press(call, _ACTS[move], Because(reason=reason_of(call)))

    return Button(Role.OPERATOR, do)


PAGES = (
    PageRoute(
        path="/bulk",
        template="bulk_acts.html",
        show=show_all,
        rows=rows_of_all,
        query=Numbered,
        nouns=("bulk",),
        at="/failed",
    ),
    PageRoute(
        path="/bulk/{bulk}",
        template="bulk_act.html",
        show=show,
        rows=rows,
        query=PartsQuery,
        nouns=("bulk",),
        buttons={move.value: _button(move) for move in _ACTS},
        at="/failed",
    ),
)
