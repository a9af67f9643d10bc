"""`/rollouts`: rollouts, newest first; `/rollouts/{rollout}`: one, with its share, both versions, the evidence and its moves."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.domain.flags.flag_text import parse_share, to_percent
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.guard_text import VERDICT_TEXTS
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.rollouts.rollout_steps import DEFAULT_STEPS, parse_steps
from mainspring.domain.states import ROLLOUT_MOVES, RolloutMove
from mainspring.domain.text.phrases import join_choices
from mainspring.insight.rollouts.rollout_detail import RolloutDetail, read_rollout_detail
from mainspring.insight.rollouts.rollout_moves import RolloutMoveEntry
from mainspring.insight.rollouts.rollout_view import RolloutView
from mainspring.insight.text.formatting import shell_word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.rollouts import rollout_operations, rollout_reads
from mainspring.web.api.endpoints.rollouts.rollout_operations import MoveRolloutRequest, StartRolloutRequest
from mainspring.web.api.endpoints.rollouts.rollout_reads import RolloutsQuery
from mainspring.web.dashboard.charts.share_steps import draw_shares
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

_PATH: Final = "/rollouts"
_NOUNS: Final = ("automations", "runs", "audit-log")
_EMPTY_FORM: Final = {
    **dict.fromkeys(("version", "age", "watch", "again", "reason"), ""),
    "steps": DEFAULT_STEPS,
    "hold": "30m",
    "margin": "5",
    "in_flight": InFlightPolicy.FINISH.value,
}
VERDICTS: Final = {
    GuardVerdict.WORSE: ("bad", VERDICT_TEXTS[GuardVerdict.WORSE]),
    GuardVerdict.NOT_WORSE: ("good", VERDICT_TEXTS[GuardVerdict.NOT_WORSE]),
    GuardVerdict.NOT_ENOUGH: ("idle", VERDICT_TEXTS[GuardVerdict.NOT_ENOUGH]),
}
IN_FLIGHT: Final = {
    InFlightPolicy.FINISH: "continue",
    InFlightPolicy.STOP: "are cancelled",
    InFlightPolicy.MOVE: "continue in the old version if its code replays them",
}


def show(call: ApiCall[RolloutsQuery, Form | None]) -> PageView:
    """List rollouts, newest first."""
    page = rollout_reads.list_rollouts(api_call(call))
    is_filtered = call.query.automation is not None or call.query.active
    values = {
        "rollouts": page.items,
        "next": page.next,
        "query": call.query,
        "is_filtered": is_filtered,
        "in_flight": {policy.value: text for policy, text in IN_FLIGHT.items()},
        "typed": {**_EMPTY_FORM, "automation": call.query.automation or "", **(call.body or {})},
    }
    return PageView("Rollouts", values)


def rows(call: ApiCall[RolloutsQuery, None]) -> Iterator[RolloutView]:
    """Export all rollouts in the present filter."""
    return list_all_pages(call, rollout_reads.list_rollouts)


def start(call: ApiCall[Any, Form]) -> str:
    """Start a rollout, and lead to its page."""
    typed = {name: text.strip() for name, text in call.body.items()}
    version = typed.get("version", "")
    if not (version.isascii() and version.isdecimal()):
        raise ArgumentError(f"{version!r} is not a version", hint="Type the number of version= in the code, such as 2.")
    request = StartRolloutRequest(
        version=int(version),
        steps=tuple(to_percent(step) for step in parse_steps(typed.get("steps", ""))),
        hold=typed.get("hold", ""),
        age=typed.get("age") or None,
        margin_percent=_read_margin(typed.get("margin") or _EMPTY_FORM["margin"]),
        in_flight=_read_policy(typed.get("in_flight") or InFlightPolicy.FINISH),
        watch=tuple(part for part in typed.get("watch", "").replace(",", " ").split() if part),
        again=bool(typed.get("again")),
        reason=read_reason(call),
    )
    response = call_api(call, rollout_operations.start, request, automation=typed.get("automation", ""))
    return f"{_PATH}/{response.rollout.id}"


def _read_policy(text: str) -> InFlightPolicy:
    if text not in list(InFlightPolicy):
        raise ArgumentError(
            f"{text!r} is no policy for unfinished runs", hint=f"Choose {join_choices(InFlightPolicy)}."
        )
    return InFlightPolicy(text)


def _read_margin(text: str) -> float:
    return to_percent(parse_share(text if text.endswith("%") else f"{text}%"))


def show_one(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show a rollout. Actors and reasons of moves are for those who may read the audit log."""
    detail, site = _read_detail(call), call.site
    view = detail.view
    values = {
        "detail": detail,
        "rollout": view,
        "chart": draw_shares(detail.steps, site.clock.now(), site.settings.project.timezone),
        "in_flight": f"unfinished runs of the new version {IN_FLIGHT[InFlightPolicy(view.in_flight)]}",
        "verdict": VERDICTS[view.verdict],
        "verdicts": VERDICTS,
        "allowed": [move for move in RolloutMove if view.state in ROLLOUT_MOVES[move][0]],
        "quoted": shell_word(view.automation),
        "typed": call.body or {},
    }
    return PageView(f"Rollout of {view.automation}", values)


def rows_of_one(call: ApiCall[PageQuery, None]) -> list[RolloutMoveEntry]:
    """Export its moves, oldest first."""
    return _read_detail(call).moves


def _read_detail(call: ApiCall[Any, Any]) -> RolloutDetail:
    rollout, site = rollout_reads.find_rollout(call), call.site
    return read_rollout_detail(
        site.reader,
        rollout,
        site.clock.now(),
        site.settings.project.timezone,
        with_actors=call.visitor.may_read_audit_log,
    )


def pause(call: ApiCall[Any, Form]) -> str | None:
    """Hold it at its step."""
    return _move(call, rollout_operations.pause)


def resume(call: ApiCall[Any, Form]) -> str | None:
    """Continue it."""
    return _move(call, rollout_operations.resume)


def abort(call: ApiCall[Any, Form]) -> str | None:
    """End it with the old version; if its runs are cancelled, lead to that operation."""
    return _move(call, rollout_operations.abort)


def finish(call: ApiCall[Any, Form]) -> str | None:
    """End it with the new version."""
    return _move(call, rollout_operations.finish)


def _move(call: ApiCall[Any, Form], handler: Callable[[ApiCall[Any, Any]], Any]) -> str | None:
    rollout = rollout_reads.find_rollout(call)
    request = MoveRolloutRequest(rollout=rollout.id, reason=read_reason(call))
    bulk: str | None = call_api(call, handler, request, automation=rollout.automation).bulk
    return None if bulk is None else f"/bulk/{path_segment(bulk)}"


PAGES = (
    PageRoute(
        path=_PATH,
        template="automations/rollouts.html",
        show=show,
        rows=rows,
        query=RolloutsQuery,
        nouns=_NOUNS,
        buttons={"start": PageButton(Role.OPERATOR, start)},
    ),
    PageRoute(
        path=f"{_PATH}/{{rollout}}",
        template="automations/rollout.html",
        show=show_one,
        rows=rows_of_one,
        tables=list_tables(_read_detail, "steps", "sides", "metrics", "past_metrics"),
        nouns=_NOUNS,
        buttons={
            "pause": PageButton(Role.OPERATOR, pause),
            "resume": PageButton(Role.OPERATOR, resume),
            "abort": PageButton(Role.OPERATOR, abort),
            "finish": PageButton(Role.OPERATOR, finish),
        },
        at=_PATH,
    ),
)
