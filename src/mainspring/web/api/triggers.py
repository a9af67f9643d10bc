"""What automations listen to, and what arrived: triggers, deliveries and what became of them; replay."""

import msgspec

from mainspring.app.processes.listen_addresses import read_settings_in_use
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.insight.arrived import headers_of
from mainspring.insight.automation_lines import seen_source
from mainspring.insight.gatherings import Gathering, gatherings_of, seen_gathering
from mainspring.insight.source_words import given_words
from mainspring.insight.trigger_lines import TriggerLine, trigger_lines
from mainspring.service import trigger
from mainspring.store.reads.short_ids import IdKind
from mainspring.store.reads.triggers import deliveries as stored_deliveries
from mainspring.store.reads.triggers import delivery as stored_delivery
from mainspring.store.reads.triggers import held_groups, trigger_names, waiting_since
from mainspring.store.trigger_views import DeliveryRow, DeliveryView, HeldGroup
from mainspring.triggers.trigger_cache import TriggerCache
from mainspring.web.api.bodies import Because, Numbered, Slice, Word, slice_of
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Instant, Page
from mainspring.web.hook_counts import AGAIN

_AT_MOST = 20_000
"""So many rows are looked at for one answer, however seldom what is asked for is among them."""


class TriggersQuery(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which triggers: those that are in this state, or that start this automation."""

    state: TriggerState | None = None
    automation: Word | None = None


class DeliveriesQuery(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries: for this trigger, in this state, received from `since` to before `until`.

    `verified` = those of which their verifier said so: whose they are, or why they were turned away.
    """

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Instant | None = None
    until: Instant | None = None
    verified: Word | None = None


class TriggerShown(TriggerLine, frozen=True, kw_only=True):
    """A trigger that is declared, and how it does. `path` = of a webhook.

    `waiting_at` = since when the oldest of what nobody has decided on waits; `again` = repeats that the web process which is asked has
    answered since its start, and that were not taken in twice.
    """

    path: str | None
    paused_until: int | None
    waiting_at: int | None
    again: int


class TriggerDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger, what it holds by key, and the starts that wait for runs of other automations.

    `gives` = what a run is given of an event.
    """

    trigger: TriggerShown
    gives: str
    held: list[HeldGroup]
    gatherings: list[Gathering]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The new delivery, and the run that it started, if it is decided already."""

    command: str
    delivery: str
    state: DeliveryState
    run: str | None


def listed(call: Call[TriggersQuery, None]) -> Page[TriggerShown]:
    """List triggers: what automations listen to, whether they do, and what arrived within a day."""
    query = call.query
    found = [
        one
        for one in _lines(call, _known(call))
        if query.state in (None, one.state) and query.automation in (None, one.automation)
    ]
    return slice_of(found, lambda one: one.name, query)


def shown(call: AnyCall) -> TriggerDetail:
    """Show a trigger with what it holds and waits for."""
    site, name, known = call.site, call.names["trigger"], _known(call)
    line = next((one for one in _lines(call, known) if one.name == name), None)
    if line is None:
        call.missing("trigger", name)
    one = known.get(name)
    source: object = None if one is None else one.trigger.source
    zone, may_see = site.settings.project.timezone, call.visitor.may_see
    waiting = (
        gatherings_of(site.reader, name, source, site.clock.now(), zone) if isinstance(source, JoinedRunsSource) else []
    )
    return TriggerDetail(
        trigger=line,
        gives="" if one is None else given_words(one.trigger),
        held=held_groups(site.reader, name),
        gatherings=[seen_gathering(gathering, may_see) for gathering in waiting],
    )


def deliveries(call: Call[DeliveriesQuery, None]) -> Page[DeliveryRow]:
    """List deliveries, newest first, with what became of each; in a filter as many as are among the newest, `next` goes on behind them."""
    query = call.query
    page = stored_deliveries(
        call.site.reader,
        triggers=_triggers(call),
        state=query.state,
        since_at=ms(query.since) or 0,
        until_at=ms(query.until),
        verified=query.verified,
        limit=query.limit,
        cursor=query.cursor,
        at_most=_AT_MOST,
    )
    return Page(page.deliveries, None if page.cursor is None else str(page.cursor))


def _triggers(call: Call[DeliveriesQuery, None]) -> list[str] | None:
    """Return of which triggers deliveries are meant; None = of all."""
    visitor, asked = call.visitor, call.query.trigger
    if asked is None and visitor.is_for_all:
        return None
    names = trigger_names(call.site.reader) if asked is None else [asked]
    return [name for name in names if visitor.may_see(split_trigger_name(name)[0])]


def delivery(call: AnyCall) -> DeliveryView:
    """Show a delivery as it came: its body, its headers without what proves who sent them, what was said of it."""
    found, opening = _named(call), call.site.opening
    headers = opening.value(found.headers)
    return msgspec.structs.replace(
        found,
        body=opening.value(found.body),
        data=opening.value(found.data),
        headers=None if headers is None else msgspec.json.encode(headers_of(headers)),
    )


def replay(call: Call[None, Because]) -> Replayed:
    """Let a delivery arrive once more, as a new one whose filter and pace decide anew."""
    site, act = call.site, call.act()
    taken = trigger.replay(site.store, site.clock.now(), _named(call).id, act=act)
    return Replayed(command=act.command, delivery=taken.delivery, state=taken.state, run=taken.run)


def _known(call: AnyCall) -> TriggerCache:
    known = TriggerCache(call.site.reader)
    known.look()
    return known


def _lines(call: AnyCall, known: TriggerCache) -> list[TriggerShown]:
    """Return the triggers that the visitor sees."""
    site = call.site
    lines = trigger_lines(
        site.reader, site.clock.now(), read_settings_in_use(site.settings, site.reader).hooks.seen_as, known=known
    )
    waiting = waiting_since(site.reader, filtered=False)
    for name, at in waiting_since(site.reader, filtered=True).items():
        waiting[name] = min(at, waiting.get(name, at))
    answers = dict(site.hook_answers)
    found = []
    for line in lines:
        if not call.visitor.may_see(line.automation):
            continue
        one = known.get(line.name)
        told = msgspec.structs.asdict(line)
        if one is not None:
            told["listens_to"] = seen_source(one.trigger.source, call.visitor.may_see)
        found.append(
            TriggerShown(
                **told,
                path=None if one is None else one.path,
                paused_until=None if one is None else one.paused_until,
                waiting_at=waiting.get(line.name),
                again=answers.get((line.name, AGAIN), 0),
            )
        )
    return found


def _named(call: AnyCall) -> DeliveryView:
    """Return the delivery that the path names. Raises NotFoundError."""
    id = call.id_of(IdKind.DELIVERY, call.names["delivery"])
    found = stored_delivery(call.site.reader, id)
    if not call.visitor.may_see(split_trigger_name(found.trigger)[0]):
        call.missing("delivery", id)
    return found


ROUTES = (
    reads("triggers.listed", "/triggers", listed, Page[TriggerShown], query=TriggersQuery),
    reads("triggers.shown", "/triggers/{trigger}", shown, TriggerDetail),
    reads("triggers.deliveries", "/deliveries", deliveries, Page[DeliveryRow], query=DeliveriesQuery),
    reads("triggers.delivery", "/deliveries/{delivery}", delivery, DeliveryView),
    acts("triggers.replay", "/deliveries/{delivery}/replay", replay, Because, Replayed),
)
