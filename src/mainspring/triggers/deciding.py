"""What the router and the filters say of a delivery that was received: the command that moves it on."""

from mainspring.domain.errors import MainspringError
from mainspring.domain.sealing import Sealing
from mainspring.domain.states import DeliveryState
from mainspring.store.commands.triggers import Decide
from mainspring.triggers.known import KnownTrigger
from mainspring.triggers.making import Event, start_of

GONE = "what it tells of is gone"


def started(known: KnownTrigger, event: Event, delivery: str, now: int, sealing: Sealing) -> Decide:
    """Return the command that lets the trigger's pace decide; FAILED where no run can be made of the event."""
    trigger = known.trigger
    try:
        start = start_of(known, [event], delivery, now, sealing)
        by = trigger.by_of(event)
    except MainspringError as error:
        return left(known.name, delivery, DeliveryState.FAILED, error.message)
    return Decide(
        trigger=known.name, delivery=delivery, state=DeliveryState.STARTED, by=by, pace=trigger.pace, start=start
    )


def left(trigger: str, delivery: str, state: DeliveryState, note: str) -> Decide:
    """Return the command that starts nothing for it."""
    return Decide(trigger=trigger, delivery=delivery, state=state, note=note)
