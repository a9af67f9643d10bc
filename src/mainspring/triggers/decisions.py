"""What the router and the filters say of a delivery that was received: the command that moves it on."""

from typing import Any

from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.states import DeliveryState
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.triggers import DecideDelivery
from mainspring.triggers.start_from_event import EventData, build_start
from mainspring.triggers.trigger_cache import CachedTrigger

MAX_NOTE = 300
SOURCE_IS_GONE = "what it tells of is gone"


def decide_start(
    known: CachedTrigger, event: EventData, delivery: str, now: int, sealing: Sealing, *, key: str = ""
) -> DecideDelivery:
    """Return the command that lets the trigger's pace decide; FAILED where no run can be made of the event.

    `key` = that of a delivery that passed its filter: the first one holds it.

    Raises:
        SealedError: the codec failed, which says nothing of the event: it waits for a codec that works.
    """
    trigger = known.trigger
    try:
        start = build_start(known, [event], delivery, now, sealing)
        by = trigger.by_of(event)
    except SealedError:
        raise
    except MainspringError as error:
        return decide_no_start(known.name, delivery, DeliveryState.FAILED, error.message)
    except Exception as error:  # noqa: BLE001 - a fault of ours: it must not keep the others waiting for ever
        return decide_no_start(known.name, delivery, DeliveryState.FAILED, no_run_note(error))
    return DecideDelivery(
        trigger=known.name,
        delivery=delivery,
        state=DeliveryState.STARTED,
        key=key,
        by=by,
        pace=trigger.pace,
        start=start,
    )


def no_run_note(error: Exception) -> str:
    """Return the note of what no run could be made of, by a fault of ours."""
    return escape(f"no run could be made of it: {type(error).__name__}: {error}", MAX_NOTE)


def decide_unwritten(command: Any, result: Any) -> DecideDelivery | None:
    """Return the command that fails a delivery whose start the store cannot write, so that it does not come back for ever; else None."""
    if (
        not isinstance(result, UnwritableCommandError)
        or not isinstance(command, DecideDelivery)
        or command.start is None
    ):
        return None
    return decide_no_start(command.trigger, command.delivery, DeliveryState.FAILED, escape(result.message, MAX_NOTE))


def decide_no_start(trigger: str, delivery: str, state: DeliveryState, note: str) -> DecideDelivery:
    """Return the command that starts nothing for it."""
    return DecideDelivery(trigger=trigger, delivery=delivery, state=state, note=note)
