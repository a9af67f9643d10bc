"""Batching: in which order a group's commands are answered, and which of them together.

Commands of one run keep their order. Commands of two runs may change places only where neither can see the other: those of the kinds
below that go the plain way. All others are answered by their handler, one by one, after all that stands before and before all that comes
after. So is each command that its statement did not answer: what is said to an owner that lost its claim, or to one that says a thing
twice, is known in one place only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint, SaveOutcome
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.runs import AnnotateRun, CompleteRun, FinishRun, StartRun, SuspendRun
from mainspring.store.commands.triggers import AcceptDelivery, DecideDelivery
from mainspring.store.postgres.bulk import deliveries, journal, logs, run_transitions, starts
from mainspring.store.postgres.bulk.batch_rule import BatchRule
from mainspring.store.postgres.transaction import PostgresTransaction

FEWEST = 2
"""For fewer commands a statement for many is no gain."""

KINDS: Final[dict[type, BatchRule]] = {
    StartRun: starts.STARTS,
    AcceptDelivery: deliveries.ARRIVALS,
    DecideDelivery: deliveries.DECISIONS,
    SaveLogs: logs.LINES,
    SaveAttempt: journal.ATTEMPTS,
    SaveOutcome: journal.OUTCOMES,
    SaveCheckpoint: journal.CHECKPOINTS,
    AnnotateRun: run_transitions.ANNOTATIONS,
    SuspendRun: run_transitions.SUSPENSIONS,
    FinishRun: run_transitions.ENDS,
    CompleteRun: run_transitions.COMPLETIONS,
}
"""In the order in which one turn answers them."""
STARTING: Final = frozenset({StartRun, AcceptDelivery, DecideDelivery})
"""What stages runs: their order is kept, so one turn has starts of one kind alone."""
_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class BatchFailedError(Exception):
    """A statement for many commands failed; whose fault it was is not known."""


Ordinary = Callable[[int], Any]
"""Lets the handler answer the command at this place of the group."""


def answer_commands(
    tx: PostgresTransaction, commands: list[Any], ordinary: Ordinary, on_many: Callable[[], None] = lambda: None
) -> list[Any]:
    """Answer a group's commands, many at a time where that makes no difference. `on_many` is called before a statement for many."""
    answers: list[Any] = [None] * len(commands)
    for stretch in _stretches(tx, commands):
        if len(stretch) < FEWEST:
            for index in stretch:
                answers[index] = ordinary(index)
            continue
        for turn in _turns(commands, stretch):
            for kind, places in turn:
                on_many()
                found = KINDS[kind].answer(tx, [commands[index] for index in places])
                for index, result in zip(places, found, strict=True):
                    answers[index] = ordinary(index) if result is None else result
    return answers


def _stretches(tx: PostgresTransaction, commands: list[Any]) -> Iterator[list[int]]:
    """Return the places of commands that may change places, stretch by stretch; what is not plain is a stretch by itself.

    What is plain is looked at when all that stands before was answered.
    """
    start = 0
    while start < len(commands):
        end = start
        while end < len(commands) and type(commands[end]) in KINDS:
            end += 1
        plain = _plain(tx, commands[start:end]) if end - start >= FEWEST else [False] * (end - start)
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


def _plain(tx: PostgresTransaction, commands: Sequence[Any]) -> list[bool]:
    """Tell of each command whether it concerns its own run alone; an end does not if a child is asked for beside it."""
    plain = [True] * len(commands)
    for kind, what in KINDS.items():
        if what.plain is not None:
            places = [index for index, command in enumerate(commands) if type(command) is kind]
            if places:
                found = what.plain(tx, [commands[index] for index in places])
                for index, is_plain in zip(places, found, strict=True):
                    plain[index] = is_plain
    asked = {c.parent.run for c in commands if isinstance(c, StartRun) and c.parent is not None}
    return [
        is_plain and not (isinstance(command, FinishRun) and command.run in asked)
        for command, is_plain in zip(commands, plain, strict=True)
    ]


def _turns(commands: list[Any], places: list[int]) -> Iterator[list[tuple[type, list[int]]]]:
    """Return what is answered together: in one turn each run has at most one row for a key, and its kinds in the order of KINDS."""
    while places:
        turn: dict[type, list[int]] = {}
        left: list[int] = []
        starting: type | None = None
        others_start = False
        last: dict[str, int] = {}
        seen: set[Any] = set()
        for index in places:
            command = commands[index]
            kind = type(command)
            what = KINDS[kind]
            run = what.run(command)
            place = _PLACES[kind]
            key = (place, what.key(command))
            if kind in STARTING:
                starting = starting or kind
                others_start |= kind is not starting
            if place < last.get(run, 0) or key in seen or (others_start and kind in STARTING):
                last[run] = len(KINDS)  # all that this run has after it waits too
                left.append(index)
                continue
            last[run] = place
            seen.add(key)
            turn.setdefault(kind, []).append(index)
        yield sorted(turn.items(), key=lambda pair: _PLACES[pair[0]])
        places = left
