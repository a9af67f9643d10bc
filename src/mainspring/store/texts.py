"""Texts of the statements: one file `<verb>_<object>.sql` each, found by name and read once per database.

A statement for every database lies in `store/queries`. A database that needs another wording has a file of the same
name in its own `queries`, which replaces the shared one. Sub-folders of `queries` sort the files for readers. Code
names a statement without its folder, so a name stands once in each `queries`. `store/queries/README.md` has the rules
of a good statement. Parameters are written as in SQLite: `?`, `?1` or `:name`.

No statement repeats a state's name. It has a placeholder, which is replaced from `domain` when the text is loaded:

    {{running}}          a state, reason or kind of domain.states and domain.runs.journal, as a quoted literal
    {{sources.suspend}}  the states from which the move is legal, as a list in parentheses: it guards each change of a
        run's state
    {{incident.resolve}} the state in which a move of an incident ends; {{bulk.end}} of a bulk operation
    {{target.suspend}}   the state in which the move ends, as a quoted literal
    {{terminal}} {{idle}} {{reopenable}} {{undecided}}   the groups of domain.states, as lists in parentheses
    {{unexplained_losses}}   the losses of a worker that no supervisor saw, as a list in parentheses
    {{member.discarded}} {{healthy.item}}   why a member of an incident is settled; when a run counts as healthy again
    {{effect.complete}} {{effect_sources.complete}}   the state in which a move of an effect ends; those from which it is legal
    {{update.accept}} {{update_sources.accept}}   the state in which a move of an update ends; those from which it is legal
    {{recovery.person}}  how an unknown outcome of an effect is settled
    {{call.blocked}}     the outcome of a call of an effect
    {{for_ever}}         the last instant
    {{backfills}}        a pattern for the triggers of runs that a backfill created
    {{columns.runs.claimed_run}}   the columns of a row of a table, see `store/schema`; {{insert...}} and {{unnest...}}: its
        columns with their parameters
    {{rollout.pause}} {{active_rollouts}}   the state in which a move of a rollout ends; those in which new runs are divided
    {{rollout_verbs}}    the operations on rollouts as the audit log names them, as a list in parentheses
    {{condition.audit_fits}}   a condition shared by several statements, from `store/conditions`
"""

import os
from collections.abc import Callable, Iterable, Iterator
from errno import ENOENT
from functools import cached_property
from pathlib import Path

from mainspring.domain.effects.effect import CallOutcome, Recovery
from mainspring.domain.incidents.incident_members import FIXED_SETTLEMENTS, HealthRule, Settlement
from mainspring.domain.processes.worker_loss import UNEXPLAINED_LOSSES
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.states import (
    ACTIVE_ROLLOUT_STATES,
    BULK_MOVES,
    EFFECT_MOVES,
    IDLE_STATES,
    INCIDENT_MOVES,
    REOPENABLE_STATES,
    ROLLOUT_MOVES,
    ROLLOUT_VERBS,
    TERMINAL_STATES,
    UNDECIDED_STATES,
    UPDATE_MOVES,
    AlertState,
    AttemptState,
    BulkState,
    DeliveryState,
    EffectState,
    FailureReason,
    IncidentMove,
    IncidentState,
    MessageState,
    OutcomeState,
    RunMove,
    RunState,
    SessionState,
    source_states,
    target_state,
)
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.store.commands.automations import BACKFILL
from mainspring.store.schema.renames import rename_statements
from mainspring.store.schema.row import COLUMN_LISTS, column_list

FOR_EVER = 2**63 - 1
"""The value of an instant that never comes."""
_PLACEHOLDER = lazy_pattern(r"\{\{\s*([a-z_.]+)\s*\}\}")
_SHARED = Path(__file__).parent


class StatementTexts(dict[str, str]):
    """Statement texts of one database by name, loaded at first use.

    `folder` is the folder of the database's own package, `wording` converts a shared text into one that it can run. An
    unknown name is a FileNotFoundError: a bug of Mainspring.
    """

    def __init__(self, folder: Path, wording: Callable[[str], str]) -> None:
        super().__init__()
        self._folders = [package / "queries" for package in (_SHARED, folder)]
        self._wording = wording

    def __missing__(self, name: str) -> str:
        self[name] = text = self.worded(self.source(name))
        return text

    @cached_property
    def _files(self) -> dict[str, str]:
        """Paths of the statements by name: a database's own file replaces the shared one."""
        return {name: path for folder in self._folders for name, path in statement_files(folder)}

    def source(self, name: str) -> str:
        """Return a text as it is written in its file."""
        path = self._files.get(name)
        if path is None:
            made = rename_statements().get(name)
            if made is None:
                raise FileNotFoundError(ENOENT, "there is no such statement", f"{name}.sql")
            return made
        return Path(path).read_text(encoding="utf-8").strip().rstrip(";")

    def worded(self, text: str) -> str:
        """Return a shared text as this database runs it."""
        return self._wording(fill(text))

    def names(self) -> list[str]:
        """Return the names of all statements, those of renames included (`schema/renames.py`)."""
        return sorted({*self._files, *rename_statements()})


def statement_files(folder: str | Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each statement in a folder and those below it."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".sql"):
                yield entry.name.removesuffix(".sql"), entry.path
            elif entry.is_dir():
                yield from statement_files(entry.path)


def fill(text: str) -> str:
    """Replace the placeholders of a statement.

    Raises:
        KeyError: a placeholder has an unknown name.
    """
    return _PLACEHOLDER.sub(lambda match: _value_of(match[1]), text)


def _value_of(placeholder: str) -> str:
    """Return the text of a placeholder; lists of columns are made when they are needed."""
    kind, *names = placeholder.split(".")
    if kind in COLUMN_LISTS:
        return fill(column_list(kind, *names))
    return _PLACEHOLDER_VALUES[placeholder]


def _listed(states: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def _placeholder_values() -> dict[str, str]:
    """Return the table of all placeholders."""
    enums = (
        *(RunState, OutcomeState, AttemptState, DeliveryState, MessageState, FailureReason, SessionState),
        *(IncidentState, IncidentMove, AlertState, BulkState, EffectState),
        *(OutcomeKind, FactKind),
    )
    table = {member.value: f"'{member.value}'" for enum in enums for member in enum}
    table |= {
        "terminal": _listed(TERMINAL_STATES),
        "idle": _listed(IDLE_STATES),
        "reopenable": _listed(REOPENABLE_STATES),
        "undecided": _listed(UNDECIDED_STATES),
        "unexplained_losses": _listed(UNEXPLAINED_LOSSES),
        "active_rollouts": _listed(ACTIVE_ROLLOUT_STATES),
        "rollout_verbs": _listed(ROLLOUT_VERBS),
    }
    for effect_move, (sources, effect_state) in EFFECT_MOVES.items():
        table[f"effect_sources.{effect_move.value}"] = _listed(sources)
        table[f"effect.{effect_move.value}"] = f"'{effect_state.value}'"
    for update_move, (update_sources, update_state) in UPDATE_MOVES.items():
        table[f"update_sources.{update_move.value}"] = _listed(update_sources)
        table[f"update.{update_move.value}"] = f"'{update_state.value}'"
    table |= {f"recovery.{recovery.value}": f"'{recovery.value}'" for recovery in Recovery}
    table |= {f"call.{call_outcome.value}": f"'{call_outcome.value}'" for call_outcome in CallOutcome}
    table |= {"for_ever": str(FOR_EVER), "backfills": f"'{BACKFILL}%'"}
    for move in RunMove:
        table[f"sources.{move.value}"] = _listed(source_states(move))
        table[f"target.{move.value}"] = f"'{target_state(move).value}'"
    for incident_move, (_, state) in INCIDENT_MOVES.items():
        table[f"incident.{incident_move.value}"] = f"'{state.value}'"
    for rollout_move, (_, rollout_state) in ROLLOUT_MOVES.items():
        table[f"rollout.{rollout_move.value}"] = f"'{rollout_state.value}'"
    for verb, (_, end) in BULK_MOVES.items():
        table[f"bulk.{verb.value}"] = f"'{end.value}'"
    table |= {f"member.{settlement.value}": f"'{settlement.value}'" for settlement in Settlement}
    table["members.fixed"] = _listed(FIXED_SETTLEMENTS)
    table |= {f"healthy.{rule.value}": f"'{rule.value}'" for rule in HealthRule}
    for file in (_SHARED / "conditions").iterdir():
        table[f"condition.{file.name.removesuffix('.sql')}"] = file.read_text(encoding="utf-8").strip()
    return table


_PLACEHOLDER_VALUES = _placeholder_values()
