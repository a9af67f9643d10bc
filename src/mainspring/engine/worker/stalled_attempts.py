"""Stalled attempts: those that no time-out ends and that send no report. Each is recorded with its stack, until it sends one or ends.

Role: one check of all live attempts every few seconds; a report costs nothing but storing its instant. Invariants: the row belongs to
this session and this claim, so it never outlives the worker or the claim. A check that comes very late (the machine slept, the process
was stopped) restarts all spans: no report could be received meanwhile.
"""

import functools
import logging
from collections.abc import Mapping

from mainspring.domain.clock import Clock
from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.engine.attempts.stacks import MAX_FRAMES
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.driver import Driver
from mainspring.engine.driver.live_step import LiveStep
from mainspring.engine.worker.run_services import ignore_answer
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import Store
from mainspring.store.commands.journal import ClearStalledAttempt, RecordStalledAttempt
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.commands.sessions import RecordBlockedLoop

_LOG = logging.getLogger("mainspring.worker")
_MAX_CHECK_DELAY_MS = 300_000
_MAX_STACK_QUERIES = 4
"""Most stacks to read in one check: each may take some milliseconds of the loop."""

_AttemptKey = tuple[str, int, str, int]
"""Run, claim, identity of the step, attempt."""


class StalledAttempts:
    """The stalled attempts of one worker; used in the loop's thread. `drivers` = its loaded runs at each check.

    `stalled_ms` is the limit for automations that set no other.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        drivers: Mapping[str, Driver],
        registry: Registry,
        stalled_ms: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._drivers = drivers
        self._registry = registry
        self._stalled_ms = stalled_ms
        self._checked_at = self._receives_since_at = clock.now()
        self._known: dict[_AttemptKey, bool] = {}
        """True = recorded; False = its stack is requested."""

    def check(self) -> None:
        """Record attempts that became silent, and clear those that reported or ended."""
        now = self._clock.now()
        if not 0 <= now - self._checked_at < _MAX_CHECK_DELAY_MS:
            self._receives_since_at = now
        self._checked_at = now
        silent = self._silent(now)
        for key in [key for key in self._known if key not in silent]:
            self._clear(key)
        new = [key for key in silent if key not in self._known]
        for key in new[:_MAX_STACK_QUERIES]:
            step = silent[key]
            if step.handle is not None:
                self._known[key] = False
                step.handle.request_stack(functools.partial(self._record, key, step))

    def _silent(self, now: int) -> dict[_AttemptKey, LiveStep]:
        found: dict[_AttemptKey, LiveStep] = {}
        for run, driver in self._drivers.items():
            steps = driver.steps.endless()
            limit_ms = self._limit_ms(driver.run.automation, driver.run.version) if steps else None
            if limit_ms is not None:
                for step in steps:
                    if now - self._since_at(step) >= limit_ms:
                        found[run, driver.claim, step.request.ident, step.attempt] = step
        return found

    def _limit_ms(self, name: str, version: int) -> int | None:
        """Return how long attempts of an automation may be silent; None = without limit."""
        automation = self._registry.find(name, version)
        stated = None if automation is None else automation.definition.option("stalled")
        if stated is None:
            return self._stalled_ms
        return None if stated is False else to_milliseconds(parse_duration(stated))

    def _since_at(self, step: LiveStep) -> int:
        return max(step.started_at, step.reported_at, self._receives_since_at)

    def _record(self, key: _AttemptKey, step: LiveStep, lines: list[str]) -> None:
        if self._known.get(key) is not False:
            return  # it reported before its stack was read
        run, claim, ident, attempt = key
        silent_ms = self._clock.now() - self._since_at(step)
        stack = tuple(KNOWN_SECRETS.redact(line) for line in lines[-MAX_FRAMES:]) or ("unknown place",)
        is_unstoppable = step.handle is not None and step.handle.is_unstoppable
        fix = "its time-out cannot stop it" if is_unstoppable else "give it a timeout= or heartbeat="
        _LOG.error(
            "run %s: attempt %d of step %s has reported no log, progress or checkpoint for %d s; %s. Its stack:\n  %s",
            *(run, attempt, step.request.name, silent_ms // 1000, fix, "\n  ".join(stack)),
        )
        self._known[key] = True
        command = RecordStalledAttempt(run, claim, ident, step.request.name, attempt, silent_ms, stack)
        self._store.submit(command, functools.partial(self._recorded, key))

    def _recorded(self, key: _AttemptKey, result: CommandDone | Refused | BaseException) -> None:
        if isinstance(result, Exception):
            self._known.pop(key, None)  # the next check tries again

    def _clear(self, key: _AttemptKey) -> None:
        run, claim, ident, attempt = key
        if self._known.pop(key):
            self._store.submit(ClearStalledAttempt(run, claim, ident, attempt), ignore_answer)


class StallRecord:
    """Writes the record for one process; any thread may use it. The committing thread writes it and needs no loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def started(self, frames: list[str], since: float) -> None:
        """Record that the loop has not turned for `since` seconds; `frames` as StallWatch passes them."""
        lines = tuple(KNOWN_SECRETS.redact(line) for line in frames) or ("unknown place",)
        _LOG.error("the loop has been blocked for %.1f s by:\n  %s", since, "\n  ".join(lines))
        self._store.submit(RecordBlockedLoop(round(since * 1000), lines), ignore_answer)

    def ended(self) -> None:
        """Record that the loop turns again."""
        self._store.submit(RecordBlockedLoop(), ignore_answer)
