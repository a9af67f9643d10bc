"""Joined runs: one start waits for runs of several automations, and is made when all have ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.ids import derive_id
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import StoreReader
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import DecideDelivery, JoinRun
from mainspring.triggers import decisions
from mainspring.triggers.delivery_rows import RunEndRow, WaitingDelivery, read_run_ends
from mainspring.triggers.start_from_event import build_event, build_start
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_BATCH_SIZE = 100


class JoinedRuns:
    """Builds the commands of one read. A run end counts for the following ones of its slot or key.

    `report(trigger, subject, reason)` is called for starts that cannot be made now.
    """

    def __init__(
        self, reader: StoreReader, now: int, sealing: Sealing, report: Callable[[str, str, str], None]
    ) -> None:
        self._reader = reader
        self._now = now
        self._sealing = sealing
        self._report = report
        self._ended_runs: dict[tuple[str, str], dict[str, str]] = {}
        """(trigger, slot or key) -> automation -> run that ended in an expected state."""

    def gathered(self, known: CachedTrigger, source: JoinedRunsSource, rows: Sequence[WaitingDelivery]) -> list[Any]:
        """Return the commands for ends of runs that a trigger waits for; with the start if all others have ended."""
        ends = read_run_ends(self._reader, rows)
        return [self._join_end(known, source, row, ends.get(row.source or "")) for row in rows]

    def complete(self, known: TriggerCache, busy: Mapping[str, int]) -> list[JoinRun]:
        """Return the starts of complete joins without a start: two routers each missed an end, or the queue was full."""
        commands: list[JoinRun] = []
        for name, per in self._reader.read("list_complete_gatherings", (_BATCH_SIZE + len(busy),)):
            cached = known.get(name)
            if (
                cached is None
                or not isinstance(cached.trigger.source, JoinedRunsSource)
                or name in busy
                or (name, per) in self._ended_runs
            ):
                continue
            if set(cached.trigger.source.automations) <= self._ended_runs_of(name, per).keys():
                command = self._command(cached, cached.trigger.source, per)
                if command.start is not None or command.note is not None:
                    commands.append(command)
        return commands

    def _join_end(
        self, known: CachedTrigger, source: JoinedRunsSource, row: WaitingDelivery, end: RunEndRow | None
    ) -> Any:
        if end is None:
            return DecideDelivery(
                trigger=row.trigger,
                delivery=row.id,
                state=DeliveryState.FAILED,
                note="the run that ended is no longer stored",
            )
        per = end.key if source.per == "key" else None if end.slot_at is None else str(end.slot_at)
        if per is None:
            return DecideDelivery(
                trigger=row.trigger,
                delivery=row.id,
                state=DeliveryState.DROPPED,
                note=f"run {end.run} has no {source.per}",
            )
        counts = end.state in source.states
        if counts:
            self._ended_runs_of(known.name, per)[end.automation] = end.run
        fields = {
            "delivery": row.id,
            "automation": end.automation,
            "run": end.run,
            "state": end.state,
            "counts": counts,
        }
        return self._command(known, source, per, **fields)

    def _ended_runs_of(self, name: str, per: str) -> dict[str, str]:
        ended = self._ended_runs.get((name, per))
        if ended is None:
            rows = self._reader.read("list_joined_runs", (name, per))
            ended = self._ended_runs[name, per] = {
                automation: run for automation, run, _, counts, _, _ in rows if counts
            }
        return ended

    def _command(self, known: CachedTrigger, source: JoinedRunsSource, per: str, **fields: Any) -> JoinRun:
        ended = self._ended_runs_of(known.name, per)
        start, note = None, None
        if set(source.automations) <= ended.keys():
            try:
                start = self._start(known, source, per, ended)
            except SealedError as error:  # it stays complete, and starts once the codec works
                self._report(known.name, f"the start of {per}", error.message)
            except MainspringError as error:
                note = error.message
            except Exception as error:  # noqa: BLE001 - a defect of Mainspring: it must not block the others for ever
                note = decisions.no_run_note(error)
        return JoinRun(
            trigger=known.name,
            per=per,
            expected=len(source.automations),
            deadline_at=self._now + source.within,
            start=start,
            note=note,
            **fields,
        )

    def _start(self, known: CachedTrigger, source: JoinedRunsSource, per: str, ended: Mapping[str, str]) -> StartRun:
        """Return the start of a slot or key; the stored join ensures that it is made once."""
        slot_at = int(per) if source.per == "slot" else None
        runs = {name: ended[name] for name in source.automations}
        data = {source.per: per if slot_at is None else slot_at, "runs": runs}
        identity = derive_id("d", self._now, known.name, per)
        event = build_event(known, id=identity, key=per, name="runs", data=data, at=self._now)
        key = per if source.per == "key" else None
        return build_start(known, [event], identity, self._now, self._sealing, slot_at=slot_at, key=key)
