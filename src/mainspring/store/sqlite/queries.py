"""Texts of the statements: one file `queries/<verb>.sql` each, read once.

No statement repeats a state's name by itself. It writes a placeholder, filled in from `domain` when the text is loaded:

    {{running}}          a state, reason or kind of domain.states and domain.journal, as a quoted literal
    {{sources.suspend}}  the states from which the move is legal, as a list in parentheses: every change of a run's state is guarded by it
    {{target.suspend}}   the state in which the move ends, as a quoted literal
    {{terminal}} {{idle}} {{reopenable}}   the groups of domain.states, as lists in parentheses
"""

import re
from collections.abc import Iterable
from importlib import resources

from mainspring.domain.journal import FactKind, OutcomeKind
from mainspring.domain.states import (
    IDLE,
    REOPENABLE,
    TERMINAL,
    AttemptState,
    FailureReason,
    Move,
    OutcomeState,
    RunState,
    SessionState,
    sources,
    target,
)

_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")
_FOLDER = resources.files("mainspring.store.sqlite") / "queries"


class _Texts(dict[str, str]):
    """Statement texts by name, loaded when first asked for."""

    def __missing__(self, name: str) -> str:
        text = fill((_FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip().rstrip(";"))
        self[name] = text
        return text


def fill(text: str) -> str:
    """Replace the placeholders of a statement.

    Raises:
        KeyError: a placeholder names nothing of ours.
    """
    return _PLACEHOLDER.sub(lambda match: _WORDS[match[1]], text)


def names() -> list[str]:
    """Return the names of all statements there are."""
    return sorted(entry.name.removesuffix(".sql") for entry in _FOLDER.iterdir() if entry.name.endswith(".sql"))


def _listed(states: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def _words() -> dict[str, str]:
    """Make the table of everything a placeholder may name."""
    enums = (RunState, OutcomeState, AttemptState, FailureReason, SessionState, OutcomeKind, FactKind)
    table = {member.value: f"'{member.value}'" for enum in enums for member in enum}
    table |= {"terminal": _listed(TERMINAL), "idle": _listed(IDLE), "reopenable": _listed(REOPENABLE)}
    for move in Move:
        table[f"sources.{move.value}"] = _listed(sources(move))
        table[f"target.{move.value}"] = f"'{target(move).value}'"
    return table


_WORDS = _words()
TEXTS = _Texts()
"""Statement texts by name. An unknown name is a FileNotFoundError: a mistake of ours, not of a caller."""
