"""Acts on many runs or deliveries that go on by themselves: asked for by a filter, looked at, paused, resumed, stopped."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb, check_bulk_rate
from mainspring.domain.states import BulkMove, DeliveryState, RunState
from mainspring.domain.time.rate import parse_rate
from mainspring.domain.values.plain_json import format_iso
from mainspring.service import bulk_act
from mainspring.service.chosen import Chosen, choose
from mainspring.service.replaying import DeliveryFilter
from mainspring.service.replaying import choose as choose_deliveries
from mainspring.store.reads import bulk as stored
from mainspring.store.reads.bulk import BulkPart, BulkView
from mainspring.store.reads.short_ids import IdKind
from mainspring.web.api.bodies import Because, Done, Numbered, Slice, Word
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Instant, Page

_WITHIN_S = 60.0
_NO_FILTER = {"verb", "reason", "rate", "dry_run"}
_LOOKS = 20
"""So many parts of the whole list are looked through for those that a visitor sees; `next` goes on from there."""


class BulkOperationRequest(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done to which runs: the newest `limit` in one of these states (left out: all that the verb fits), of this automation, in
    this queue, that failed by this error (its fingerprint, or a beginning of it); at a `rate` ("60/m"), or as it goes.

    Spans: created from `since` to before `until`; ended, or standing still for a person, from `ended_since` to before `ended_until`.
    """

    verb: Literal["retry", "cancel", "discard"]
    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    since: Instant | None = None
    until: Instant | None = None
    ended_since: Instant | None = None
    ended_until: Instant | None = None
    error: Word | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_BULK_PARTS)] | None = None
    rate: Word | None = None
    dry_run: bool = False


class AskedReplay(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries arrive once more: the newest `limit` for this trigger, in this state, received from `since` to before `until`, of
    which their verifier said `verified`; at a `rate` ("60/m"), or as it goes.
    """

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Instant | None = None
    until: Instant | None = None
    verified: Word | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_BULK_PARTS)] | None = None
    rate: Word | None = None
    dry_run: bool = False


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """`count` fit; `bulk` = the act that goes on now, None after a dry run. `more` = more fit than one act takes.

    `left_out` = deliveries that fit and are not replayed: turned away, not decided on, or come once more already.
    """

    bulk: str | None
    count: int
    more: bool
    automations: tuple[str, ...]
    left_out: int = 0


class PartsQuery(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of its parts: all, or those that were refused."""

    refused: bool = False


def begin(call: Call[None, BulkOperationRequest]) -> Begun:
    """Act on all runs that a filter means, piece by piece and at a rate; a dry run counts them."""
    body = call.body

    def chosen() -> Chosen:
        wanted = bulk_act.runs_for(
            BulkVerb(body.verb),
            body.state,
            body.limit,
            name=body.name,
            queue=body.queue,
            since_at=ms(body.since),
            until_at=ms(body.until),
            ended_since_at=ms(body.ended_since),
            ended_until_at=ms(body.ended_until),
            error=body.error,
        )
        return choose(call.site.reads, wanted, call.visitor.may_see)

    return _begun(call, BulkVerb(body.verb), chosen)


def replay(call: Call[None, AskedReplay]) -> Begun:
    """Let all deliveries that a filter means arrive once more, piece by piece and at a rate; a dry run counts them."""
    body = call.body

    def chosen() -> Chosen:
        wanted = DeliveryFilter(
            trigger=body.trigger,
            state=body.state,
            since_at=ms(body.since) or 0,
            until_at=ms(body.until),
            verified=body.verified,
            limit=body.limit or MAX_BULK_PARTS + 1,
        )
        return choose_deliveries(call.site.reader, wanted, call.visitor.may_see)

    return _begun(call, BulkVerb.REPLAY, chosen)


def _begun(call: Call[None, Any], verb: BulkVerb, choosing: Callable[[], Chosen]) -> Begun:
    """Put the act on record, unless it is there already, or only count."""
    body, act = call.body, call.act()
    rate = None if body.rate is None else parse_rate(body.rate)
    if not body.dry_run and bulk_act.was_begun(call.site.reads, verb, act=act):
        known = _known(call, act.command)
        return Begun(bulk=known.id, count=known.total, more=False, automations=known.automations)
    chosen = choosing()
    check_bulk_rate(rate, len(chosen.ids))
    counted = Begun(
        bulk=None,
        count=len(chosen.ids),
        more=len(chosen.ids) > MAX_BULK_PARTS,
        automations=chosen.automations,
        left_out=chosen.left_out,
    )
    if body.dry_run:
        return counted
    bulk = bulk_act.begin(call.site.store, verb, chosen, _which(body), act=act, rate=rate)
    return msgspec.structs.replace(counted, bulk=bulk)


def _which(body: BulkOperationRequest | AskedReplay) -> dict[str, Any]:
    """Return by what they were chosen, as it is kept for people."""
    told = {name: getattr(body, name) for name in body.__struct_fields__ if name not in _NO_FILTER}
    return {
        name: format_iso(ms(value) or 0) if isinstance(value, datetime) else value
        for name, value in told.items()
        if value
    }


def listed(call: Call[Numbered, None]) -> Page[BulkView]:
    """List bulk acts, newest first."""
    query, cursor = call.query, call.query.cursor
    found: list[BulkView] = []
    for _ in range(_LOOKS):
        page = stored.bulk_acts(call.site.reader, limit=query.limit, cursor=cursor)
        found += [one for one in page if _sees(call, one)]
        cursor = page[-1].seq if len(page) == query.limit else None
        if cursor is None or len(found) >= query.limit:
            break
    if len(found) > query.limit:
        cursor = found[query.limit - 1].seq
    return Page(found[: query.limit], None if cursor is None else str(cursor))


def shown(call: AnyCall) -> BulkView:
    """Show a bulk act: how far it is."""
    return _known(call, call.names["bulk"])


def _known(call: AnyCall, id: str) -> BulkView:
    found = stored.bulk_act(call.site.reader, call.id_of(IdKind.BULK, id))
    if found is None or not _sees(call, found):
        call.missing("bulk act", id)
    return found


def parts(call: Call[PartsQuery, None]) -> Page[BulkPart]:
    """List the parts of a bulk act, runs or deliveries, oldest first, with why they were refused."""
    view, query = shown(call), call.query
    found = stored.bulk_parts(call.site.reader, view, refused=query.refused, limit=query.limit + 1, cursor=query.cursor)
    page = found[: query.limit]
    return Page(page, page[-1].id if len(found) > query.limit else None)


def pause(call: Call[None, Because]) -> Done:
    """Do nothing more of a bulk act until it is resumed."""
    return _move(call, BulkMove.PAUSE)


def resume(call: Call[None, Because]) -> Done:
    """Go on with a paused bulk act."""
    return _move(call, BulkMove.RESUME)


def stop(call: Call[None, Because]) -> Done:
    """End a bulk act: what was done is done, the rest is left as it is."""
    return _move(call, BulkMove.STOP)


def _move(call: Call[None, Because], verb: BulkMove) -> Done:
    view, act = shown(call), call.act()
    bulk_act.move(call.site.store, view.id, verb, act=act)
    return Done(act.command)


def _sees(call: AnyCall, bulk: BulkView) -> bool:
    """Whether the visitor may see it: whose automations it sees all; its numbers and reason tell of all of them."""
    return call.visitor.is_for_all or (
        bool(bulk.automations) and all(call.visitor.may_see(name) for name in bulk.automations)
    )


ROUTES = (
    acts("bulk_acts.begin", "/bulk", begin, BulkOperationRequest, Begun, within_s=_WITHIN_S),
    acts("bulk_acts.replay", "/deliveries/replay", replay, AskedReplay, Begun, within_s=_WITHIN_S),
    reads("bulk_acts.listed", "/bulk", listed, Page[BulkView], query=Numbered),
    reads("bulk_acts.shown", "/bulk/{bulk}", shown, BulkView),
    reads("bulk_acts.parts", "/bulk/{bulk}/parts", parts, Page[BulkPart], query=PartsQuery),
    acts("bulk_acts.pause", "/bulk/{bulk}/pause", pause, Because, Done),
    acts("bulk_acts.resume", "/bulk/{bulk}/resume", resume, Because, Done),
    acts("bulk_acts.stop", "/bulk/{bulk}/stop", stop, Because, Done),
)
