"""`/effects`: effects of the ledger, by state; one whose outcome is not known can be confirmed, and each can be forgotten."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import EffectState
from mainspring.insight.effects.effect_views import UNPROVEN_STATES, EffectLine
from mainspring.insight.text.formatting import shell_word
from mainspring.web.api.bodies import OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import effects
from mainspring.web.api.endpoints.effects import ConfirmEffectRequest, EffectsQuery
from mainspring.web.dashboard.exports import MOST, list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason


def show(call: ApiCall[EffectsQuery, Form | None]) -> PageView:
    """List effects, those that changed last first."""
    page, query = effects.list_effects(api_call(call)), call.query
    filters = (query.state, query.prefix, query.run, query.automation, query.since, query.cursor)
    values: dict[str, Any] = {
        "effects": page.items,
        "next": page.next,
        "query": query,
        "states": list(EffectState),
        "unproven": UNPROVEN_STATES,
        "is_filtered": any(filters),
        "quoted": shell_word,
    }
    return PageView("Effects", values)


def rows(call: ApiCall[EffectsQuery, None]) -> Iterator[EffectLine]:
    """Export all effects that match."""
    return list_all_pages(call, effects.list_effects, most=MOST)


def forget(call: ApiCall[Any, Form]) -> None:
    """Delete the record of an effect."""
    request = OperationRequest(reason=read_reason(call))
    call_api(call, effects.forget_effect, request, effect=call.body.get("effect", ""))


def confirm(call: ApiCall[Any, Form]) -> None:
    """Record that an effect happened."""
    text = call.body.get("result", "").strip()
    try:
        result = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError) as error:
        raise ArgumentError(
            f"the result is not JSON: {error}", hint='Write JSON such as {"id": 7}, or leave it empty.'
        ) from None
    request = ConfirmEffectRequest(result=result, reason=read_reason(call))
    call_api(call, effects.confirm_effect, request, effect=call.body.get("effect", ""))


PAGES = (
    PageRoute(
        path="/effects",
        template="admin/effects.html",
        show=show,
        rows=rows,
        query=EffectsQuery,
        whole=True,
        nouns=("effects", "audit-log"),
        buttons={"forget": PageButton(Role.OPERATOR, forget), "confirm": PageButton(Role.OPERATOR, confirm)},
    ),
)
