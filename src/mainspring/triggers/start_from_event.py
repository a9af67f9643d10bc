"""The start of a run from events: builds its command. Pure: no store, no clock."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import derive_id
from mainspring.domain.text.printable_key import make_printable_key
from mainspring.domain.values.canonical_json import encode_canonical
from mainspring.domain.values.codec import make_size_error
from mainspring.domain.values.plain_json import format_iso
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.commands.runs import SlotLink, StartRun
from mainspring.triggers.trigger_cache import CachedTrigger

EventData = dict[str, Any]
"""An Event as JSON data."""


def build_event(
    known: CachedTrigger,
    *,
    id: str,
    key: str,
    name: str,
    data: Any,
    at: int,
    headers: Mapping[str, str] = {},
) -> EventData:
    """Return the event of a delivery for runs, filters and templates of a trigger; `at` in ms UTC."""
    when = datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")
    return {
        "name": name or known.trigger.kind,
        "data": data,
        "at": when,
        "id": id,
        "key": key,
        "headers": dict(headers),
        "trigger": known.name,
    }


def decode_body(body: bytes) -> Any:
    """Return the decoded JSON of a body, otherwise its text, otherwise base64."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def build_start(
    known: CachedTrigger,
    events: Sequence[EventData],
    delivery: str,
    now: int,
    sealing: Sealing,
    *,
    partition: str | None = None,
    slot_at: int | None = None,
    key: str | None = None,
) -> StartRun:
    """Return the start of one run for these events, oldest first. `delivery` = the first one's id, from which the run's id follows.

    A run that follows another one has the same slot, which identifies the whole chain; a run that follows several runs of one
    key has that `key`, unless its definition sets another.

    Raises:
        ArgumentError, OptionError, ValueRefusedError: the events do not fit the automation.
    """
    if slot_at is None and known.trigger.kind == "run":
        slot_at = events[-1]["data"]["slot_at"]
    arguments = known.trigger.reading.arguments(list(events))
    known.trigger.reading.check(arguments, known.definition.parameters)
    data = encode_canonical(arguments, f"the event of {known.name}", None)
    if len(data) > sealing.limit:
        raise make_size_error(data, f"the event of {known.name}", sealing.limit)
    start = build_start_command(
        known.definition,
        data,
        run=derive_id("r", now, delivery),
        now_at=now,
        trigger=f"trigger {known.name}",
        slot=None if slot_at is None else SlotLink(None, slot_at),
        options=StartOptions(
            key=key if known.definition.option("key") is None else None,
            item=_find_item(known, events, slot_at),
            headers=_find_headers(known, events),
        ),
        sealing=sealing,
    )
    if start.partition is None:
        own = known.trigger.partition_of(events[-1], delivery)
        chosen = partition if own is None else own
        if chosen is not None:
            start = msgspec.structs.replace(start, partition=make_printable_key(f"{known.name}:{chosen}"))
    return start


def _find_headers(known: CachedTrigger, events: Sequence[EventData]) -> dict[str, str] | None:
    """Return the headers of a run that these events start: those that all of them carry. None = no headers.

    Events and ends of runs carry headers, and messages in a header of their own. Those of a webhook come from a stranger: the run gets
    them in its event alone.
    """
    if known.trigger.kind not in ("event", "run", "queue") or not any(event["headers"] for event in events):
        return None
    from mainspring.domain.runs.run_headers import (  # noqa: PLC0415 - few events have headers
        find_common_headers,
        read_message_headers,
    )

    read = read_message_headers if known.trigger.kind == "queue" else dict[str, str]
    return find_common_headers(read(event["headers"]) for event in events) or None


def _find_item(known: CachedTrigger, events: Sequence[EventData], slot_at: int | None) -> str | None:
    """Return the item of these events: the path of a file, the key of a webhook or message, the slot of the preceding runs.

    None = no recurring item.

    A batch of several items has none. If an automation has several triggers, their keys are kept apart.
    """
    if known.trigger.kind == "files":
        items = {str(event["data"].get("raw") or event["data"]["path"]) for event in events}
    elif known.trigger.kind in ("webhook", "queue"):
        items = {str(event["key"]) for event in events}
    elif slot_at is not None:
        items = {format_iso(slot_at)}
    else:
        return None
    if known.trigger.kind != "files" and len(known.definition.triggers) > 1:
        items = {f"{known.name}:{key}" for key in items}
    return items.pop() if len(items) == 1 else None
