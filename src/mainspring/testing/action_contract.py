"""The contract of actions: `ActionContract(action, args=..., effects=...).check(folder)` proves that an action is safe to run twice.

Role: runs the action as a step, in processes that are killed, at once and twice, and compares the effects at the target with the record of
the store. Invariant: each case has a number of its own, so that its effects differ from those of every other case.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.states import EffectState, FailureReason, RunState
from mainspring.engine.attempts.isolation import import_name_of
from mainspring.store.read.effects import EffectFilter, list_effects
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.testing.action_case import LINE, RETURN, CaseEnd, ContractCase

FAILPOINTS = ("effect.started", "effect.performed", "effect.settled")
"""Places around the code of an effect: after the intent is committed, before its outcome is sent, after that is committed."""
_TIMEOUT_S = 60.0


class ContractError(AssertionError):
    """The action breaks its contract."""


class CaseRunner:
    """A warm process that runs cases, one after another."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mainspring.testing.action_case"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | (environment or {}),
        )

    def start(self, case: ContractCase) -> None:
        """Start a case."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(case) + b"\n")
        self._process.stdin.flush()

    def wait(self) -> CaseEnd:
        """Return the end of the case.

        Raises:
            ContractError: it did not end within a minute.
        """
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _TIMEOUT_S)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self._process.kill()
            raise ContractError(f"the case did not end: {(self._process.communicate()[1] or b'').decode()[-2_000:]}")
        return msgspec.json.decode(line, type=CaseEnd)

    def run(self, case: ContractCase) -> CaseEnd:
        """Run a case to its end."""
        self.start(case)
        return self.wait()

    def close(self) -> bytes:
        """End the process; return what it and its cases have printed to stderr."""
        return self._process.communicate()[1] or b""


class ActionContract:
    """The proof of one action.

    `lines_of` = the function inside the action that performs the effect: its lines are the places of disturbance, instead of those of the
    action.

    `action` = a function at the top level of a module: an action, or any function that `run.step` can run. `args(number)` returns its
    arguments as JSON data, different for each number. `effects(number)` counts the effects at the target with those arguments; it must not
    ask the target in the way that `check=` does. `is_named` = calls with the same arguments have one effect, also from different runs (an
    action with `once=`, or one that is repeatable). `secrets` = texts that must not be found in the store or the output. `temporary` counts
    what a stopped action may leave behind, such as half-written files. `failpoints` = further places at which it is killed: names of
    failpoints that its code passes.
    """

    def __init__(
        self,
        action: Callable[..., Any],
        *,
        args: Callable[[int], Sequence[Any]],
        effects: Callable[[int], int],
        lines_of: Callable[..., Any] | None = None,
        is_named: bool = True,
        secrets: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        temporary: Callable[[], int] = lambda: 0,
        failpoints: Sequence[str] = (),
    ) -> None:
        self._name = import_name_of(action)
        self._lines_of = None if lines_of is None else import_name_of(lines_of)
        self._args = args
        self._effects = effects
        self._is_named = is_named
        self._secrets = tuple(secrets)
        self._environment = environment
        self._temporary = temporary
        self._failpoints = (*FAILPOINTS, *failpoints)
        self._number = 0
        self._runners: list[CaseRunner] = []
        self._store = Path()

    def check(self, folder: Path, *, kills: int | None = None) -> None:
        """Check all cases; `folder` is for the store. `kills` = the most places at which it is killed; None = each line of the function.

        Raises:
            ContractError: names the case, the effects, and what the store has on record.
        """
        self._store = folder / "contract.db"
        self._runners = [CaseRunner(self._environment) for _ in range(2)]
        try:
            lines = self._check_twice()
            self._check_two_at_once()
            self._check_errors()
            for place in self._places(lines, kills):
                self._check_kill(place)
            for place in self._places(lines, kills):
                self._check_cancel(place)
        finally:
            (folder / "stderr.txt").write_bytes(b"".join(runner.close() for runner in self._runners))
        self._check_secrets(folder)

    def _places(self, lines: int, most: int | None) -> Iterator[str]:
        """Yield places of disturbance: the failpoints, then the lines of the function; `most` of them, spread evenly."""
        places = [*self._failpoints, RETURN, *(f"{LINE}{number}" for number in range(1, lines + 1))]
        if most is not None and most < len(places):
            places = [places[index * len(places) // most] for index in range(most)]
        yield from places

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _run(self, number: int, *, key: str = "", runner: int = 0, **disturbance: Any) -> CaseEnd:
        return self._runners[runner].run(self._make_case(number, key, **disturbance))

    def _make_case(self, number: int, key: str = "", **disturbance: Any) -> ContractCase:
        args = list(self._args(number))
        return ContractCase(
            str(self._store), self._name, f"{number}{key}", args, lines_of=self._lines_of, **disturbance
        )

    def _check_twice(self) -> int:
        """Run the action in two runs, one after the other."""
        number = self._next()
        end = self._run(number)
        self._require_success(end, "the first call")
        if self._is_named:
            self._require_success(self._run(number, key="b"), "the second call")
        self._require(self._effects(number) == 1, "called twice" if self._is_named else "called", number)
        return end.lines

    def _check_two_at_once(self) -> None:
        """Run the action in two runs at once, or without a name for its effect: one run in two processes."""
        number = self._next()
        for runner, key in zip(self._runners, ("", "b" if self._is_named else ""), strict=True):
            runner.start(self._make_case(number, key))
        for end in [runner.wait() for runner in self._runners]:
            self._require_success(end, "two calls at once")
        self._require(self._effects(number) == 1, "two calls at once", number)

    def _check_errors(self) -> None:
        """Let its first line raise: a permanent error is not retried, a transient one is."""
        number = self._next()
        end = self._run(number, place=f"{LINE}1", happens="permanent")
        if end.state != RunState.FAILED:
            raise ContractError(f"with a permanent error the run is {end.state} ({end.reason}): {end.failure}")
        self._require(self._effects(number) == 0, "failed with a permanent error", number)
        number = self._next()
        self._require_success(self._run(number, place=f"{LINE}1", happens="transient"), "after a transient error")
        self._require(self._effects(number) == 1, "after a transient error", number)

    def _check_kill(self, place: str) -> None:
        """Kill the action, then let another process continue its run: one effect, or at most one and a question."""
        number, case = self._next(), f"killed at {place}"
        killed = self._run(number, place=place)
        end = killed if killed.state is not None else self._run(number, runner=1)
        if end.state == RunState.SUCCEEDED:
            self._require(self._effects(number) == 1, case, number)
        else:
            if end.state != RunState.NEEDS_ATTENTION or end.reason != FailureReason.IN_DOUBT:
                raise ContractError(f"{case}: the run is {end.state} ({end.reason}): {end.failure}")
            self._require(self._effects(number) <= 1, case, number)
        self._require(self._temporary() == 0, f"{case}: temporary files are left", number)

    def _check_cancel(self, place: str) -> None:
        """Cancel the run while the action works: not done, done, or in doubt on record; never pending."""
        number, case = self._next(), f"cancelled at {place}"
        end = self._run(number, place=place, happens="cancel")
        if end.state not in (RunState.CANCELLED, RunState.SUCCEEDED):
            raise ContractError(f"{case}: the run is {end.state} ({end.reason}): {end.failure}")
        self._require(self._effects(number) <= 1, case, number)
        pending = list_effects(SqliteReader(self._store), EffectFilter(EffectState.PENDING)).effects
        self._require(not pending, f"{case}: an effect is pending", number)
        self._require(self._temporary() == 0, f"{case}: temporary files are left", number)

    def _require_success(self, end: CaseEnd, case: str) -> None:
        if end.state != RunState.SUCCEEDED:
            raise ContractError(f"{case}: the run is {end.state} ({end.reason}): {end.failure}")

    def _require(self, is_met: object, case: str, number: int) -> None:
        if not is_met:
            reader = SqliteReader(self._store)
            effects = list_effects(reader, EffectFilter(), limit=1_000).effects
            states = {effect.key: effect.state.value for effect in effects if effect.state is not EffectState.DONE}
            raise ContractError(
                f"{case}: {self._effects(number)} effects at the target for number {number}; "
                f"not done in the ledger: {json.dumps(states)}"
            )

    def _check_secrets(self, folder: Path) -> None:
        """Search the store and the output for the secrets."""
        for file in sorted(folder.iterdir()):
            data = file.read_bytes() if file.is_file() else b""
            for secret in self._secrets:
                if secret.encode() in data:
                    raise ContractError(f"a secret of the action stands in {file.name}")
