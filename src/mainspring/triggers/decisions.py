"""Decisions of the router and the filters about a received delivery: the command that starts it, or does not."""

from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.states import DeliveryState
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.triggers import DecideDelivery
from mainspring.triggers.start_from_event import EventData, build_start
from mainspring.triggers.trigger_cache import CachedTrigger

MAX_NOTE = 300
SOURCE_MISSING = "the event of it is no longer stored"


def decide_start(
    known: CachedTrigger, event: EventData, delivery: str, now: int, sealing: Sealing, *, key: str = ""
) -> DecideDelivery:
    """Return the command that starts a run within the trigger's flow control; FAILED if the event cannot become a run.

    `key` = that of a delivery that passed its filter: the first one keeps it.

    Raises:
        SealedError: the codec failed, not the event: it waits for a codec that works.
    """
    trigger = known.trigger
    try:
        start = build_start(known, [event], delivery, now, sealing)
        by = trigger.by_of(event)
    except SealedError:
        raise
    except MainspringError as error:
        return DecideDelivery(trigger=known.name, delivery=delivery, state=DeliveryState.FAILED, note=error.message)
    except Exception as error:  # noqa: BLE001 - a defect of Mainspring: it must not block the others for ever
        return DecideDelivery(
            trigger=known.name, delivery=delivery, state=DeliveryState.FAILED, note=no_run_note(error)
        )
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
    """Return the note of a delivery that a defect of Mainspring keeps from becoming a run."""
    return escape(f"it could not start a run: {type(error).__name__}: {error}", MAX_NOTE)


def decide_unwritten(command: object, result: object) -> DecideDelivery | None:
    """Return the command that fails a delivery whose start the store cannot write, so that it is not retried for ever; otherwise None."""
    if (
        not isinstance(result, UnwritableCommandError)
        or not isinstance(command, DecideDelivery)
        or command.start is None
    ):
        return None
    return DecideDelivery(
        trigger=command.trigger,
        delivery=command.delivery,
        state=DeliveryState.FAILED,
        note=escape(result.message, MAX_NOTE),
    )
