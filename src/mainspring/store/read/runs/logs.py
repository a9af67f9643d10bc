"""Log lines: of one run from its start or end, and of all runs by time. Bodies are as stored: packed, and sealed."""

from collections.abc import Sequence

import msgspec

from mainspring.store.base import StoreReader
from mainspring.store.texts import FOR_EVER
from mainspring.store.transaction import Rows

_PARTS_AT_ONCE = 500
_FEW_PARTS = 20


class StoredPart(msgspec.Struct, frozen=True):
    """A domain.runs.log_chunk.LogChunk in its place: `seq` = the number of its first line in the run; `automation` "" =
    it was not read.
    """

    run: str
    seq: int
    ident: str
    attempt: int
    first_at: int
    last_at: int
    lines: int
    size: int
    body: bytes
    automation: str = ""


def parts_of(reader: StoreReader, run: str, after: int = 0, lines: int | None = None) -> list[StoredPart]:
    """Return the chunks of a run with a number above `after`, in order: all, or until there are `lines` lines and one
    chunk more.
    """
    parts: list[StoredPart] = []
    line_count, at_once = 0, _PARTS_AT_ONCE if lines is None else _FEW_PARTS
    while True:
        rows = _parts(reader.read("list_logs_of", (run, after, at_once)))
        parts += rows
        line_count += sum(part.lines for part in rows)
        if len(rows) < at_once or (lines is not None and line_count - parts[-1].lines >= lines):
            return parts
        after = parts[-1].seq


def list_parts_after(reader: StoreReader, run: str, number: int, limit: int) -> list[StoredPart]:
    """Return up to `limit` chunks in order: that of the line after this number, or the first stored ones, and the next ones."""
    first = _parts(reader.read("list_last_logs_of", (run, None, number + 2, 1)))
    return _parts(reader.read("list_logs_of", (run, first[0].seq - 1 if first else 0, limit)))


def last_parts(
    reader: StoreReader, run: str, ident: str | None, limit: int, before: int = FOR_EVER
) -> list[StoredPart]:
    """Return the last chunks of a step, or of the whole run, with a number below `before`, in order."""
    return _parts(reader.read("list_last_logs_of", (run, ident, before, limit)))[::-1]


def newest_part(reader: StoreReader) -> tuple[int, str, int] | None:
    """Return the newest chunk: its instant, its run, its last line; None = there is none."""
    rows = _parts(reader.read("list_logs_since", (0, None, 1)))
    return (rows[0].last_at, rows[0].run, rows[0].seq + rows[0].lines) if rows else None


def parts_since(
    reader: StoreReader, since_at: int, automations: Sequence[str] | None = None, limit: int = _PARTS_AT_ONCE
) -> list[StoredPart]:
    """Return the newest chunks that end at or after an instant, of all runs or of some automations', oldest first."""
    names = None if automations is None else msgspec.json.encode(automations).decode()
    return _parts(reader.read("list_logs_since", (since_at, names, limit)))[::-1]


def _parts(rows: Rows | Sequence[tuple[object, ...]]) -> list[StoredPart]:
    return [StoredPart(*row) for row in rows]
