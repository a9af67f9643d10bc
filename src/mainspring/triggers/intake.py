"""The intake of all consumers and endpoints: it stores an incoming delivery and returns the outcome after the commit."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mainspring.domain.clock import Clock
from mainspring.domain.ids import make_id
from mainspring.domain.states import RunState
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.results import DeliveryStored, Refused
from mainspring.store.commands.triggers import RejectDelivery, ReleaseSourceKey
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.triggers.delivery_command import PreparedDelivery, prepare_delivery, seal_headers
from mainspring.triggers.start_from_event import decode_body
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_MAX_REJECTED_BODY = 4_096


class DeliveryAcceptor(Protocol):
    """The interface for consumers: stores deliveries."""

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> object:
        """Store a delivery; return the outcome after the commit, or Refused.

        Refused: other_body (same key, another body), bad_value (stored, but it cannot become a run), no_trigger, busy (try again later).

        Raises:
            MainspringError: it is unknown whether it is stored: repeat the call, it counts once.
        """
        ...


class DeliveryReceiver(DeliveryAcceptor, Protocol):
    """The interface for consumers that reject deliveries themselves."""

    async def refuse(self, trigger: str, reason: str, note: str, delivery: IncomingDelivery) -> None:
        """Store a rejected delivery, for people to see. Raises as `accept` does."""
        ...


class DeliveryIntake:
    """A DeliveryReceiver over a store; used in the loop's thread. Its owner refreshes `known`."""

    def __init__(self, store: Store, known: TriggerCache, clock: Clock, sealing: Sealing) -> None:
        self._store = store
        self._known = known
        self._clock = clock
        self._sealing = sealing

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> DeliveryStored | Refused:
        """Store a delivery; see DeliveryAcceptor."""
        known = self._known.get(trigger)
        if known is None:
            return Refused("no_trigger", f"nothing is triggered by {trigger!r}")
        prepared = self.prepare(known, delivery, decode_body(delivery.json))
        return prepared if isinstance(prepared, Refused) else await self.store(prepared)

    def prepare(
        self, known: CachedTrigger, delivery: IncomingDelivery, data: Any, verified: str | None = None
    ) -> PreparedDelivery | Refused:
        """Return the delivery to store, received now, with this decoded data; any thread may call it.

        Arguments and errors are those of `prepare_delivery`.
        """
        now = self._clock.now()
        id = make_id("d", now, secrets.randbits(80))
        return prepare_delivery(known, delivery, data, id=id, now=now, sealing=self._sealing, verified=verified)

    async def store(self, prepared: PreparedDelivery) -> DeliveryStored | Refused:
        """Store a prepared delivery; see DeliveryAcceptor."""
        answer = await self.submit(prepared.command)
        if isinstance(answer, DeliveryStored) and prepared.command.refused is not None:
            return Refused("bad_value", prepared.command.refused)
        return answer

    async def refuse(self, trigger: str, reason: str, note: str, delivery: IncomingDelivery) -> None:
        """Store a rejected delivery, for people to see; cut to a few kilobytes."""
        now = self._clock.now()
        await self.submit(
            RejectDelivery(
                id=make_id("d", now, secrets.randbits(80)),
                trigger=trigger,
                why=reason,
                note=note,
                body=self._sealing.seal(delivery.body[:_MAX_REJECTED_BODY]),
                headers=seal_headers(self._sealing, delivery.headers),
            )
        )

    async def submit(self, command: StoreCommand[Answer]) -> Answer:
        """Commit a command and return its answer; raises what the store raises."""
        return await commit_and_wait(self._store, command)


class DeliveryOutcomes:
    """Reads outside the loop; releases keys by commits."""

    def __init__(self, reader: StoreReader, intake: DeliveryIntake) -> None:
        self._reader = reader
        self._intake = intake

    async def ended(self, trigger: str, keys: Sequence[str]) -> Mapping[str, RunState]:
        """Return the states of those runs that ended, by the keys of the deliveries that started them. Raises StoreError."""
        rows = await asyncio.to_thread(self._reader.read, "list_ended_runs_for_keys", (trigger, json.dumps(list(keys))))
        return {str(key): RunState(state) for key, state in rows}

    async def forget(self, trigger: str, key: str) -> None:
        """Release a key, so that it counts again; a missing key is no error. Raises StoreError."""
        await self._intake.submit(ReleaseSourceKey(trigger, key))
