"""The seam of all doors: an arrival goes in, and what became of it comes back once that is committed."""

import secrets
from typing import Any, Protocol

from mainspring.domain.clock import Clock
from mainspring.domain.ids import make_id
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import Store
from mainspring.store.commands.results import DeliveryStored, Refused
from mainspring.store.commands.triggers import RejectDelivery
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.triggers.delivery_command import PreparedDelivery, prepare_delivery, seal_headers
from mainspring.triggers.start_from_event import decode_body
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_MAX_REJECTED_BODY = 4_096


class DeliveryAcceptor(Protocol):
    """What a door is given."""

    async def take_in(self, trigger: str, arrival: IncomingDelivery) -> object:
        """Store what arrived; return what became of it after the commit, or Refused.

        Refused: other_body (same key, another body), bad_value (kept, but no run can be made of it), no_trigger, busy (try again later).

        Raises:
            MainspringError: whether it is stored is not known: take it in again, it counts once.
        """
        ...


class DeliveryReceiver(DeliveryAcceptor, Protocol):
    """What a door is given that decides itself what it cannot take in."""

    async def refuse(self, trigger: str, why: str, note: str, arrival: IncomingDelivery) -> None:
        """Keep what is not taken in, for people to see. Raises as take_in does."""
        ...


class DeliveryIntake:
    """A Door over a store; used in `loop`'s thread. `known` is kept up by its owner."""

    def __init__(self, store: Store, known: TriggerCache, clock: Clock, sealing: Sealing) -> None:
        self._store = store
        self._known = known
        self._clock = clock
        self._sealing = sealing

    async def take_in(self, trigger: str, arrival: IncomingDelivery) -> DeliveryStored | Refused:
        """Store what arrived; see DeliveryAcceptor."""
        known = self._known.get(trigger)
        if known is None:
            return Refused("no_trigger", f"nothing is triggered by {trigger!r}")
        prepared = self.prepare(known, arrival, decode_body(arrival.json))
        return prepared if isinstance(prepared, Refused) else await self.store(prepared)

    def prepare(
        self, known: CachedTrigger, arrival: IncomingDelivery, data: Any, verified: str | None = None
    ) -> PreparedDelivery | Refused:
        """Return what is to be stored of an arrival of now with this decoded data; any thread may.

        Arguments and errors are those of `prepare_delivery`.
        """
        now = self._clock.now()
        id = make_id("d", now, secrets.randbits(80))
        return prepare_delivery(known, arrival, data, id=id, now=now, sealing=self._sealing, verified=verified)

    async def store(self, prepared: PreparedDelivery) -> DeliveryStored | Refused:
        """Store what was made ready; see DeliveryAcceptor."""
        answer: DeliveryStored | Refused = await self.submit(prepared.command)
        if isinstance(answer, DeliveryStored) and prepared.command.refused is not None:
            return Refused("bad_value", prepared.command.refused)
        return answer

    async def refuse(self, trigger: str, why: str, note: str, arrival: IncomingDelivery) -> None:
        """Keep what was refused at the door, for people to see; cut to a few kilobytes."""
        now = self._clock.now()
        await self.submit(
            RejectDelivery(
                id=make_id("d", now, secrets.randbits(80)),
                trigger=trigger,
                why=why,
                note=note,
                body=self._sealing.seal(arrival.body[:_MAX_REJECTED_BODY]),
                headers=seal_headers(self._sealing, arrival.headers),
            )
        )

    async def submit(self, command: Any) -> Any:
        """Commit a command and return its answer; raises what the store raises."""
        return await commit_and_wait(self._store, command)
