"""Each trigger as people see it: what it listens to, whether it does, and what arrived. Facts are read once for all of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.states import SessionState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.insight.automations.source_description import describe_source
from mainspring.insight.triggers.curl import build_curl_command
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers as reads
from mainspring.store.read.status import status
from mainspring.store.session_views import SessionView
from mainspring.store.trigger_views import ConsumerView, DeliveryCounts
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

DAY_MS = 86_400_000
_FETCHED = ("queue", "files")
_MOST_SESSIONS = 1_000


class TriggerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger. `since_at` and `why` belong to the state; one that listens has a `why` if something is in its way all the same.

    `arrived` = deliveries of 24 hours by state; `capped` = of the newest only.
    """

    name: str
    automation: str
    kind: str
    state: TriggerState
    listens_to: str
    pace: list[str] = []
    filtered: bool = False
    since_at: int | None = None
    why: str | None = None
    arrived: dict[str, int] = {}
    at_the_door: int = 0
    capped: bool = False
    last_at: int | None = None
    curl: str | None = None


def list_trigger_lines(
    reader: StoreReader,
    now: int,
    base: str,
    *,
    known: TriggerCache | None = None,
    with_last: bool = True,
    sessions: Sequence[SessionView] | None = None,
) -> list[TriggerLine]:
    """Return all triggers that are declared, by name; `with_last` = also when the last delivery came, if that was before today.

    `base` = where webhooks are taken in, without a slash at its end. `known` is where they are read into, for who needs more of them;
    `sessions` = the live ones, where they are read.
    """
    known = TriggerCache(reader) if known is None else known
    known.look()
    arrived = reads.count_deliveries_since(reader, now - DAY_MS)
    desks: dict[str, list[ConsumerView]] = {}
    for desk in reads.consumers(reader):
        desks.setdefault(desk.trigger, []).append(desk)
    live = status.sessions(reader, limit=_MOST_SESSIONS) if sessions is None else sessions
    roles = {one.role for one in live if one.state == SessionState.ALIVE}
    lines = []
    for one in known:
        of_day = arrived.by_trigger.get(one.name, DeliveryCounts())
        state = _evaluate_state(one, known.unreadable.get(one.name), desks.get(one.name, []), roles, now)
        lines.append(
            TriggerLine(
                name=one.name,
                automation=one.definition.name,
                kind=one.trigger.kind,
                listens_to=describe_source(one.trigger.source),
                pace=one.trigger.pace.words(),
                filtered=one.trigger.filtered,
                arrived=of_day.states,
                at_the_door=of_day.at_the_door,
                capped=arrived.more,
                last_at=of_day.last_at or (reads.last_delivery_at(reader, one.name) if with_last else None),
                curl=_build_curl(one, base),
                **state,
            )
        )
    lines += [_unreadable_line(name, why) for name, why in known.unreadable.items() if known.get(name) is None]
    return sorted(lines, key=lambda line: line.name)


def received_text(line: TriggerLine) -> str:
    """Return the verdicts of a day: "started 12, filtered 3"."""
    shown = ", ".join(f"{state} {number}" for state, number in sorted(line.arrived.items(), key=lambda one: -one[1]))
    return f"{shown} of the newest {reads.CAP:,}" if shown and line.capped else shown or "-"


def pace_text(line: TriggerLine) -> str:
    """Return the pace in words."""
    return ", ".join(line.pace) or ("once for all of them" if line.kind == "runs" else "each at once")


def _evaluate_state(
    one: CachedTrigger, unreadable: str | None, desks: list[ConsumerView], roles: set[str], now: int
) -> dict[str, Any]:
    if unreadable is not None:
        return {"state": TriggerState.PROBLEM, "why": f"a newer version of mainspring wrote it: {unreadable}"}
    if one.problem is not None:
        return {"state": TriggerState.PROBLEM, "why": one.problem}
    if is_paused(one, now):
        return {"state": TriggerState.PAUSED, "since_at": one.paused_at, "why": f"{one.definition.name} is paused"}
    if one.trigger.kind == "webhook" and "web" not in roles:
        return {"state": TriggerState.AWAY, "why": "no web process runs: mainspring up"}
    if one.trigger.kind not in _FETCHED:
        return {"state": TriggerState.LISTENING}
    if not desks:
        return {"state": TriggerState.AWAY, "why": "no process has begun to fetch from it: mainspring up"}
    live = [desk for desk in desks if desk.away_since is None]
    if live:
        since_at = min((desk.connected_at for desk in live if desk.connected_at is not None), default=None)
        why = "; ".join(dict.fromkeys(desk.why for desk in live if desk.why)) or None
        return {"state": TriggerState.LISTENING, "since_at": since_at, "why": why}
    longest = min(desks, key=lambda desk: desk.away_since or now)
    return {"state": TriggerState.AWAY, "since_at": longest.away_since, "why": longest.why or "it cannot be reached"}


def _build_curl(one: CachedTrigger, base: str) -> str | None:
    source: object = one.trigger.source
    return build_curl_command(source, base) if isinstance(source, Webhook) else None


def _unreadable_line(name: str, why: str) -> TriggerLine:
    automation, end = split_trigger_name(name)
    said = f"a newer version of mainspring wrote it: {why}"
    return TriggerLine(
        name=name,
        automation=automation,
        kind=end.partition("#")[0],
        state=TriggerState.PROBLEM,
        listens_to="?",
        why=said,
    )
