"""Effects of the ledger: list and show them, decide on those whose outcome is not known."""

from typing import Any

from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import EffectState
from mainspring.insight.effects.effect_views import EffectDetail, EffectLine, RunEffect, make_effect_line
from mainspring.insight.effects.stored_effects import find_dead_holders, read_effect_detail, read_run_effects
from mainspring.service import effect
from mainspring.store.read import effects
from mainspring.store.read.effects import EffectCursor, EffectFilter
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, Word
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route, post_route


class EffectsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of effects: in this state, with a key that begins with `prefix`, last used by this run or automation, changed since then."""

    state: EffectState | None = None
    prefix: Word | None = None
    run: Word | None = None
    automation: Word | None = None
    since: Instant | None = None


class ConfirmEffectRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result that later calls get; null = without one."""

    result: Any = None


def list_effects(call: ApiCall[EffectsQuery, None]) -> Page[EffectLine]:
    """List effects, those that changed last first."""
    query = call.query
    effect_filter = EffectFilter(
        state=query.state,
        prefix=query.prefix,
        run=query.run,
        automation=query.automation,
        since_at=to_ms(query.since),
    )
    cursor = None if query.cursor is None else _parse_cursor(query.cursor)
    page = effects.list_effects(call.site.reader, effect_filter, query.limit, cursor)
    now, dead = call.site.clock.now(), find_dead_holders(call.site.reader, page.effects)
    following = None if page.cursor is None else f"{page.cursor.at}.{page.cursor.key}"
    return Page([make_effect_line(record, dead, now) for record in page.effects], following)


def _parse_cursor(cursor: str) -> EffectCursor:
    at, dot, key = cursor.partition(".")
    if not dot or not key or not at.isascii() or not at.isdecimal() or len(at) > len(str(2**63)) - 1:
        raise ArgumentError(f"{cursor!r} is not a cursor of effects", hint="Use `next` of the previous page.")
    return EffectCursor(int(at), key)


def show_effect(call: AnyApiCall) -> EffectDetail:
    """Show an effect: its values, its holder, its calls by steps, and what a person can do."""
    site, key = call.site, call.names["effect"]
    detail = read_effect_detail(site.reader, key, site.clock.now(), site.opening.effect)
    if detail is None:
        call.missing("effect", key)
    return detail


def list_effects_of_run(call: AnyApiCall) -> Page[RunEffect]:
    """List the calls of effects by the steps of a run, oldest first."""
    return Page(read_run_effects(call.site.reader, call.run().id))


def forget_effect(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Delete the record of an effect, so that the next call of its key performs it."""
    act = call.act()
    effect.forget_effect(call.site.store, call.names["effect"], act=act)
    return OperationResponse(act.command)


def confirm_effect(call: ApiCall[None, ConfirmEffectRequest]) -> OperationResponse:
    """Record that an effect whose outcome is not known did happen."""
    act = call.act()
    effect.confirm_effect(call.site.store, call.names["effect"], call.body.result, sealing=call.site.sealing, act=act)
    return OperationResponse(act.command)


ROUTES = (
    get_route("effects.listed", "/effects", list_effects, Page[EffectLine], query=EffectsQuery, whole=True),
    get_route("effects.shown", "/effects/{effect}", show_effect, EffectDetail, whole=True),
    get_route("effects.of_run", "/runs/{run}/effects", list_effects_of_run, Page[RunEffect]),
    post_route(
        "effects.forget", "/effects/{effect}/forget", forget_effect, OperationRequest, OperationResponse, whole=True
    ),
    post_route(
        "effects.confirm",
        "/effects/{effect}/confirm",
        confirm_effect,
        ConfirmEffectRequest,
        OperationResponse,
        whole=True,
    ),
)
