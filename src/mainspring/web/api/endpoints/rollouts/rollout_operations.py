"""Operations of people on the rollout of an automation: start, pause, resume, abort, finish."""

from typing import Annotated, Final

import msgspec

from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.domain.flags.flag_text import to_millionths, to_percent
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.rollouts.rollout_steps import DEFAULT_STEPS, parse_steps
from mainspring.domain.rollouts.watched_measurement import MAX_WATCHED, parse_watched
from mainspring.domain.states import RolloutMove
from mainspring.insight.rollouts.rollout_view import RolloutView, read_rollout_views
from mainspring.service.rollout import RolloutPlan, move_rollout, start_rollout
from mainspring.store.read import rollouts
from mainspring.web.api.bodies import Number, OperationRequest, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints.automations import find_automation
from mainspring.web.api.route import post_route

_WITHIN_S = 60.0
_DEFAULT_STEPS: Final = tuple(to_percent(step) for step in parse_steps(DEFAULT_STEPS))


class StartRolloutRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version to roll out. `steps` = shares of all keys in percent that grow to 100; `hold` = the time of each step ("30m").

    `age` = the age at which a run counts; left out: 95 % of the runs of the version in force have ended by then. `margin_percent` = how
    much more often a worse version fails. `in_flight` = what becomes of unfinished runs of the new version after an abort. `watch` =
    numbers of `ms.measure` to compare too: "cost", or "score:lower" where lower is worse. `again` = also if the same code was aborted or
    rolled back before.
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    steps: tuple[float, ...] = _DEFAULT_STEPS
    hold: Word = "30m"
    age: Word | None = None
    margin_percent: float = 5.0
    in_flight: InFlightPolicy = InFlightPolicy.FINISH
    watch: Annotated[tuple[Word, ...], msgspec.Meta(max_length=MAX_WATCHED)] = ()
    again: bool = False


class MoveRolloutRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rollout` = the id of the rollout that the sender saw: if another one has started since, nothing is moved."""

    rollout: Number | None = None


class RolloutOperationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The rollout after the operation. `bulk` = the operation that cancels the unfinished runs of the new version."""

    command: str
    rollout: RolloutView
    bulk: str | None = None


def start(call: ApiCall[None, StartRolloutRequest]) -> RolloutOperationResponse:
    """Divide the new runs of an automation between its version in force and another one."""
    site, body, act = call.site, call.body, call.act()
    name = find_automation(call).name
    plan = RolloutPlan(
        tuple(to_millionths(step) for step in body.steps),
        to_milliseconds(parse_duration(body.hold)),
        body.in_flight,
        None if body.age is None else to_milliseconds(parse_duration(body.age)),
        to_millionths(body.margin_percent),
        parse_watched(body.watch),
        again=body.again,
    )
    start_rollout(site.store, site.reader, name, body.version, plan, act=act)
    return _build_response(call, name, act.command)


def pause(call: ApiCall[None, MoveRolloutRequest]) -> RolloutOperationResponse:
    """Hold a rollout at its step: the share stays, and no step follows."""
    return _move(call, RolloutMove.PAUSE)


def resume(call: ApiCall[None, MoveRolloutRequest]) -> RolloutOperationResponse:
    """Continue a paused rollout; the time of its step begins again."""
    return _move(call, RolloutMove.RESUME)


def abort(call: ApiCall[None, MoveRolloutRequest]) -> RolloutOperationResponse:
    """End a rollout: all new runs get the old version at once."""
    return _move(call, RolloutMove.ABORT)


def finish(call: ApiCall[None, MoveRolloutRequest]) -> RolloutOperationResponse:
    """End a rollout: the new version is in force, and the steps that are left are skipped."""
    return _move(call, RolloutMove.FINISH)


def _move(call: ApiCall[None, MoveRolloutRequest], move: RolloutMove) -> RolloutOperationResponse:
    site, id, act = call.site, call.body.rollout, call.act()
    name = find_automation(call).name
    seen = None if id is None else rollouts.find_rollout(site.reader, id)
    if id is not None and (seen is None or seen.automation != name):
        call.missing("rollout", f"{id} of {name}")
    moved = move_rollout(site.store, name, move, act=act, seen=seen)
    return _build_response(call, name, act.command, moved.bulk)


def _build_response(call: AnyApiCall, name: str, command: str, bulk: str | None = None) -> RolloutOperationResponse:
    site = call.site
    (view,) = read_rollout_views(site.reader, site.clock.now(), site.settings.project.timezone, name, limit=1)
    return RolloutOperationResponse(command=command, rollout=view, bulk=bulk)


_PATH: Final = "/automations/{automation}/rollout"
ROUTES = (
    post_route("rollouts.start", f"{_PATH}/start", start, StartRolloutRequest, RolloutOperationResponse),
    post_route("rollouts.pause", f"{_PATH}/pause", pause, MoveRolloutRequest, RolloutOperationResponse),
    post_route("rollouts.resume", f"{_PATH}/resume", resume, MoveRolloutRequest, RolloutOperationResponse),
    post_route(
        "rollouts.abort", f"{_PATH}/abort", abort, MoveRolloutRequest, RolloutOperationResponse, within_s=_WITHIN_S
    ),
    post_route("rollouts.finish", f"{_PATH}/finish", finish, MoveRolloutRequest, RolloutOperationResponse),
)
