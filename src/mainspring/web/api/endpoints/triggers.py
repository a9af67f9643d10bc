"""Triggers and their deliveries: list and show them, and replay a delivery."""

import msgspec

from mainspring.app.processes.listen_addresses import read_settings_in_use
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.insight.automations.automation_list import describe_visible_source
from mainspring.insight.automations.source_description import describe_given
from mainspring.insight.triggers.delivery_view import read_headers
from mainspring.insight.triggers.joined_runs import JoinedRunsView, hide_joined_runs, list_joined_runs
from mainspring.insight.triggers.trigger_list import TriggerLine, list_trigger_lines
from mainspring.service.triggers import delivery_replay
from mainspring.store.read.short_ids import IdKind
from mainspring.store.read.triggers import deliveries as stored_deliveries
from mainspring.store.read.triggers import delivery as stored_delivery
from mainspring.store.read.triggers import held_groups, trigger_names, undecided_since
from mainspring.store.trigger_views import DeliveryRow, DeliveryView, HeldGroup
from mainspring.triggers.trigger_cache import TriggerCache
from mainspring.web.api.bodies import CommitOrderQuery, ListQuery, OperationRequest, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route, post_route
from mainspring.web.webhooks.request_counts import REPEATED

_AT_MOST = 20_000
"""Rows that are read for one response, however few of them match the filter."""


class TriggersQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of triggers: those in this state, or those that start this automation."""

    state: TriggerState | None = None
    automation: Word | None = None


class DeliveriesQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of deliveries: for this trigger, in this state, received from `since` to before `until`.

    `verified` = the result of their verifier: the sender, or the reason of a rejection.
    """

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Instant | None = None
    until: Instant | None = None
    verified: Word | None = None


class TriggerStatus(TriggerLine, frozen=True, kw_only=True):
    """A declared trigger and its state. `path` = of a webhook.

    `waiting_at` = since when the oldest undecided delivery waits; `again` = duplicates that this web process answered since its start.
    """

    path: str | None
    paused_until: int | None
    waiting_at: int | None
    again: int


class TriggerDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger, its held deliveries by key, and the starts that wait for runs of other automations.

    `gives` = the input that a run gets from an event.
    """

    trigger: TriggerStatus
    gives: str
    held: list[HeldGroup]
    gatherings: list[JoinedRunsView]


class ReplayResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The new delivery, and the run that it started, if it is already decided."""

    command: str
    delivery: str
    state: DeliveryState
    run: str | None


def list_triggers(call: ApiCall[TriggersQuery, None]) -> Page[TriggerStatus]:
    """List triggers: their sources, their states, and what arrived within a day."""
    query = call.query
    matching = [
        line
        for line in _list_lines(call, _read_known(call))
        if query.state in (None, line.state) and query.automation in (None, line.automation)
    ]
    return slice_rows(matching, lambda line: line.name, query)


def show_trigger(call: AnyApiCall) -> TriggerDetail:
    """Show a trigger with its held deliveries and the runs that it waits for."""
    site, name, cache = call.site, call.names["trigger"], _read_known(call)
    line = next((line for line in _list_lines(call, cache) if line.name == name), None)
    if line is None:
        call.missing("trigger", name)
    declared = cache.get(name)
    source: object = None if declared is None else declared.trigger.source
    zone, may_view = site.settings.project.timezone, call.visitor.may_view
    waiting = (
        list_joined_runs(site.reader, name, source, site.clock.now(), zone)
        if isinstance(source, JoinedRunsSource)
        else []
    )
    return TriggerDetail(
        trigger=line,
        gives="" if declared is None else describe_given(declared.trigger),
        held=held_groups(site.reader, name),
        gatherings=[hide_joined_runs(gathering, may_view) for gathering in waiting],
    )


def list_deliveries(call: ApiCall[DeliveriesQuery, None]) -> Page[DeliveryRow]:
    """List deliveries, newest first, with their outcomes. With a filter a page may have fewer; `next` continues after them."""
    query = call.query
    page = stored_deliveries(
        call.site.reader,
        triggers=_visible_triggers(call),
        state=query.state,
        since_at=to_ms(query.since) or 0,
        until_at=to_ms(query.until),
        verified=query.verified,
        limit=query.limit,
        cursor=query.cursor,
        at_most=_AT_MOST,
    )
    return Page(page.deliveries, None if page.cursor is None else str(page.cursor))


def _visible_triggers(call: ApiCall[DeliveriesQuery, None]) -> list[str] | None:
    """Return the triggers whose deliveries may be listed; None = all."""
    visitor, trigger = call.visitor, call.query.trigger
    if trigger is None and visitor.is_for_all:
        return None
    names = trigger_names(call.site.reader) if trigger is None else [trigger]
    return [name for name in names if visitor.may_view(split_trigger_name(name)[0])]


def show_delivery(call: AnyApiCall) -> DeliveryView:
    """Show a delivery: its body, its headers without credentials, and its outcome."""
    delivery, opening = _find_delivery(call), call.site.opening
    headers = opening.value(delivery.headers)
    return msgspec.structs.replace(
        delivery,
        body=opening.value(delivery.body),
        data=opening.value(delivery.data),
        headers=None if headers is None else msgspec.json.encode(read_headers(headers)),
    )


def replay_delivery(call: ApiCall[None, OperationRequest]) -> ReplayResponse:
    """Replay a delivery as a new one, for which filter and flow control decide again."""
    site, act = call.site, call.act()
    replayed = delivery_replay.replay_delivery(site.store, site.clock.now(), _find_delivery(call).id, act=act)
    return ReplayResponse(command=act.command, delivery=replayed.delivery, state=replayed.state, run=replayed.run)


def _read_known(call: AnyApiCall) -> TriggerCache:
    cache = TriggerCache(call.site.reader)
    cache.refresh()
    return cache


def _list_lines(call: AnyApiCall, cache: TriggerCache) -> list[TriggerStatus]:
    """Return the triggers that the visitor sees."""
    site = call.site
    lines = list_trigger_lines(
        site.reader, site.clock.now(), read_settings_in_use(site.settings, site.reader).hooks.seen_as, known=cache
    )
    waiting = undecided_since(site.reader, filtered=False)
    for name, at in undecided_since(site.reader, filtered=True).items():
        waiting[name] = min(at, waiting.get(name, at))
    answers = dict(site.hook_answers)
    statuses = []
    for line in lines:
        if not call.visitor.may_view(line.automation):
            continue
        declared = cache.get(line.name)
        fields = msgspec.structs.asdict(line)
        if declared is not None:
            fields["listens_to"] = describe_visible_source(declared.trigger.source, call.visitor.may_view)
        statuses.append(
            TriggerStatus(
                **fields,
                path=None if declared is None else declared.path,
                paused_until=None if declared is None else declared.paused_until,
                waiting_at=waiting.get(line.name),
                again=answers.get((line.name, REPEATED), 0),
            )
        )
    return statuses


def _find_delivery(call: AnyApiCall) -> DeliveryView:
    """Return the delivery that the path names. Raises NotFoundError."""
    id = call.id_of(IdKind.DELIVERY, call.names["delivery"])
    delivery = stored_delivery(call.site.reader, id)
    if not call.visitor.may_view(split_trigger_name(delivery.trigger)[0]):
        call.missing("delivery", id)
    return delivery


ROUTES = (
    get_route("triggers.listed", "/triggers", list_triggers, Page[TriggerStatus], query=TriggersQuery),
    get_route("triggers.shown", "/triggers/{trigger}", show_trigger, TriggerDetail),
    get_route("triggers.deliveries", "/deliveries", list_deliveries, Page[DeliveryRow], query=DeliveriesQuery),
    get_route("triggers.delivery", "/deliveries/{delivery}", show_delivery, DeliveryView),
    post_route("triggers.replay", "/deliveries/{delivery}/replay", replay_delivery, OperationRequest, ReplayResponse),
)
