"""The command that stores an incoming delivery with the run that it starts. Pure, so that any thread may build it."""

from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH, fits_key
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.domain.values.sealing import Sealing
from mainspring.store.commands.results import Refused
from mainspring.store.commands.triggers import AcceptDelivery
from mainspring.triggers.start_from_event import EventData, build_event, build_start
from mainspring.triggers.trigger_cache import CachedTrigger


class PreparedDelivery(msgspec.Struct, frozen=True):
    """An incoming delivery, ready to be stored.

    `command.refused` = why it cannot become a run; `at` = the place of the cause in its data (JSON path).
    """

    delivery: IncomingDelivery
    command: AcceptDelivery
    at: str | None = None


def prepare_delivery(
    known: CachedTrigger,
    delivery: IncomingDelivery,
    data: Any,
    *,
    id: str,
    now: int,
    sealing: Sealing,
    verified: str | None = None,
) -> PreparedDelivery | Refused:
    """Return the delivery to store, or Refused if its key can never be stored.

    `data` = its decoded JSON, `id` = that of the delivery, `now` in ms UTC, `verified` = readable result of its verifier.

    Raises:
        SealedError: the codec failed, not the delivery.
    """
    if not fits_key(delivery.key):
        size = f"{len(delivery.key)} characters, {len(delivery.key.encode('utf-8', 'replace'))} bytes"
        problem = f"its key has {size}; allowed are 1 to {MAX_KEY_LENGTH} characters, at most 2,000 bytes, in one line"
        return Refused("bad_value", problem)
    trigger = known.trigger
    command = AcceptDelivery(
        id=id,
        trigger=known.name,
        key=delivery.key,
        body_hash=delivery.body_hash,
        body=sealing.seal(delivery.body),
        data=sealing.seal_if(delivery.data),
        headers=seal_headers(sealing, delivery.headers),
        name=delivery.name,
        pace=trigger.pace,
        filtered=trigger.filtered,
        verified=verified,
        redelivered=delivery.redelivered,
        was_stored=delivery.was_stored,
        stays=delivery.stays,
        happened_at=delivery.happened_at,
    )
    if trigger.filtered:  # a delivery that the filter excludes need not fit
        return PreparedDelivery(delivery, command)
    event = build_event(known, id=id, key=delivery.key, name=delivery.name, data=data, at=now, headers=delivery.headers)
    return _decide_start(known, delivery, command, event, now, sealing)


def seal_headers(sealing: Sealing, headers: dict[str, str]) -> bytes | None:
    """Return sealed headers for the store; None if there are none."""
    return sealing.seal(msgspec.json.encode(headers)) if headers else None


def _decide_start(
    known: CachedTrigger,
    delivery: IncomingDelivery,
    command: AcceptDelivery,
    event: EventData,
    now: int,
    sealing: Sealing,
) -> PreparedDelivery:
    """Return the command with its flow control key and its run, or with the reason why it cannot become a run."""
    trigger = known.trigger
    try:
        # Also if it does not start at once: the sender learns at once if it can never become a run.
        start = build_start(known, [event], command.id, now, sealing, partition=delivery.partition)
        by = trigger.by_of(event)
    except SealedError:
        raise
    except MainspringError as error:
        at = error.at if isinstance(error, ArgumentMismatchError) else None
        return PreparedDelivery(delivery, msgspec.structs.replace(command, refused=error.message), at)
    is_held = trigger.pace.batch is not None or trigger.pace.debounce is not None
    return PreparedDelivery(delivery, msgspec.structs.replace(command, by=by, start=None if is_held else start))
