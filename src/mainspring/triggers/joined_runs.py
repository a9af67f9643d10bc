"""Runs of several automations that one start waits for: which are there, which are missing, and the start when all are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.ids import derive_id
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import StoreReader
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import JoinRun
from mainspring.triggers import decisions
from mainspring.triggers.delivery_rows import DeliveryRow, RunEndRow, read_run_ends
from mainspring.triggers.start_from_event import build_event, build_start
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_BATCH_SIZE = 100


class JoinedRuns:
    """Makes the commands of one look. What one of its ends adds to a slot or key counts for those that follow.

    `tell(trigger, what, why)` is told what cannot be started at present.
    """

    def __init__(self, reader: StoreReader, now: int, sealing: Sealing, tell: Callable[[str, str, str], None]) -> None:
        self._reader = reader
        self._now = now
        self._sealing = sealing
        self._tell = tell
        self._here: dict[tuple[str, str], dict[str, str]] = {}
        """(trigger, slot or key) -> automation -> run that ended as is wanted."""

    def gathered(self, known: CachedTrigger, source: JoinedRunsSource, rows: Sequence[DeliveryRow]) -> list[Any]:
        """Return the commands for ends of some of the runs that a trigger waits for; with the start where all others are there."""
        ends = read_run_ends(self._reader, rows)
        return [self._one(known, source, row, ends.get(row.source or "")) for row in rows]

    def complete(self, known: TriggerCache, busy: Mapping[str, int]) -> list[JoinRun]:
        """Return the starts of what is complete: each of two routers saw one end too few, or the queue was full."""
        commands: list[JoinRun] = []
        for name, per in self._reader.read("list_complete_gatherings", (_BATCH_SIZE + len(busy),)):
            one = known.get(name)
            if (
                one is None
                or not isinstance(one.trigger.source, JoinedRunsSource)
                or name in busy
                or (name, per) in self._here
            ):
                continue
            if set(one.trigger.source.automations) <= self._those_here(name, per).keys():
                command = self._command(one, one.trigger.source, per)
                if command.start is not None or command.note is not None:
                    commands.append(command)
        return commands

    def _one(self, known: CachedTrigger, source: JoinedRunsSource, row: DeliveryRow, end: RunEndRow | None) -> Any:
        if end is None:
            return decisions.decide_no_start(row.trigger, row.id, DeliveryState.FAILED, "the run that ended is gone")
        per = end.key if source.per == "key" else None if end.slot_at is None else str(end.slot_at)
        if per is None:
            return decisions.decide_no_start(
                row.trigger, row.id, DeliveryState.DROPPED, f"run {end.run} has no {source.per}"
            )
        counts = end.state in source.states
        if counts:
            self._those_here(known.name, per)[end.automation] = end.run
        told = {"delivery": row.id, "automation": end.automation, "run": end.run, "state": end.state, "counts": counts}
        return self._command(known, source, per, **told)

    def _those_here(self, name: str, per: str) -> dict[str, str]:
        here = self._here.get((name, per))
        if here is None:
            rows = self._reader.read("list_joined_runs", (name, per))
            here = self._here[name, per] = {automation: run for automation, run, _, counts, _, _ in rows if counts}
        return here

    def _command(self, known: CachedTrigger, source: JoinedRunsSource, per: str, **told: Any) -> JoinRun:
        here = self._those_here(known.name, per)
        start, note = None, None
        if set(source.automations) <= here.keys():
            try:
                start = self._start(known, source, per, here)
            except SealedError as error:  # it stays complete, and is started once the codec works
                self._tell(known.name, f"the start of {per}", error.message)
            except MainspringError as error:
                note = error.message
            except Exception as error:  # noqa: BLE001 - a fault of ours: it must not keep the others waiting for ever
                note = decisions.no_run_note(error)
        return JoinRun(
            trigger=known.name,
            per=per,
            wanted=len(source.automations),
            deadline_at=self._now + source.within,
            start=start,
            note=note,
            **told,
        )

    def _start(self, known: CachedTrigger, source: JoinedRunsSource, per: str, here: Mapping[str, str]) -> StartRun:
        """Return the start of a slot or key; it is made once, for the gathering says whether it was."""
        slot_at = int(per) if source.per == "slot" else None
        runs = {name: here[name] for name in source.automations}
        data = {source.per: per if slot_at is None else slot_at, "runs": runs}
        identity = derive_id("d", self._now, known.name, per)
        event = build_event(known, id=identity, key=per, name="runs", data=data, at=self._now)
        key = per if source.per == "key" else None
        return build_start(known, [event], identity, self._now, self._sealing, slot_at=slot_at, key=key)
