"""The contract of actions: `ActionContract(action, args=..., effects=...).check(folder)` proves that an action is safe to run twice.

Role: runs the action as a step, in processes that are killed, at once and twice, and compares the effects at the target with the record of
the store. Invariant: each case has a number of its own, so that its effects differ from those of every other case.
"""

import contextlib
import json
import os
import random
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.redaction.redactor import Redactor
from mainspring.domain.states import EffectState, FailureReason, RunState
from mainspring.engine.attempts.isolation import import_name_of
from mainspring.store.read.effects import EffectFilter, list_effect_keys, list_effects
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.testing.action_case import LINE, RETURN, CaseEnd, ContractCase

_SETTLED = "effect.settled"
FAILPOINTS = ("effect.started", "effect.performed", _SETTLED)
"""Places around the code of an effect: after its intent is committed, before its outcome is sent, and after that is committed or, where
the effect is the whole step, sent."""
_TIMEOUT_S = 60.0


class ContractError(AssertionError):
    """The action breaks its contract: the message names the case, the number of effects, and what is on record."""


class CaseRunner:
    """A warm process that runs cases, one after another. `output` = what it and its cases print."""

    def __init__(self, output: Path, environment: dict[str, str] | None = None) -> None:
        self._output = output
        with output.open("wb") as stderr:
            self._process = self._start(stderr, environment or {})

    @staticmethod
    def _start(stderr: BinaryIO, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            # started by import, not with -m: a module that the action imports finds this state, not that of a second copy
            [sys.executable, "-c", "from mainspring.testing.action_case import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
        )

    def run(self, *cases: ContractCase) -> list[CaseEnd]:
        """Run cases at once, each in a process of its own, and return their ends.

        Raises:
            ContractError: they did not end within a minute.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(cases) + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _TIMEOUT_S)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self._process.kill()
            self._process.wait()
            raise ContractError(f"the case did not end: {self._output.read_text(errors='replace')[-2_000:]}")
        return msgspec.json.decode(line, type=list[CaseEnd])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class ActionContract:
    """The proof of one action.

    `lines_of` = the function inside the action that performs the effect: its lines are the places of disturbance, instead of those of the
    action.

    `action` = a function at the top level of a module: an action, or any function that `run.step` can run. `args(number)` returns its
    arguments as JSON data, different for each number. `effects(number)` counts the effects at the target with those arguments; it must not
    query the target in the way that `check=` does. `is_named` = calls with the same arguments have one effect, also from different runs (an
    action with `once=`, or one that is repeatable). `secrets` = texts that must not be found in the store or the output, neither plain nor
    encoded (base64, hex, URL, JSON, HTML); without them nothing is searched. `temporary` counts what a stopped action may leave behind,
    such as half-written files. `failpoints` = further places at which it is killed: names of failpoints that its code passes.
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
        self._failpoints = tuple(failpoints)
        self.kills = 0
        """How often the action was killed."""
        self._has_ledger = False
        """Whether a call has an entry in the ledger."""
        self._number = 0
        self._store = Path()

    def check(self, folder: Path, *, kills: int | None = None, repeats: int = 1, seed: str | None = None) -> None:
        """Check all cases; `folder` is for the store. `kills` = the most places at which it is killed; None = each line of the function.
        `repeats` = how often it is killed at each place. `seed` chooses the places; None = they are spread evenly.

        Raises:
            ContractError: names the case, the effects, and what the store has on record.
        """
        self._store = folder / "contract.db"
        self._runner = CaseRunner(folder / "output.txt", self._environment)
        try:
            first = self._check_twice()
            places = self._list_places(first, kills, seed)
            self._check_two_at_once()
            self._check_errors(first)
            for place in places * repeats:
                self._check_kill(place)
            for place in places:
                self._check_cancel(place)
        finally:
            self._runner.close()
        if not self.kills:
            raise ContractError("the action was never killed: no call reached a place of the first one")
        self._check_secrets(folder)

    def _list_places(self, first: CaseEnd, most: int | None, seed: str | None) -> list[str]:
        """Return the places of disturbance that the first call passed: failpoints, then lines; `most` of them."""
        for place in self._failpoints:
            if place not in first.failpoints:
                raise ContractError(f"the action does not pass the failpoint {place!r}")
        lines = (f"{LINE}{number}" for number in range(1, first.lines + 1))
        places = [*(place for place in FAILPOINTS if place in first.failpoints), *self._failpoints, RETURN, *lines]
        if most is not None and most < len(places):
            if seed is not None:
                return self._choose_places(places, most, seed)
            places = [places[index * len(places) // most] for index in range(most)]
        return places

    def _choose_places(self, places: list[str], most: int, seed: str) -> list[str]:
        """Return one place that each call must pass, and `most` - 1 of all others."""
        rng = random.Random(f"{seed} {self._name}")
        first = rng.choice([place for place in places if not place.startswith(LINE)])
        return [first, *rng.sample([place for place in places if place != first], most - 1)]

    def _require_disturbed(self, end: CaseEnd, place: str, case: str) -> bool:
        """Return whether the call passed the place. A line may be one that only other calls reach, each other place must be passed."""
        if not end.is_disturbed and not place.startswith(LINE):
            raise ContractError(f"{case}: the call did not pass this place, though the first call did")
        return end.is_disturbed

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _run(self, number: int, *, key: str = "", **disturbance: Any) -> CaseEnd:
        (end,) = self._runner.run(self._make_case(number, key, **disturbance))
        return end

    def _make_case(self, number: int, key: str = "", **disturbance: Any) -> ContractCase:
        args = list(self._args(number))
        return ContractCase(
            str(self._store), self._name, f"{number}{key}", args, lines_of=self._lines_of, **disturbance
        )

    def _check_twice(self) -> CaseEnd:
        """Run the action in two runs, one after the other."""
        number = self._next()
        end = self._run(number, counts_lines=True)
        self._require_success(end, "the first call")
        if self._is_named:
            self._require_success(self._run(number, key="b"), "the second call")
        case = f"called {'twice' if self._is_named else 'once'}, at a target that must be empty before"
        self._require(self._effects(number) == 1, case, number)
        self._has_ledger = bool(self._list_keys())
        return end

    def _check_two_at_once(self) -> None:
        """Run the action in two runs at once, or without a name for its effect: one run in two processes."""
        number = self._next()
        for end in self._runner.run(self._make_case(number), self._make_case(number, "b" if self._is_named else "")):
            self._require_success(end, "two calls at once")
        self._require(self._effects(number) == 1, "two calls at once", number)

    def _check_errors(self, first: CaseEnd) -> None:
        """Let its first line raise: a permanent error is not retried, a transient one is, also after its first effect on record."""
        number = self._next()
        end = self._run(number, place=f"{LINE}1", happens="permanent")
        self._require_first_line(end)
        if end.state != RunState.FAILED:
            raise ContractError(f"with a permanent error the run is {end.state} ({end.reason}): {end.failure}")
        self._require(self._effects(number) == 0, "failed with a permanent error", number)
        number = self._next()
        end = self._run(number, place=f"{LINE}1", happens="transient")
        self._require_first_line(end)
        self._require_success(end, "after a transient error")
        self._require(self._effects(number) == 1, "after a transient error", number)
        if _SETTLED in first.failpoints:
            number, case = self._next(), "after its first effect on record and a transient error"
            self._require_success(self._run(number, place=_SETTLED, happens="transient"), case)
            self._require(self._effects(number) == 1, case, number)

    def _require_first_line(self, end: CaseEnd) -> None:
        if not end.is_disturbed:
            raise ContractError(
                "no line of the function was reached: name the function that performs the effect, lines_of="
            )

    def _check_kill(self, place: str) -> None:
        """Kill the action, then let another process continue its run: one effect, or at most one and a question."""
        number, case = self._next(), f"killed at {place}"
        end = self._run(number, place=place)
        if self._require_disturbed(end, place, case) and end.state is None:
            self.kills += 1
            end = self._run(number)
        self._require_one_effect(end, case, number)
        self._require(self._temporary() == 0, f"{case}: temporary files are left", number)

    def _check_cancel(self, place: str) -> None:
        """Cancel the run while the action works: not done, done, or in doubt on record; never pending. Then call it again in a new run."""
        number, case = self._next(), f"cancelled at {place}"
        before = self._list_keys()
        end = self._run(number, place=place, happens="cancel")
        self._require_disturbed(end, place, case)
        if end.state not in (RunState.CANCELLED, RunState.SUCCEEDED):
            raise ContractError(f"{case}: the run is {end.state} ({end.reason}): {end.failure}")
        performed = self._effects(number)
        self._require(performed == 1 if end.state == RunState.SUCCEEDED else performed <= 1, case, number)
        self._require(
            not self._list_effects(EffectFilter(EffectState.PENDING)), f"{case}: an effect is pending", number
        )
        is_on_record = not self._has_ledger or self._list_keys() - before
        self._require(is_on_record or not performed, f"{case}, its effect is not on record", number)
        self._require(self._temporary() == 0, f"{case}: temporary files are left", number)
        if self._is_named:  # without a name, the effect of a new run is another one
            self._require_one_effect(self._run(number, key="b"), f"{case}, then called again", number)

    def _require_one_effect(self, end: CaseEnd, case: str, number: int) -> None:
        """Require one effect of a call that was disturbed before, or at most one and a question to a person."""
        if end.state == RunState.SUCCEEDED:
            self._require(self._effects(number) == 1, case, number)
            return
        if end.state != RunState.NEEDS_ATTENTION or end.reason != FailureReason.IN_DOUBT:
            raise ContractError(f"{case}: the run is {end.state} ({end.reason}): {end.failure}")
        self._require(self._effects(number) <= 1, case, number)

    def _require_success(self, end: CaseEnd, case: str) -> None:
        if end.state != RunState.SUCCEEDED:
            raise ContractError(f"{case}: the run is {end.state} ({end.reason}): {end.failure}")

    def _require(self, is_met: object, case: str, number: int) -> None:
        if not is_met:
            effects = self._list_effects(EffectFilter())
            states = {effect.key: effect.state.value for effect in effects if effect.state is not EffectState.DONE}
            raise ContractError(
                f"{case}: {self._effects(number)} effects at the target for number {number}; "
                f"not done in the ledger: {json.dumps(states)}"
            )

    def _list_keys(self) -> set[str]:
        """Return the keys of the effects that changed last."""
        with contextlib.closing(SqliteReader(self._store)) as reader:
            return set(list_effect_keys(reader))

    def _list_effects(self, filter: EffectFilter) -> Sequence[EffectRecord]:
        with contextlib.closing(SqliteReader(self._store)) as reader:
            return list_effects(reader, filter, limit=1_000).effects

    def _check_secrets(self, folder: Path) -> None:
        """Search the store and the output for the secrets, in each form that is hidden from logs."""
        redactor = Redactor(self._secrets)
        for file in sorted(path for path in folder.rglob("*") if path.is_file()) if self._secrets else ():
            text = file.read_bytes().decode(errors="replace")
            if any(secret in text for secret in self._secrets) or redactor.hide_known(text) != text:
                raise ContractError(f"a secret of the action is in {file.relative_to(folder)}")
