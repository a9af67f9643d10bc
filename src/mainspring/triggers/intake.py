"""The seam of all doors: an arrival goes in, and what became of it comes back once that is committed."""

import asyncio
import secrets
from typing import Any, Protocol

import msgspec

from mainspring.domain.arrival import Arrival
from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.domain.ids import new_id
from mainspring.domain.key import LONGEST_KEY, fits_key
from mainspring.domain.sealing import SealedError, Sealing
from mainspring.store.base import Store
from mainspring.store.commands.results import Refused, TakenIn
from mainspring.store.commands.triggers import RefuseArrival, TakeIn
from mainspring.triggers.known import KnownTrigger, KnownTriggers
from mainspring.triggers.making import Event, data_of, event_of, start_of

_KEPT_OF_REFUSED = 4_096


class TakesIn(Protocol):
    """What a door is given."""

    async def take_in(self, trigger: str, arrival: Arrival) -> TakenIn | Refused:
        """Store what arrived; return after the commit.

        Refused: other_body (same key, another body), bad_value (kept, but no run can be made of it), no_trigger, busy (try again later).

        Raises:
            MainspringError: whether it is stored is not known: take it in again, it counts once.
        """
        ...


class Door(Protocol):
    """What a door is given that decides itself what it cannot take in."""

    async def take_in(self, trigger: str, arrival: Arrival) -> object:
        """Return what became of it, or Refused; see TakesIn."""
        ...

    async def refuse(self, trigger: str, why: str, note: str, arrival: Arrival) -> None:
        """Keep what is not taken in, for people to see. Raises as take_in does."""
        ...


class Intake:
    """A Door over a store; used in `loop`'s thread. `known` is kept up by its owner."""

    def __init__(self, store: Store, known: KnownTriggers, clock: Clock, sealing: Sealing) -> None:
        self._store = store
        self._known = known
        self._clock = clock
        self._sealing = sealing

    async def take_in(self, trigger: str, arrival: Arrival, *, verified: str | None = None) -> TakenIn | Refused:
        """Store what arrived; see TakesIn. `verified` = what its verifier said, for people."""
        known = self._known.get(trigger)
        if known is None:
            return Refused("no_trigger", f"nothing is triggered by {trigger!r}")
        if not fits_key(arrival.key):
            said = f"its key has {len(arrival.key)} characters; 1 to {LONGEST_KEY} can be kept, in one line"
            return Refused("bad_value", said)
        command = self._command(known, arrival, verified)
        answer: TakenIn | Refused = await self.submit(command)
        if isinstance(answer, TakenIn) and command.refused is not None:
            return Refused("bad_value", command.refused)
        return answer

    async def refuse(self, trigger: str, why: str, note: str, arrival: Arrival) -> None:
        """Keep what was refused at the door, for people to see; cut to a few kilobytes."""
        now = self._clock.now()
        await self.submit(
            RefuseArrival(
                id=new_id("d", now, secrets.randbits(80)),
                trigger=trigger,
                why=why,
                note=note,
                body=self._sealing.seal(arrival.body[:_KEPT_OF_REFUSED]),
                headers=self._sealed(arrival.headers),
            )
        )

    async def submit(self, command: Any) -> Any:
        """Commit a command and return its answer; raises what the store raises."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(result: Any) -> None:
            if done.done():
                return
            if isinstance(result, BaseException):
                done.set_exception(result)
            else:
                done.set_result(result)

        self._store.submit(command, answered)
        return await done

    def _command(self, known: KnownTrigger, arrival: Arrival, verified: str | None) -> TakeIn:
        now = self._clock.now()
        delivery = new_id("d", now, secrets.randbits(80))
        trigger, seal = known.trigger, self._sealing.seal
        command = TakeIn(
            id=delivery,
            trigger=known.name,
            key=arrival.key,
            body_hash=arrival.body_hash,
            body=seal(arrival.body),
            data=self._sealing.seal_if(arrival.data),
            headers=self._sealed(arrival.headers),
            name=arrival.name,
            pace=trigger.pace,
            filtered=trigger.filtered,
            verified=verified,
            redelivered=arrival.redelivered,
        )
        event = event_of(
            known,
            id=delivery,
            key=arrival.key,
            name=arrival.name,
            data=data_of(arrival.json),
            at=now,
            headers=arrival.headers,
        )
        return self._decided(known, command, event, arrival.partition, now)

    def _decided(self, known: KnownTrigger, command: TakeIn, event: Event, partition: str | None, now: int) -> TakeIn:
        """Return the command with its key of the pace and its run; one that no run can be made of says so."""
        trigger = known.trigger
        if trigger.filtered:  # what the filter leaves out need not fit
            return command
        try:
            # Also where it is not started at once: what can never be a run is told to whoever sent it.
            start = start_of(known, [event], command.id, now, self._sealing, partition=partition)
            by = trigger.by_of(event)
        except SealedError:  # the codec failed, which says nothing of what arrived
            raise
        except MainspringError as error:
            return msgspec.structs.replace(command, refused=error.message)
        waits = trigger.pace.batch is not None or trigger.pace.debounce is not None
        return msgspec.structs.replace(command, by=by, start=None if waits else start)

    def _sealed(self, headers: dict[str, str]) -> bytes | None:
        return self._sealing.seal(msgspec.json.encode(headers)) if headers else None
