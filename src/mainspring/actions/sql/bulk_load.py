"""Bulk load: many rows in chunks, each in one transaction, with the progress saved after each chunk."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.sql.row_query import open_described
from mainspring.actions.sql.sessions import Database, describe_database
from mainspring.actions.sql.statements import require_key, require_values
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import decode
from mainspring.engine.attempts.attempt_reports import ProgressReport
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext
from mainspring.engine.attempts.transaction import Tx
from mainspring.store import failpoints

_CHECKPOINT = "mainspring.bulk_load"
_CHOICES = ("update", "keep")


class BulkLoad(msgspec.Struct, frozen=True):
    """The result of `bulk_load`: all rows, and how many of them an earlier attempt of the step had loaded."""

    rows: int
    resumed: int


def bulk_load(
    database: Database,
    table: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    key: str | Sequence[str],
    chunk: int = 1_000,
    existing: Literal["update", "keep"] = "update",
    timeout: SpanInput = "5m",
) -> BulkLoad:
    """Insert rows in chunks of `chunk` rows, each chunk in one transaction. All rows have the same columns.

    A row whose key exists is updated; with `existing="keep"` it is not changed. In a step, the progress is saved after each chunk
    (`ms.checkpoint`), and the next attempt continues there. If the first rows are not the same as before, it starts again. `timeout` limits
    each chunk. In a transactional step all chunks are part of its transaction.

    Safe to run twice because the unique index of `key` accepts one row for each key: a chunk that is loaded again has the same rows.

    Example:
        sql.bulk_load("shop", "orders", rows, key="id", chunk=500)

    Raises:
        SqlActionError: a statement failed; the chunks before it are loaded.
        SqlUnavailableError, NotSent: the database is busy or full, or does not answer.
        ArgumentError, ConfigError, OptionError: an argument cannot be used, such as rows that save checkpoints while they are read.
    """
    refuse_event_loop("sql.bulk_load")
    if existing not in _CHOICES:
        raise OptionError(f"existing={existing!r} of bulk_load: expected one of {_CHOICES}")
    if type(chunk) is not int or chunk < 1:
        raise OptionError(f"chunk={chunk!r} of bulk_load: expected a number of rows, at least 1")
    source = iter(rows)
    first = next(source, None)
    if first is None:
        return BulkLoad(0, 0)
    columns = list(require_values(first, "rows[0]"))
    _require_names(0, columns)
    keys = tuple(require_key(key, columns))
    values = _read_rows(itertools.chain([first], source), columns)
    is_update = existing == "update"
    progress = _LoadProgress(f"{describe_database(database)} {table}", is_saved=not isinstance(database, Tx))
    waiting = progress.skip_loaded(values)
    while batch := list(itertools.islice(waiting, chunk)):
        progress.require_own_checkpoint()
        with open_described(database, timeout, "INSERT into", table, key=keys) as session:
            session.begin()
            session.load_rows(table, columns, keys, batch, is_update=is_update)
            failpoints.hit("sql.changed")
            session.commit()
            failpoints.hit("sql.committed")
        progress.save(batch)
    return BulkLoad(progress.count, progress.resumed)


bulk_load_async = in_thread(bulk_load)


class _LoadProgress:
    """The progress of one load: how many rows are loaded, and their hash, which tells whether the rows are the same as before."""

    def __init__(self, name: str, *, is_saved: bool) -> None:
        step = None if IN_BODY.get() else CURRENT_STEP.get()
        self._step: StepContext | None = step if is_saved else None
        self._name = name
        self._digest = hashlib.sha256()
        self.count = 0
        self.resumed = 0
        self._saved = None if self._step is None else self._step.saved

    def require_own_checkpoint(self) -> None:
        """Raise ArgumentError if reading the rows saved a checkpoint: the next attempt would not read rows that are not loaded yet."""
        if self._step is not None and self._step.saved is not self._saved:
            raise ArgumentError(
                "rows of bulk_load: reading them saved a checkpoint, so that the next attempt would skip rows that are not loaded",
                hint="Read them without checkpoints, such as http.paginate(...) without resume=True: bulk_load saves its own progress.",
            )

    def skip_loaded(self, values: Iterator[list[Any]]) -> Iterator[list[Any]]:
        """Return the rows that are not loaded yet."""
        saved = self._read()
        if saved is None:
            return values
        number, expected = saved
        skipped = list(itertools.islice(values, number))
        digest = hashlib.sha256()
        for row in skipped:
            digest.update(_encode(row))
        if len(skipped) < number or digest.hexdigest() != expected:
            return itertools.chain(skipped, values)
        self._digest, self.count, self.resumed = digest, number, number
        return values

    def save(self, batch: list[list[Any]]) -> None:
        """Save that these rows are loaded, too."""
        for row in batch:
            self._digest.update(_encode(row))
        self.count += len(batch)
        step = self._step
        if step is None:
            return
        step.channel.post(ProgressReport(self.count, None))
        if self._may_save(step):
            step.checkpoint({_CHECKPOINT: {self._name: [self.count, self._digest.hexdigest()]}})
            self._saved = step.saved

    def _read(self) -> tuple[int, str] | None:
        saved = None if self._step is None or self._step.saved is None else decode(self._step.saved)
        found = saved.get(_CHECKPOINT, {}).get(self._name) if isinstance(saved, dict) else None
        return None if found is None else (found[0], found[1])

    @staticmethod
    def _may_save(step: StepContext) -> bool:
        """Return whether the checkpoint of the step is not one of the user's own."""
        saved = None if step.saved is None else decode(step.saved)
        return saved is None or (isinstance(saved, dict) and list(saved) == [_CHECKPOINT])


def _encode(row: list[Any]) -> bytes:
    return repr(row).encode("utf-8", "surrogateescape") + b"\n"


def _read_rows(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> Iterator[list[Any]]:
    """Yield the values of each row. Raises ArgumentError for one with other columns."""
    for number, row in enumerate(rows):
        if len(row) != len(columns) or any(column not in row for column in columns):
            _require_names(number, row)
            missing = [f"it has no {column!r}" for column in columns if column not in row]
            more = [f"it also has {column!r}" for column in row if column not in columns]
            raise ArgumentError(
                f"rows[{number}] has other columns than rows[0]: {escape([*missing, *more][0], 100)}",
                hint=f"Give each row the columns {', '.join(columns)}.",
            )
        yield [row[column] for column in columns]


def _require_names(number: int, columns: Iterable[object]) -> None:
    """Raise ArgumentError for a column without a name."""
    for column in columns:
        if not isinstance(column, str):
            raise ArgumentError(
                f"rows[{number}] has the column {escape(repr(column), 100)}, which is not a name",
                hint="csv.DictReader stores values at None that have no column in the header: correct that line, or the header.",
            )
