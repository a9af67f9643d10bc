"""Unsealing of stored history: the same rows, with the values in them opened.

Role: the engine opens a run that it resumes and stops at a value it cannot read; for people (`lenient`) a value that cannot be read stays
sealed and is marked, because a screen that shows the rest is worth more than an error.
"""

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from mainspring.domain.errors import SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, Fact, History, Outcome
from mainspring.domain.values.sealing import Sealing

Row = TypeVar("Row", bound=msgspec.Struct)


class RowUnsealer:
    """Opens rows with one program's codec. `closed` has the reasons, each once, why a value could not be read."""

    def __init__(self, sealing: Sealing, *, lenient: bool = False) -> None:
        self._sealing = sealing
        self._lenient = lenient
        self.closed: dict[str, str] = {}

    def value(self, data: bytes | None) -> bytes | None:
        """Open a value."""
        try:
            return None if data is None else self._sealing.open(data)
        except SealedError as error:
            self._note(error)
            return data

    def text(self, text: str | None) -> str | None:
        """Open a text; None = it stays closed."""
        try:
            return None if text is None else self._sealing.open_text(text)
        except SealedError as error:
            self._note(error)
            return None

    def failure(self, failure: Failure | None) -> Failure | None:
        """Open the words of a failure; one that stays closed states so itself."""
        try:
            return self._sealing.open_failure(failure)
        except SealedError as error:
            self._note(error)
            return failure

    def outcome(self, row: Outcome) -> Outcome:
        """Open a row of the journal."""
        return _replace_fields(
            row, input=self.value(row.input), output=self.value(row.output), failure=self.failure(row.failure)
        )

    def _outcome_with_reference(self, row: Outcome) -> Outcome:
        return _replace_fields(
            row,
            input=None if row.input is None else self._sealing.open_digest(row.input),
            output=self.value(row.output),
            failure=self.failure(row.failure),
        )

    def attempt(self, row: AttemptRecord) -> AttemptRecord:
        """Open an attempt."""
        return _replace_fields(row, input=self.value(row.input), failure=self.failure(row.failure))

    def checkpoint(self, row: Checkpoint) -> Checkpoint:
        """Open a checkpoint."""
        return _replace_fields(row, value=self.value(row.value))

    def fact(self, row: Fact) -> Fact:
        """Open a fact of the inbox."""
        return _replace_fields(row, payload=self.value(row.payload), failure=self.failure(row.failure))

    def history(self, history: History, *, reads_inputs: bool = True) -> History:
        """Open all values that a run is resumed from, except its inbox: a fact is opened when the run reads it.

        `reads_inputs` = also read the large inputs of outcomes. Else they stay references, with their digests opened.
        """
        open_row = self.outcome if reads_inputs else self._outcome_with_reference
        return replace(
            history,
            outcomes=[open_row(row) for row in history.outcomes],
            read_input=None if reads_inputs else self._sealing.open,
            attempts=[self.attempt(row) for row in history.attempts],
            checkpoints={ident: self.checkpoint(row) for ident, row in history.checkpoints.items()},
            superseded=[self.outcome(row) for row in history.superseded],
        )

    def _note(self, error: SealedError) -> None:
        if not self._lenient:
            raise error
        self.closed[error.message] = error.hint or ""


def _replace_fields(row: Row, **values: object) -> Row:
    """Return the row with these values; itself if they are its own, as in a store without a codec."""
    if all(getattr(row, name) is value for name, value in values.items()):
        return row
    return replace(row, **values)
