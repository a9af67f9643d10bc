"""Views of runs for people: one run and its history, ids from what a person types, lists page by page."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Outcome
from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.store.base import Snapshot, StoreReader
from mainspring.store.read.list_bounds import LAST
from mainspring.store.read.runs.history import failure_of
from mainspring.store.read.runs.measurements import sum_run_numbers
from mainspring.store.read.short_ids import IdKind, ambiguous, ids_ending
from mainspring.store.read.time_search import number_at
from mainspring.store.schema.effects.effect_calls import BLOCKED_CALL, MOST_BLOCKED
from mainspring.store.schema.messages.inbox import FACT
from mainspring.store.schema.messages.rejected_facts import REJECTED_ROW
from mainspring.store.schema.messages.run_queries import QUERY_VIEW
from mainspring.store.schema.messages.run_updates import UPDATE_VIEW
from mainspring.store.schema.messages.waits import WAIT_VIEW
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.schema.runs.attempts import ATTEMPT, NEWEST_ATTEMPT
from mainspring.store.schema.runs.checkpoints import CHECKPOINT
from mainspring.store.schema.runs.journal import OUTCOME, OUTCOME_OUTLINE
from mainspring.store.schema.runs.run_pauses import RUN_PAUSE
from mainspring.store.schema.runs.run_retries import RUN_RETRY
from mainspring.store.schema.runs.runs import RUN_ROW, RUN_VIEW
from mainspring.store.schema.runs.stalled_attempts import STALL
from mainspring.store.schema.runs.worker_losses import WORKER_LOSS
from mainspring.store.views import QueryView, RunHistory, RunPage, RunRow, RunView, StepView, UpdateView, WaitView

_MOST_LISTED = 5
_MOST_NAME_PARTS = 8
"""Parts with slashes between them in the name of an automation that is found with a run key."""
_CHILDREN = 100
_LOSSES = 20
_FORKS = 20
_UPDATES = 100
OUTLINE: Final = 500
_GENERATIONS, _ATTEMPTS = 20, 100
_COLUMNS = ", ".join(RUN_ROW.expressions)
_UNLISTED = {
    RunState.RUNNING: "runs indexed by runs_running where state = {{running}}",
    RunState.SUCCEEDED: "runs where state = {{succeeded}}",
}
"""States that the index of states omits: few runs, or nearly all."""
_LISTED = "runs indexed by runs_state where state = {{%s}} and state not in ({{running}}, {{succeeded}})"
IN_STATE = {state: _UNLISTED.get(state, _LISTED % state.value) for state in RunState}
"""The text after "from" for the runs of each state."""
_ALL = ("runs where 1 = 1", "seq")


def place_in(state: RunState) -> str:
    """Return the expression by which runs of a state are compared with a place in commit order, and sorted.

    The index of running runs does not contain the place. They are few, so each is checked; a server that plans for any
    values would read all places in range, or walk down them, possibly those of all runs.
    """
    return "+seq" if state is RunState.RUNNING else "seq"


def run_view(reader: StoreReader, run: str) -> RunView:
    """Return one run.

    Raises:
        NotFoundError: there is none with this id.
    """
    rows = reader.read("read_run", (run,))
    if not rows:
        raise run_not_found(run)
    return RUN_VIEW.read(rows[0])


def newest_of(reader: StoreReader, run: str) -> str:
    """Return the last run that continues a run; itself if there is none. The first one may be pruned."""
    return first_value(reader.read("find_newest_of_chain", (run,)), str) or run


def run_not_found(run: str) -> NotFoundError:
    """Return the error for a missing run."""
    return NotFoundError(f"there is no run {run}", hint="See: mainspring runs list")


def resolve_id(reader: StoreReader, text: str) -> str:
    """Return the id that a person means: a whole id, its beginning, its displayed end, AUTOMATION/KEY, `@last` or `@failed` (needs
    attention too).

    Raises:
        NotFoundError: no run matches.
        ConflictError: several runs match; some are listed.
    """
    if text == "@last":
        run_ids = first_values(reader.read("find_last_run"), str)
    elif text == "@failed":
        both = (reader.read("find_last_failed_run"), reader.read("find_last_stopped_run"))
        run_ids = sorted((run for rows in both for run in first_values(rows, str)), reverse=True)[:1]
    elif (of_key := find_run_of_key(reader, text)) is not None:
        return of_key.run
    else:
        prefix = text if text.startswith("r_") or reader.read("find_run_state", (text,)) else f"r_{text}"
        run_ids = first_values(reader.read("list_run_ids_from", (prefix, prefix + LAST, _MOST_LISTED + 1)), str)
        if prefix in run_ids:
            return prefix
        run_ids += [ending.id for ending in ids_ending(reader, IdKind.RUN, text) if ending.id not in run_ids]
    if not run_ids:
        raise NotFoundError(f"there is no run {text}", hint="See: mainspring runs list")
    if len(run_ids) > 1:
        raise ambiguous(IdKind.RUN, text, run_ids)
    return str(run_ids[0])


class RunOfKey(NamedTuple):
    """The newest run of a run key."""

    automation: str
    run: str


def find_run_of_key(reader: StoreReader, text: str) -> RunOfKey | None:
    """Return the newest run of a run key that is written AUTOMATION/KEY; None = there is none. A key may contain slashes, a name a few."""
    parts = text.split("/")
    for count in range(1, min(len(parts), _MOST_NAME_PARTS + 1)):
        automation, key = "/".join(parts[:count]), "/".join(parts[count:])
        run = first_value(reader.read("find_run_of_key", (automation, key)), str)
        if run is not None and reader.read("find_run_state", (run,)):  # the key may live longer than its run
            return RunOfKey(automation, run)
    return None


def list_runs(
    reader: StoreReader,
    *,
    states: tuple[RunState, ...] = (),
    name: str | None = None,
    since_at: int | None = None,
    until_at: int | None = None,
    limit: int = 50,
    cursor: int | None = None,
) -> RunPage:
    """Return a page of runs, newest first, after `cursor`; created from `since_at` to before `until_at`."""
    if until_at is not None:
        first = first_created_at(reader, until_at)
        cursor = first if cursor is None else min(cursor, first)
    clauses: list[str] = []
    params: list[object] = []
    if name is not None:
        clauses.append("automation = ?")
        params.append(name)
    if cursor is not None:
        params.append(cursor)
    rows: list[RunRow] = []
    # State by state: each is one range of an index, however many runs the other states have.
    for source, place in [(IN_STATE[state], place_in(state)) for state in dict.fromkeys(states)] or [_ALL]:
        conditions = " and ".join((source, *clauses, *([] if cursor is None else [f"{place} < ?"])))
        text = f"select {_COLUMNS} from {conditions} order by {place} desc limit ?"  # noqa: S608 - our words
        rows += RUN_ROW.read_all(reader.read_text(text, (*params, limit + 1)))
    rows.sort(key=lambda row: -row.seq)
    # Commit order is the order of creation: the first run that is too old ends the list.
    matches = [row for row in rows if since_at is None or row.created_at >= since_at]
    more = len(matches) > limit
    return RunPage(matches[:limit], matches[limit - 1].seq if more else None)


def first_created_at(reader: StoreReader, at: int) -> int:
    """Return the number of the first run that was not created before an instant: commit order is the order of creation."""
    with reader.snapshot() as read:
        return number_at(read, at, newest="find_newest_run_number", time_at="find_run_creation_time")


def failures_of(reader: StoreReader, runs: Sequence[str]) -> dict[str, Failure]:
    """Return why runs failed or need a person; missing runs, and runs without a failure, are omitted."""
    rows = reader.read("list_failures_of", (msgspec.json.encode(runs).decode(),))
    return {run: found for run, failure in rows if (found := failure_of(failure)) is not None}


def run_history(reader: StoreReader, run: str) -> RunHistory:
    """Return the whole history of one run.

    Raises:
        NotFoundError: there is none with this id.
    """
    with reader.snapshot() as read:
        found = read("read_run", (run,))
        if not found:
            raise run_not_found(run)
        return _read_history(
            read,
            RUN_VIEW.read(found[0]),
            OUTCOME.read_all(read("read_history_outcomes", (run,))),
            ATTEMPT.read_all(read("list_attempts_of_run", (run,))),
        )


def _read_history(read: Snapshot, run: RunView, outcomes: list[Outcome], attempts: list[AttemptRecord]) -> RunHistory:
    # The run's row is updated when the run is suspended; while it runs its outcomes are ahead of it.
    has_stopped = run.state in REOPENABLE_STATES
    saved = max((outcome.rank for outcome in outcomes), default=0)
    return RunHistory(
        run=run if saved <= run.rank else msgspec.structs.replace(run, rank=saved, steps=saved),
        outcomes=outcomes,
        attempts=attempts,
        checkpoints={point.ident: point for point in CHECKPOINT.read_all(read("list_checkpoints_of_run", (run.id,)))},
        facts=FACT.read_all(read("list_inbox", (run.id,))),
        waits=WAIT_VIEW.read_all(read("list_waits", (run.id,))),
        children=RUN_ROW.read_all(read("list_children", (run.id, _CHILDREN))),
        stalls=STALL.read_all(read("list_stalled_attempts_of", (run.id,))),
        rejected=[row.rejection for row in REJECTED_ROW.read_all(read("list_rejected_facts", (run.id,)))],
        losses=WORKER_LOSS.read_all(read("list_worker_losses", (run.id, _LOSSES))),
        blocked_calls=BLOCKED_CALL.read_all(read("list_blocked_calls", (run.id, MOST_BLOCKED)) if has_stopped else ()),
        numbers=sum_run_numbers(read("list_measurements_of_run", (run.id,))),
        forks=RUN_ROW.read_all(read("list_forks", (run.id, _FORKS)) if run.finished_at is not None else ()),
        retry=RUN_RETRY.read_first(read("read_run_retry", (run.id,))),
        started=RUN_ROW.read_all(read("list_started_runs", (run.id, _CHILDREN)))[::-1],
        updates=UPDATE_VIEW.read_all(read("list_updates", (run.id, _UPDATES)))[::-1],
        pause=RUN_PAUSE.read_first(read("read_run_pause", (run.id,)) if run.state is RunState.PAUSED else ()),
    )


def outline(reader: StoreReader, run: str, most: int = OUTLINE) -> RunHistory:
    """Return the history of a run without the values of its steps, bounded: the newest of its outcomes and attempts.

    The most important ones are included however old they are: those that did not end well, those with an undo, the
    first step, and the step where it stopped; of each kind the newest `most`.

    Raises:
        NotFoundError: there is none with this id.
    """
    with reader.snapshot() as read:
        found = read("read_run", (run,))
        if not found:
            raise run_not_found(run)
        view = RUN_VIEW.read(found[0])
        outcomes = OUTCOME_OUTLINE.read_all(read("read_journal_outline", (run, most, view.failed_ident)))
        included = {(outcome.ident, outcome.generation) for outcome in outcomes}
        # An attempt with an outcome that is not among these would look unsettled.
        attempts = [
            row.attempt
            for row in NEWEST_ATTEMPT.read_all(read("list_newest_attempts", (run, most)))
            if not row.is_settled or (row.attempt.ident, row.attempt.generation) in included
        ]
        return _read_history(read, view, outcomes, attempts[::-1])


def journal(reader: StoreReader, run: str, *, limit: int = 50, cursor: int | None = None) -> list[Outcome]:
    """Return outcomes of a run, including superseded ones, newest first, of a rank below `cursor`."""
    return OUTCOME.read_all(reader.read("list_journal", (run, cursor, limit)))


def answers(reader: StoreReader, run: str, limit: int) -> list[Outcome]:
    """Return the newest answers of people that a run has accepted, newest first."""
    return OUTCOME.read_all(reader.read("list_answers", (run, limit)))


def ended_calls(reader: StoreReader, run: str, limit: int) -> list[tuple[str, str, str, int]]:
    """Return name, kind, state and microseconds of the newest ended steps and children that count."""
    return [
        (str(name), str(kind), str(state), int(duration_us))
        for name, kind, state, duration_us in reader.read("list_ended_calls", (run, limit))
    ]


def read_request_order(reader: StoreReader, run: str, limit: int) -> dict[int, int]:
    """Return for the first outcomes that count, by their rank, the last rank that the body had received before each
    request.
    """
    return {int(rank): int(after) for rank, after in reader.read("list_request_order", (run, limit))}


def step(reader: StoreReader, run: str, ident: str) -> StepView:
    """Return one step of a run with its values, including superseded generations; empty if the run has no such step."""
    with reader.snapshot() as read:
        outcomes = OUTCOME.read_all(read("read_step_outcomes", (run, ident, _GENERATIONS)))
        attempts = ATTEMPT.read_all(read("list_attempts_of_step", (run, ident, _ATTEMPTS)))
        checkpoints = CHECKPOINT.read_all(read("list_checkpoints_of_run", (run,)))
    return StepView(
        ident, outcomes, attempts[::-1], next((point for point in checkpoints if point.ident == ident), None)
    )


def questions(
    reader: StoreReader,
    limit: int = 100,
    automations: Sequence[str] | None = None,
    *,
    assignee: str | None = None,
    since_at: int | None = None,
    now: int = 0,
) -> list[WaitView]:
    """Return open questions to people, oldest first: of all runs or of some automations', those of an assignee at the instant `now`.

    `since_at` = only those that were asked at or after this instant.
    """
    names = None if automations is None else msgspec.json.encode(automations).decode()
    return WAIT_VIEW.read_all(reader.read("list_questions", (names, limit, assignee, now, since_at or 0)))


def query_view(reader: StoreReader, query: str) -> QueryView:
    """Return a query by its id. Raises NotFoundError: it is no longer stored."""
    view = QUERY_VIEW.read_first(reader.read("read_query", (query,)))
    if view is None:
        raise NotFoundError(f"there is no query {query}", hint="Its time is over: ask again.")
    return view


def update_view(reader: StoreReader, update: str) -> UpdateView:
    """Return an update by its id. Raises NotFoundError."""
    view = UPDATE_VIEW.read_first(reader.read("read_update", (update,)))
    if view is None:
        raise NotFoundError(f"there is no update {update}", hint="See those of a run: mainspring runs show RUN")
    return view


def automations_of(reader: StoreReader, runs: Iterable[str]) -> dict[str, str]:
    """Return the automation of each of these runs; missing runs are omitted."""
    rows = reader.read("list_automations_of_runs", (msgspec.json.encode(sorted(set(runs))).decode(),))
    return dict(rows)


def waits_of(reader: StoreReader, run: str) -> list[WaitView]:
    """Return the waits of one run for something from outside."""
    return WAIT_VIEW.read_all(reader.read("list_waits", (run,)))
