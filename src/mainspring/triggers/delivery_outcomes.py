"""Outcomes of stored deliveries, by their keys: for code that cleans up after a run."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.commands.triggers import ReleaseSourceKey
from mainspring.triggers.intake import DeliveryIntake


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
