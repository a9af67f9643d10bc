"""Moved steps: the code requests a saved step under another identity, because its key, its branch or its number of uses changed.

The new identity has no outcome, so the step would run a second time. So before such a request starts, it is compared with the saved
successes that the code has not requested. If one has the same name and the same input, both read by today's code, a person must decide.
"""

import bisect
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.errors import ArgumentError, ValueRefusedError
from mainspring.domain.runs.journal import History, Outcome, OutcomeKind
from mainspring.domain.runs.superseded_outcomes import read_branch
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.blob import is_reference_to
from mainspring.domain.values.saved_call import decode_call, encode_call
from mainspring.engine.body.request import ChildCall, Request, StartCall, StepCall

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body
    from mainspring.engine.body.programs import Program


@dataclass(frozen=True, slots=True)
class MovedStep:
    """A saved step `ident`, and the identity `requested` under which the code requests it.

    `old` and `new` are the two identities, or the qualified names of one coroutine if nothing else differs.
    """

    ident: str
    requested: str
    old: str
    new: str


class MovedSteps:
    """The saved successes of one loaded run by kind, name and input.

    After a failure that a retry has superseded, unchanged code may take another path. So the successes between such a failure and its
    repetition are left out: code that has not changed need not request them.
    """

    def __init__(self, history: History | None = None) -> None:
        self._gaps = [] if history is None else find_gaps(history)
        self._by_name: dict[tuple[OutcomeKind, str], list[Outcome]] | None = None
        self._by_input: dict[tuple[str, Callable[..., Any] | None], dict[bytes, list[Outcome]]] = {}

    def find(
        self, body: "Body", program: "Program", request: Request, former: Collection[str], removed: Collection[str]
    ) -> MovedStep | None:
        """Return the saved step that a new request repeats.

        `former` = earlier names of the step; `removed` = names and identities of saved steps that are not this one.
        """
        call, automation = request.call, program.automation
        if not body.unclaimed or not isinstance(call, StepCall | ChildCall | StartCall):
            return None
        if automation is None or automation.definition.kind is not DefinitionKind.WORKFLOW:
            return None
        removed = {*removed, *automation.definition.option("gone")}
        for name in (request.name, *call.plan.was, *former):
            for outcome in self._list_same(body, request.kind, name, call):
                if outcome.ident in body.unclaimed and not removed.intersection(_names_in(outcome)):
                    return MovedStep(outcome.ident, request.ident, *_shorten(outcome.ident, request.ident))
        return None

    def _list_same(
        self, body: "Body", kind: OutcomeKind, name: str, call: StepCall | ChildCall | StartCall
    ) -> list[Outcome]:
        """Return the successes with this name and input in rank order."""
        if self._by_name is None:
            self._by_name = {}
            for outcome in sorted(body.unclaimed.values(), key=lambda outcome: outcome.rank):
                is_certain = not any(start < outcome.rank < end for start, end in self._gaps)
                if outcome.state is OutcomeState.SUCCEEDED and outcome.input is not None and is_certain:
                    self._by_name.setdefault((outcome.kind, outcome.name), []).append(outcome)
        saved = self._by_name.get((kind, name))
        if not saved:
            return []
        key = (name, call.fn if isinstance(call, StepCall) else None)
        if key not in self._by_input:
            by_input = self._by_input[key] = {}
            for outcome in saved:
                by_input.setdefault(_read_input(call, outcome.input or b""), []).append(outcome)
        same = self._by_input[key].get(_read_input(call, call.input), [])
        return same or [outcome for outcome in saved if is_reference_to(outcome.input or b"", call.input)]


def find_gaps(history: History) -> list[tuple[int, float]]:
    """Return the ranks between each superseded outcome and the next repetition of any, without overlaps."""
    superseded = {outcome.ident for outcome in history.superseded}
    repeated = sorted(outcome.rank for outcome in history.outcomes if outcome.ident in superseded)
    gaps: dict[float, int] = {}
    for rank in sorted((outcome.rank for outcome in history.superseded), reverse=True):
        place = bisect.bisect(repeated, rank)
        gaps[repeated[place] if place < len(repeated) else math.inf] = rank
    return [(start, end) for end, start in gaps.items()]


def _read_input(call: StepCall | ChildCall | StartCall, saved: bytes) -> bytes:
    """Return an input as today's code writes it, as drift compares it."""
    if isinstance(call, ChildCall | StartCall):
        return saved
    try:
        return encode_call(call.signature, *decode_call(call.signature, saved))
    except (ArgumentError, ValueRefusedError):
        return saved


def _names_in(outcome: Outcome) -> set[str]:
    return {outcome.ident, outcome.name, *map(_coroutine_of, read_branch(outcome.ident).split("/"))}


def _coroutine_of(part: str) -> str:
    return part.rpartition("#")[0]


def _shorten(old: str, new: str) -> tuple[str, str]:
    """Return two identities, or the two names of the only coroutine that differs: one decision covers all of its steps."""
    old_branch, new_branch = read_branch(old), read_branch(new)
    pairs = list(zip(old_branch.split("/"), new_branch.split("/"), strict=False))
    different = [pair for pair in pairs if pair[0] != pair[1]]
    is_only_difference = old.removeprefix(old_branch) == new.removeprefix(new_branch) and len(different) == 1
    if is_only_difference and old_branch.count("/") == new_branch.count("/"):
        (was, now), *_ = different
        if was.rpartition("#")[2] == now.rpartition("#")[2]:
            return _coroutine_of(was), _coroutine_of(now)
    return old, new
