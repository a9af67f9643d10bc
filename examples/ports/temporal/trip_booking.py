"""Temporal's "saga": book a car, a hotel and a flight. If one booking fails, compensate those before it, newest first.

Try it:

    mainspring run trip-booking -m examples/ports/temporal/trip_booking.py trip=T1 flight=full
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def book(kind: str, trip: str) -> str:
    """Book one part of the trip."""
    post(f"book {kind} of {trip}")
    return f"{kind}-{trip}"


def book_flight(trip: str, flight: str) -> str:
    """Book the flight, if it has a seat."""
    if flight == "full":
        raise ms.Permanent("the flight is full")
    post(f"book flight of {trip}")
    return f"flight-{trip}"


def cancel(kind: str, trip: str, result: str | None = None) -> None:
    """The compensation of `book`."""
    post(f"cancel {kind} of {trip}")


@ms.workflow(name="trip-booking", key="trip:{trip}")
async def trip_booking(run: ms.Run, trip: str, flight: str = "free") -> list[str]:
    """Book all parts. Each step registers its undo when it starts, so an unknown outcome is compensated too."""
    try:
        car = await run.options(key="car", undo=cancel).step(book, "car", trip)
        hotel = await run.options(key="hotel", undo=cancel).step(book, "hotel", trip)
        return [car, hotel, await run.step(book_flight, trip, flight)]
    except ms.StepFailed as failed:
        await run.rollback(failed.reason)
