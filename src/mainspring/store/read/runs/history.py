"""History of runs for a worker: the data to resume a run, and new facts of the runs it owns."""

import json
from collections.abc import Iterator, Sequence

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import Fact, History
from mainspring.store.base import StoreReader
from mainspring.store.schema.messages.inbox import FACT
from mainspring.store.schema.runs.attempts import ATTEMPT_OF_RUN
from mainspring.store.schema.runs.checkpoints import CHECKPOINT_OF_RUN
from mainspring.store.schema.runs.journal import OUTCOME_OF_RUN

_ROW_BYTES = 500  # of an outcome in memory, without its values
_FAILURE = msgspec.json.Decoder(Failure)


def failure_of(data: bytes | None) -> Failure | None:
    """Return the failure stored in a row."""
    return None if data is None else _FAILURE.decode(data)


def histories(reader: StoreReader, runs: Sequence[str], about_bytes: int) -> list[History]:
    """Return the data to resume runs, from one commit's view: of the first ones, up to about so many bytes of saved
    outcomes.
    """
    with reader.snapshot() as read:
        sizes = {run: rows * _ROW_BYTES + size for run, rows, size in read("measure_journals_of", (json.dumps(runs),))}
        histories_by_run = {run: History([], [], {}, [], []) for run in _first_of(runs, sizes, about_bytes)}
        params = (json.dumps(list(histories_by_run)),)
        for saved in OUTCOME_OF_RUN.read_all(read("list_outcomes_of", params)):
            history = histories_by_run[saved.run]
            (history.outcomes if saved.outcome.superseded is None else history.superseded).append(saved.outcome)
        for tried in ATTEMPT_OF_RUN.read_all(read("list_open_attempts_of", params)):
            history = histories_by_run[tried.run]
            (history.attempts if tried.attempt.superseded is None else history.ordered).append(tried.attempt)
        for point in CHECKPOINT_OF_RUN.read_all(read("list_checkpoints_of", params)):
            histories_by_run[point.run].checkpoints[point.checkpoint.ident] = point.checkpoint
        for run, old, new in read("list_step_renames_of", params):
            histories_by_run[run].renames[old] = new
        for run, ident, stream, next_n in read("list_stream_writers_of", params):
            if ident:
                histories_by_run[run].stream_writers.append(ident)
            else:
                histories_by_run[run].body_records[stream] = next_n
        for run, ident in read("list_unfinished_children_of", params):
            histories_by_run[run].children.append(ident)
        for fact in FACT.read_all(read("list_facts_of", params)):
            histories_by_run[fact.run].facts.append(fact)
    return list(histories_by_run.values())


def read_step_renames(reader: StoreReader, run: str) -> dict[str, str | None]:
    """Return the decisions of a person on steps that the code of a run could not request any more: old name -> new name."""
    rows = reader.read("list_step_renames_of", (json.dumps([run]),))
    return {str(old): None if new is None else str(new) for _, old, new in rows}


def _first_of(runs: Sequence[str], sizes: dict[str, int], about_bytes: int) -> Iterator[str]:
    """Yield the first runs, up to the one that reaches the bound."""
    size = 0
    for run in runs:
        yield run
        size += sizes.get(run, 0)
        if size >= about_bytes:
            return


def facts_after(reader: StoreReader, session: int, seq: int) -> list[Fact]:
    """Return facts newer than `seq` in the inboxes of the runs this session owns."""
    return FACT.read_all(reader.read("list_facts_after", (session, seq)))


def read_unfinished_children(reader: StoreReader, run: str) -> list[str]:
    """Return the requests of a run whose children have not ended."""
    return [str(ident) for _, ident in reader.read("list_unfinished_children_of", (json.dumps([run]),))]
