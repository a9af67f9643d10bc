"""Batching: the order in which a group's commands are answered, and which of them are answered together.

Commands of one run keep their order. Commands of two runs may be reordered only if neither can see the other: plain
ones of the kinds below. The handler answers all others one by one, after all commands before and before all commands
after them. It also answers each command that the bulk statement did not answer: the answer to an owner that lost its
claim, or that repeats a command, is known in one place only.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final

from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint, SaveOutcome
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.runs import AnnotateRun, CompleteRun, FinishRun, StartRun, SuspendRun
from mainspring.store.commands.triggers import AcceptDelivery, DecideDelivery
from mainspring.store.postgres.bulk import deliveries, journal, run_transitions, starts
from mainspring.store.postgres.bulk.audited_starts import AUDITED_STARTS
from mainspring.store.postgres.bulk.batch_rule import BatchRule, rule_entry
from mainspring.store.postgres.transaction import PostgresTransaction

FEWEST = 2
"""A bulk statement gains nothing for fewer commands."""

KINDS: Final[dict[type[StoreCommand[object]], BatchRule[StoreCommand[object]]]] = dict(
    (
        rule_entry(AuditedCommand, AUDITED_STARTS),
        rule_entry(StartRun, starts.STARTS),
        rule_entry(AcceptDelivery, deliveries.DELIVERIES),
        rule_entry(DecideDelivery, deliveries.DECISIONS),
        rule_entry(SaveLogs, journal.LINES),
        rule_entry(SaveAttempt, journal.ATTEMPTS),
        rule_entry(SaveOutcome, journal.OUTCOMES),
        rule_entry(SaveCheckpoint, journal.CHECKPOINTS),
        rule_entry(AnnotateRun, run_transitions.ANNOTATIONS),
        rule_entry(SuspendRun, run_transitions.SUSPENSIONS),
        rule_entry(FinishRun, run_transitions.ENDS),
        rule_entry(CompleteRun, run_transitions.COMPLETIONS),
    )
)
"""In the order of one turn."""
STARTING: Final = frozenset({AuditedCommand, StartRun, AcceptDelivery, DecideDelivery})
"""Commands that create runs: their order is kept, so one turn has only one kind of them."""
_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class BatchFailedError(Exception):
    """A bulk statement failed; the guilty command is unknown."""


AnswerOne = Callable[[int], object]
"""Calls the handler of the command at this index of the group."""


def answer_commands(
    tx: PostgresTransaction,
    commands: list[StoreCommand[object]],
    answer_one: AnswerOne,
    on_many: Callable[[], None] = lambda: None,
) -> list[object]:
    """Answer a group's commands, in bulk where the result is the same. `on_many` is called before a bulk statement."""
    answers: list[object] = [None] * len(commands)
    for stretch in _list_stretches(tx, commands):
        if len(stretch) < FEWEST:
            for index in stretch:
                answers[index] = answer_one(index)
            continue
        for turn in _list_turns(commands, stretch):
            for kind, places in turn:
                on_many()
                results = KINDS[kind].answer(tx, [commands[index] for index in places])
                for index, result in zip(places, results, strict=True):
                    answers[index] = answer_one(index) if result is None else result
    return answers


def _list_stretches(tx: PostgresTransaction, commands: list[StoreCommand[object]]) -> Iterator[list[int]]:
    """Yield the indexes of commands that may be reordered, stretch by stretch; a command that is not plain is a stretch
    by itself.

    Commands are checked only when all commands before them were answered.
    """
    start = 0
    while start < len(commands):
        end = start
        while end < len(commands) and type(commands[end]) in KINDS:
            end += 1
        plain = _find_plain(tx, commands[start:end]) if end - start >= FEWEST else [False] * (end - start)
        stretch: list[int] = []
        for index, is_plain in enumerate(plain, start):
            if is_plain:
                stretch.append(index)
                continue
            if stretch:
                yield stretch
                stretch = []
            yield [index]
        if stretch:
            yield stretch
        if end < len(commands) and type(commands[end]) not in KINDS:
            yield [end]
            end += 1
        start = end


def _find_plain(tx: PostgresTransaction, commands: Sequence[StoreCommand[object]]) -> list[bool]:
    """Tell for each command whether it concerns only its own run; an end does not if the group also requests a child of
    the run.
    """
    plain = [True] * len(commands)
    for kind, rule in KINDS.items():
        if rule.plain is not None:
            places = [index for index, command in enumerate(commands) if type(command) is kind]
            if places:
                plain_of_kind = rule.plain(tx, [commands[index] for index in places])
                for index, is_plain in zip(places, plain_of_kind, strict=True):
                    plain[index] = is_plain
    parents = {c.parent.run for c in commands if isinstance(c, StartRun) and c.parent is not None}
    return [
        is_plain and not (isinstance(command, FinishRun) and command.run in parents)
        for command, is_plain in zip(commands, plain, strict=True)
    ]


def _list_turns(
    commands: list[StoreCommand[object]], places: list[int]
) -> Iterator[list[tuple[type[StoreCommand[object]], list[int]]]]:
    """Yield the commands that are answered together: in one turn each run has at most one row for a key, and its kinds
    in the order of KINDS.
    """
    while places:
        turn: dict[type[StoreCommand[object]], list[int]] = {}
        later_places: list[int] = []
        starting: type | None = None
        has_other_starts = False
        last_kinds: dict[str, int] = {}
        keys: set[tuple[int, Hashable]] = set()
        for index in places:
            command = commands[index]
            kind = type(command)
            rule = KINDS[kind]
            run = rule.run(command)
            place = _PLACES[kind]
            key = (place, rule.key(command))
            if kind in STARTING:
                starting = starting or kind
                has_other_starts |= kind is not starting
            if place < last_kinds.get(run, 0) or key in keys or (has_other_starts and kind in STARTING):
                last_kinds[run] = len(KINDS)  # all later commands of this run wait too
                later_places.append(index)
                continue
            last_kinds[run] = place
            keys.add(key)
            turn.setdefault(kind, []).append(index)
        yield sorted(turn.items(), key=lambda pair: _PLACES[pair[0]])
        places = later_places
