"""The names of a run's saved steps, compared with those of the current code: a renamed step must not run a second time.

When a step is requested, a renamed, an inserted and a removed step look alike. So before the first step or child of a new name starts,
the code must still be able to request each saved step that it has not requested: its name, and the names of its branch, are
reachable from the code, or `was=`, `gone=` or a person named it. With `was=` and a person's decision the new name keeps the identity
of the old one, and with it the idempotency key.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.journal import FactKind, History, Outcome, OutcomeKind
from mainspring.domain.runs.step_identity import escape_step_name, read_step_name
from mainspring.domain.runs.superseded_outcomes import read_branch
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.moved_steps import MovedStep, MovedSteps
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.reachable_names import code_of, find_reachable_names

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body
    from mainspring.engine.body.programs import Program

REPEATABLE = frozenset({OutcomeKind.STEP, OutcomeKind.CHILD, OutcomeKind.START})
_DONE = frozenset({OutcomeState.SUCCEEDED, OutcomeState.IN_DOUBT, OutcomeState.REFUSED})
_UNSETTLED = frozenset({OutcomeState.IN_DOUBT, OutcomeState.REFUSED})
_OWN_BRANCHES = ("Fan.", "Run.")
"""Branches of coroutines that the engine itself creates."""


@dataclass(frozen=True, slots=True)
class MissingStep:
    """A saved step whose name `old` the code cannot request, and the new name that it requests instead."""

    ident: str
    old: str
    new: str


@dataclass(slots=True)
class StepNames:
    """The step names of one loaded run. `renames` = decisions of a person: old name -> new name, or None for a removed step.

    The names of a moved step are its identities. `former_functions` = earlier qualified names of the workflow's function (`was=`).
    `marked` = name by identity of all that has started, has no outcome, and was not requested by the code: steps with a start mark,
    children, and steps whose result a person entered or whose repetition a person ordered.
    """

    renames: Mapping[str, str | None] = field(default_factory=dict)
    former: dict[str, list[str]] = field(default_factory=dict)
    marked: dict[str, str] = field(default_factory=dict)
    former_functions: Sequence[tuple[str, str]] = ()
    _moved: MovedSteps = field(default_factory=MovedSteps)
    _branches: set[str] = field(default_factory=set)
    _saved: dict[str, str] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _unescaped: dict[str, bool] = field(default_factory=dict)
    _is_settled: bool = False

    @classmethod
    def of(cls, history: History | None, automation: Automation | None = None) -> "StepNames":
        """Return the names of a history of this automation."""
        if history is None:
            return cls(_is_settled=True)
        saved = {outcome.ident: outcome.name for outcome in history.outcomes}
        marked = {record.ident: record.name for record in history.attempts if record.ident not in saved}
        ended = [fact.ident for fact in history.facts if fact.kind is FactKind.CHILD and fact.ident is not None]
        marked |= {ident: read_step_name(ident) for ident in (*history.children, *ended) if ident not in saved}
        marked |= {
            ident: name
            for ident, name in (*_entered_results(history), *_ordered_repeats(history))
            if ident not in saved
        }
        former: dict[str, list[str]] = {}
        for old, new in history.renames.items():
            if new is not None:
                former.setdefault(new, []).append(old)
        names = cls(history.renames, former, marked, _former_functions(automation), MovedSteps(history))
        names._saved = saved | marked
        if former or names.former_functions:
            names._branches = {branch for ident in names._saved for branch in _branches_of(ident)}
        return names

    def saved_ident(self, new: str, branch: str, suffix: str, name: str, was: Sequence[str]) -> str | None:
        """Return the identity of a step that the history has under an earlier name, or without escapes; `new` = its current identity."""
        if (moved := self.moved_ident(new)) != new:
            return moved
        if new in self._saved:
            return None
        formers = [part for old in (*was, *self.former.get(name, ())) for part in (escape_step_name(old), old)]
        if escape_step_name(name) != name and self._is_unescaped(name):
            formers.insert(0, name)
        for part in formers:
            ident = f"{branch}{part}{suffix}"
            if ident in self._saved or any(known.startswith(f"{ident}[") for known in self._saved):
                return ident
        return None

    def _is_unescaped(self, name: str) -> bool:
        """Whether the history has this name without escapes, as earlier versions wrote it."""
        if name not in self._unescaped:
            self._unescaped[name] = any(f"{name}#" in ident or f"{name}[" in ident for ident in self._saved)
        return self._unescaped[name]

    def moved_ident(self, ident: str) -> str:
        """Return the identity under which a moved step is saved, as a person decided.

        Another request whose identity that is now takes the one that became free.
        """
        for old in self.former.get(ident, ()):
            if old in self._saved:
                return old
        free = self.renames.get(ident)
        return (
            ident if free is None or free.startswith(f"{ident}[") else free
        )  # a fan's own identity is that of no request

    def saved_branch(self, parent: str, name: str, suffix: str) -> str:
        """Return a branch as in the history, under an earlier name if a person or `was=` of the workflow decided so."""
        head, dot, last = name.rpartition(".")
        formers = [f"{head}{dot}{old}" for old in self.former.get(last, ())] + self.former.get(name, [])
        formers += [f"{old}{name.removeprefix(new)}" for new, old in self.former_functions if name.startswith(new)]
        for old in formers:
            branch = f"{parent}{old}{suffix}"
            if branch in self._branches:
                return branch
        return f"{parent}{name}{suffix}"

    def moved_step(self, body: "Body", program: "Program", request: Request) -> MovedStep | None:
        """Return a saved step that this request would repeat under another identity."""
        if request.kind not in REPEATABLE or request.ident in self._saved:
            return None
        removed = [old for old, new in self.renames.items() if new is None]
        return self._moved.find(body, program, request, self.former.get(request.name, ()), removed)

    def missing_step(self, body: "Body", program: "Program", request: Request) -> MissingStep | None:
        """Return a saved step that the code cannot request any more, if this request is the first of a new name."""
        if self._is_settled or request.kind not in REPEATABLE or request.ident in self._saved:
            return None
        if next(self._unrequested(body), None) is None:
            self._is_settled = True
            return None
        call, automation = request.call, program.automation
        if automation is None or automation.fn is None or automation.definition.kind is not DefinitionKind.WORKFLOW:
            return None
        if isinstance(call, StepCall) and call.fn.__module__.startswith("mainspring."):
            return None
        if not self._known:
            self._known = {name for ident, step in self._saved.items() for name in list_names_in(ident, step)}
        new = [name for name in list_names_in(request.ident, request.name) if name not in self._known]
        if not new:
            return None
        requested = code_of(call.fn) if isinstance(call, StepCall) else None
        reachable = find_reachable_names(automation.fn, requested)
        decided = {*automation.definition.option("gone"), *self.renames}
        for ident, step in self._unrequested(body):
            for name in list_names_in(ident, step):
                if name not in reachable and name not in decided:
                    return MissingStep(ident, name, new[0])
        self._is_settled = True
        return None

    def has_unrequested(self, body: "Body") -> bool:
        """Return whether a step or run had, or may have had, its effect, and the code has not requested it."""
        return next(self._unrequested(body), None) is not None

    def _unrequested(self, body: "Body") -> Iterator[tuple[str, str]]:
        """Yield identity and name of each step that had, or may have had, its effect, and that the code has not requested."""
        done: list[Outcome] = [outcome for outcome in body.unclaimed.values() if outcome.state in _DONE]
        done += [outcome for outcome in body.doubts.values() if outcome.ident not in body.waiting]
        for outcome in sorted(done, key=lambda outcome: outcome.rank):
            if outcome.kind in REPEATABLE:
                yield outcome.ident, outcome.name
        yield from self.marked.items()


def _former_functions(automation: Automation | None) -> list[tuple[str, str]]:
    """Return the start of the names of branches that the workflow's function contains, today's and each earlier one."""
    if automation is None or automation.fn is None:
        return []
    name = automation.fn.__qualname__.replace("<locals>.", "")
    head, dot, _ = name.rpartition(".")
    return [(f"{name}.", f"{head}{dot}{old}.") for old in automation.definition.options.get("was", ())]


def _branches_of(ident: str) -> Iterator[str]:
    branch = read_branch(ident)
    while branch:
        yield branch
        branch = branch[: branch.rfind("/", 0, -1) + 1]


def _entered_results(history: History) -> Iterator[tuple[str, str]]:
    """Yield identity and name of each step or child whose result a person entered and the run has not accepted."""
    replaced = {outcome.ident: outcome for outcome in history.superseded}
    for fact in history.facts:
        if fact.kind is FactKind.RESULT and fact.ident is not None and not fact.ident.startswith("undo:"):
            outcome = replaced.get(fact.ident)
            if outcome is None or outcome.kind in REPEATABLE:
                yield fact.ident, read_step_name(fact.ident) if outcome is None else outcome.name


def _ordered_repeats(history: History) -> Iterator[tuple[str, str]]:
    """Yield identity and name of each step whose repetition a person ordered, under the same idempotency key, although it may be done."""
    for outcome in history.superseded:
        if outcome.kind in REPEATABLE and outcome.state in _UNSETTLED and outcome.superseded == outcome.generation:
            yield outcome.ident, outcome.name
    for attempt in history.ordered:
        if not attempt.ident.startswith("undo:"):
            yield attempt.ident, attempt.name


def list_names_in(ident: str, step: str) -> list[str]:
    """Return the name of a step and those of the coroutines that requested it."""
    names = [step]
    for part in filter(None, read_branch(ident).split("/")):
        name = part.rpartition("#")[0].removesuffix(".aclose")
        if not name.startswith(_OWN_BRANCHES):
            names.append(name.rpartition(".")[2])
    return names
