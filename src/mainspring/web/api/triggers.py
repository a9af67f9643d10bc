"""What automations listen to, and what arrived: triggers, deliveries and what became of them; replay."""

import msgspec

from mainspring.domain.states import DeliveryState
from mainspring.domain.trigger import name_parts
from mainspring.service import trigger
from mainspring.store.reads.triggers import delivery as stored_delivery
from mainspring.store.reads.triggers import delivery_page, trigger_names
from mainspring.store.trigger_views import DeliveryRow, DeliveryView
from mainspring.triggers.known import KnownTriggers
from mainspring.web.api.bodies import Because, Numbered, Slice, Word, slice_of
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Instant, Page


class DeliveriesQuery(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries: for this trigger, in this state, received at or after `since`."""

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Instant | None = None


class TriggerShown(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger that is declared. `path` = of a webhook; `problem` = why it cannot listen; `pace` in words."""

    name: str
    automation: str
    kind: str
    path: str | None
    pace: list[str]
    filtered: bool
    problem: str | None
    paused_at: int | None
    paused_until: int | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The new delivery, and the run that it started, if it is decided already."""

    command: str
    delivery: str
    state: DeliveryState
    run: str | None


def listed(call: Call[Slice, None]) -> Page[TriggerShown]:
    """List triggers: what automations listen to."""
    known = KnownTriggers(call.site.reader)
    known.look()
    found = [
        TriggerShown(
            name=one.name,
            automation=one.definition.name,
            kind=one.trigger.kind,
            path=one.path,
            pace=one.trigger.pace.words(),
            filtered=one.trigger.filtered,
            problem=one.problem,
            paused_at=one.paused_at,
            paused_until=one.paused_until,
        )
        for one in known
        if call.visitor.may_see(one.definition.name)
    ]
    return slice_of(found, lambda one: one.name, call.query)


def deliveries(call: Call[DeliveriesQuery, None]) -> Page[DeliveryRow]:
    """List deliveries, newest first, with what became of each; in a filter as many as are among the newest, `next` goes on behind them."""
    query = call.query
    page = delivery_page(
        call.site.reader,
        triggers=_triggers(call),
        state=query.state,
        since_at=ms(query.since) or 0,
        limit=query.limit,
        cursor=query.cursor,
    )
    return Page(page.deliveries, None if page.cursor is None else str(page.cursor))


def _triggers(call: Call[DeliveriesQuery, None]) -> list[str] | None:
    """Return of which triggers deliveries are meant; None = of all."""
    visitor, asked = call.visitor, call.query.trigger
    if asked is None and visitor.is_for_all:
        return None
    names = trigger_names(call.site.reader) if asked is None else [asked]
    return [name for name in names if visitor.may_see(name_parts(name)[0])]


def delivery(call: AnyCall) -> DeliveryView:
    """Show a delivery as it came: its body, its headers, what was said of it."""
    found, opening = _named(call), call.site.opening
    return msgspec.structs.replace(
        found, body=opening.value(found.body), data=opening.value(found.data), headers=opening.value(found.headers)
    )


def replay(call: Call[None, Because]) -> Replayed:
    """Let a delivery arrive once more, as a new one whose filter and pace decide anew."""
    site, act = call.site, call.act()
    taken = trigger.replay(site.store, site.clock, _named(call).id, act=act)
    return Replayed(command=act.command, delivery=taken.delivery, state=taken.state, run=taken.run)


def _named(call: AnyCall) -> DeliveryView:
    """Return the delivery that the path names. Raises NotFoundError."""
    id = call.names["delivery"]
    found = stored_delivery(call.site.reader, id)
    if not call.visitor.may_see(name_parts(found.trigger)[0]):
        call.missing("delivery", id)
    return found


ROUTES = (
    reads("/triggers", listed, Page[TriggerShown], query=Slice),
    reads("/deliveries", deliveries, Page[DeliveryRow], query=DeliveriesQuery),
    reads("/deliveries/{delivery}", delivery, DeliveryView),
    acts("/deliveries/{delivery}/replay", replay, Because, Replayed),
)
