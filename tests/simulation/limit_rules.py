"""What must hold of limited runs at each commit: slots, lines, the order between keys, limits of starts, and versions of changes.

It compares what a commit left with what the one before had left, and knows nothing of how the store keeps the rules.
"""

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import AnnounceDefinitions
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.results import CommandDone, Refused, StartAnswer
from mainspring.store.commands.runs import ClaimedRuns, StartRun
from tests.simulation.limited_workload import CONCURRENCY, DEBOUNCE_WITHIN_MS, DEBOUNCED, RATES, THROTTLES

_LIMITED = (*CONCURRENCY, *RATES, *THROTTLES, DEBOUNCED)


class RunRow(NamedTuple):
    """A limited run, as a commit left it."""

    id: str
    automation: str
    key: str | None
    state: str
    ready: int
    blocked: str | None
    has_slot: int
    fresh: int
    priority: int
    seq: int
    due_at: int | None
    deadline_at: int | None
    created_at: int

    @property
    def place_in_line(self) -> tuple[int, int, int]:
        """The order inside a key: continued runs, then the priority, then the order of commits."""
        return self.fresh, -self.priority, self.seq

    @property
    def is_in_line(self) -> bool:
        """Whether it waits for a slot."""
        return self.blocked == "concurrency"

    def is_late(self, now: int) -> bool:
        """Whether its deadline is over: it needs no free slot, so that it can end."""
        return self.deadline_at is not None and self.deadline_at <= now


_NAMES = ", ".join(f"'{name}'" for name in _LIMITED)
_ROWS = (
    "select id, automation, concurrency_key, state, ready, blocked, has_slot, fresh, priority, seq, due_at, deadline_at, created_at"
    f" from runs where automation in ({_NAMES}) and kind <> 'step' and (finished_at is null or seq > ?)"
)
_CANCELLED = "select run from inbox where kind = 'cancel' union all select run from journal where kind = 'cancel' and superseded is null"


class LimitRules:
    """`check` is reported every executed commit; `is_timed` = all machines have one clock, so that times and orders can be compared."""

    def __init__(self, rows: Callable[..., Any], now: Callable[[], int], hits: Counter[str], *, is_timed: bool) -> None:
        self._read, self._now, self._hits, self._is_timed = rows, now, hits, is_timed
        self.errors: list[str] = []
        self.keys: dict[str, str] = {}
        """The key of each start that was sent, by its id."""
        self.inputs: dict[str, bytes] = {}
        """The newest input of each debounced run."""
        self.answers: dict[str, str] = {}
        """The run of each start that was accepted."""
        self.replaced: set[str] = set()
        """Runs that a later one of their key cancels."""
        self.sides: defaultdict[str, set[str]] = defaultdict(set)
        self._versions: dict[tuple[str, int, str], bytes | None] = {}
        self._before: dict[str, RunRow] = {}
        self._granted_at: dict[str, int] = {}
        """When a run last got its slot."""
        self._due: dict[str, int] = {}
        """When a run with a rate is due."""
        self._starts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._newest: dict[str | None, str] = {}
        """The newest run of each key whose runs cancel the earlier ones."""
        self._announced: set[str] = set()
        self._last_seq = 0

    def check(self, commands: list[Any], results: list[Any], again: bool) -> None:
        """Compare a commit with the one before."""
        rows = {row[0]: RunRow(*row) for row in self._read(_ROWS, self._last_seq)}
        after = {run: row for run, row in rows.items() if row.state not in ("succeeded", "failed", "cancelled")}
        self._note_starts(sorted((row for row in rows.values() if row.seq > self._last_seq), key=lambda row: row.seq))
        for command, result in zip(commands, results, strict=True):
            if isinstance(command, StartRun):
                self._started(command, result)
            elif isinstance(command, AnnounceDefinitions) and not isinstance(result, Refused):
                self._announced |= {row.name for row in command.automations}
            elif (
                isinstance(command, SaveOutcome)
                and command.kind is OutcomeKind.VERSION
                and isinstance(result, CommandDone)
            ):
                self._answered(command)
            elif isinstance(result, ClaimedRuns) and not again:
                self._claimed(result, after)
        self._check_slots(after)
        self._check_debounced(after)
        self._check_replaced(after)
        self._before = after

    # -- slots ---------------------------------------------------------------------------------------------------------

    def _check_slots(self, after: dict[str, RunRow]) -> None:
        now = self._now()
        keys: defaultdict[tuple[str, str], list[RunRow]] = defaultdict(list)
        for row in after.values():
            if row.key is not None:
                keys[row.automation, row.key].append(row)
                self._check_row(row)
        for (automation, key), runs in keys.items():
            limit = CONCURRENCY[automation] if automation in self._announced else 1
            line = [row for row in runs if row.is_in_line]
            slots = [row for row in runs if row.has_slot]
            counted = [row for row in slots if not row.is_late(now)] if self._is_timed else []
            if len(counted) > limit:
                self._report(f"{len(counted)} runs of {automation} with key {key} have slots: {counted}")
            if line and len(slots) < limit:
                self._report(
                    f"{len(line)} runs of {automation} with key {key} are in line while a slot is free: {line}"
                )
            self._hits["runs in line"] += len(line)
            self._check_line(runs, line, now)

    def _check_row(self, row: RunRow) -> None:
        runs = row.ready or row.state == RunState.RUNNING
        if row.is_in_line and runs:
            self._report(f"{row} is in line and can be claimed")
        if runs and not row.has_slot:
            self._report(f"{row} is ready or runs without a slot")
        if row.has_slot and not runs:
            self._report(f"{row} neither runs nor is ready, and has a slot")

    def _check_line(self, runs: list[RunRow], line: list[RunRow], now: int) -> None:
        """Those that got a slot were before all that stayed in line, in the order of this key."""
        stayed = [row for row in line if (was := self._before.get(row.id)) is not None and was.is_in_line]
        for row in runs:
            was = self._before.get(row.id)
            if not row.has_slot or (was is not None and was.has_slot):
                continue
            self._granted_at[row.id] = now
            if was is None or not was.is_in_line or row.deadline_at is not None:
                continue
            self._hits["slot passed on"] += 1
            if stayed and min(other.place_in_line for other in stayed) < was.place_in_line:
                self._report(f"{was} got a slot before {min(stayed, key=lambda other: other.place_in_line)}")

    def _claimed(self, result: ClaimedRuns, after: dict[str, RunRow]) -> None:
        """Between keys: no run that was claimed got its slot after one that was ready before and is left."""
        left = [row for row in after.values() if row.fresh and row.ready and row.has_slot and self._was_ready(row.id)]
        for run in result.runs:
            if run.automation == DEBOUNCED and self.inputs.get(run.id, run.input) != run.input:
                self._report(f"{run.id} begins with {run.input!r}, its newest start had {self.inputs[run.id]!r}")
            if self._is_timed and self._due.get(run.id, 0) > self._now():
                self._report(
                    f"{run.id} of {run.automation} begins {self._due[run.id] - self._now()} ms before its turn"
                )
            was = self._before.get(run.id)
            if not (
                self._is_timed
                and run.fresh
                and was is not None
                and was.has_slot
                and was.ready
                and was.deadline_at is None
            ):
                continue
            earlier = [
                row
                for row in left
                if row.automation == run.automation
                and row.priority == run.priority
                and self._granted_at[row.id] < self._granted_at[run.id]
            ]
            self._hits["chosen between keys"] += any(row.automation == run.automation for row in left)
            if earlier:
                self._report(f"{was} is claimed before {earlier[0]}, whose key was served longer ago")

    def _was_ready(self, run: str) -> bool:
        was = self._before.get(run)
        return was is not None and bool(was.ready and was.has_slot)

    # -- starts --------------------------------------------------------------------------------------------------------

    def _started(self, command: StartRun, result: Any) -> None:
        if not isinstance(result, StartAnswer) or command.automation not in _LIMITED:
            self._hits["throttled"] += isinstance(result, Refused) and result.code == "throttled"
            return
        if command.id in self.answers:
            if self.answers[command.id] != result.run:
                self._report(f"start {command.id} was accepted as {self.answers[command.id]}, then as {result.run}")
                self.inputs.setdefault(result.run, command.input)
            return
        self.answers[command.id] = result.run
        if command.automation == DEBOUNCED:
            self._hits["input replaced"] += result.run != command.id
            self.inputs[result.run] = command.input

    def _note_starts(self, rows: list[RunRow]) -> None:
        """Compare the new runs with the earlier ones of their key, in the order of their commits."""
        for row in rows:
            self._last_seq = row.seq
            if row.automation in RATES:
                count, per_ms = RATES[row.automation]
                key = self.keys[row.id] if row.automation == "paced" else ""
                self._due[row.id] = at = row.created_at if row.due_at is None else row.due_at
                self._hits["delayed by a rate"] += row.due_at is not None
                starts = self._starts[row.automation, key]
                if starts and at < starts[-1]:
                    self._report(f"{row} is due before an earlier start of its key")
                if len(starts) >= count and at - starts[-count] < per_ms:
                    self._report(f"{row}: {count + 1} runs of {key!r} are due within {at - starts[-count]} ms")
                starts.append(at)
            elif row.automation == "latest":
                if row.key in self._newest:
                    self.replaced.add(self._newest[row.key])
                self._newest[row.key] = row.id
            elif row.automation in THROTTLES:
                count, per_ms = THROTTLES[row.automation]
                starts = self._starts[row.automation, self.keys[row.id]]
                bisect.insort(starts, row.created_at)
                if len(starts) > count and starts[-1] - starts[-1 - count] < per_ms:
                    self._report(f"{row}: {count + 1} starts of its key within {starts[-1] - starts[-1 - count]} ms")

    def _check_debounced(self, after: dict[str, RunRow]) -> None:
        now = self._now()
        waiting = Counter[str]()
        for row in after.values():
            if row.automation == DEBOUNCED and row.state == RunState.QUEUED and row.due_at is not None:
                waiting[self.keys[row.id]] += row.due_at > now and not row.ready
                if row.due_at - row.created_at > DEBOUNCE_WITHIN_MS:
                    self._report(f"{row} is due {row.due_at - row.created_at} ms after its first start")
        for key, number in waiting.items():
            if number > 1:
                self._report(f"{number} runs of the debounced key {key} are queued")

    def _check_replaced(self, after: dict[str, RunRow]) -> None:
        """Of the unfinished runs of a key, all but the newest are being cancelled."""
        unfinished = self.replaced & after.keys()
        if unfinished:
            self._hits["replaced in progress"] += 1
            cancelled = {run for (run,) in self._read(_CANCELLED)}
            for run in unfinished - cancelled:
                self._report(f"{after[run]} was replaced and is not being cancelled")

    # -- versions ------------------------------------------------------------------------------------------------------

    def _answered(self, command: SaveOutcome) -> None:
        key = (command.run, command.generation, command.ident)
        self._hits[f"version {msgspec.json.decode(command.output or b'0')}"] += 1
        if self._versions.setdefault(key, command.output) != command.output:
            self._report(f"{key} got the version {command.output!r} after {self._versions[key]!r}")

    def begin_side(self, run: str, side: str, *, is_answered: bool) -> None:
        """A step of one side of the change begins. `is_answered` = the code asked which one."""
        self.sides[run].add(side)
        if len(self.sides[run]) > 1:
            self._report(f"run {run} took the sides {sorted(self.sides[run])}")
        saved = "select output from journal where run = ? and kind = 'version' and superseded is null"
        if is_answered and not self._read(saved, run):
            self._report(f"run {run} begins the {side} side before the answer is committed")

    def _report(self, text: str) -> None:
        self.errors.append(text)
