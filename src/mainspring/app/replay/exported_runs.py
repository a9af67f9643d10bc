"""Exported runs: what `mainspring runs export` wrote, read back for a replay. Values that were not exported are noticed.

Such values are those that a codec still seals, large values that were not at hand, and files: an export has no keys of files.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mainspring.domain.errors import ArgumentError, SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Fact, History, Outcome
from mainspring.domain.states import TERMINAL_STATES, FailureReason, RunState
from mainspring.domain.values.plain_json import is_instant
from mainspring.domain.values.sealing import FILE_MARK
from mainspring.engine.driver.replay import SavedRun
from mainspring.store.commands.runs import ClaimedRun
from mainspring.store.views import EXPORT_FORMAT

T = TypeVar("T")
_HINT = "Write it with: mainspring runs export RUN > FILE"
_VALUES = frozenset({"fork", "headers", "input", "output", "payload", "result", "versions"})
_SEALED_KEYS, _BLOB_KEYS, _DEEP_KEYS = (
    frozenset({"sealed", "base64"}),
    frozenset({"blob", "size"}),
    frozenset({"nested", "size"}),
)
_encode_value = msgspec.json.Encoder(order="deterministic").encode
_LARGE, _DEEP, _FILE = "a large value", "a value that is nested too deeply", "a file (ms.FileRef)"
_ABSENT_HINTS = {
    _LARGE: "Its blob was absent. Export the run where the store has it: mainspring runs export RUN",
    _DEEP: "Replay the run from its store: mainspring test replay --from STORE",
    _FILE: "An export has no keys of files. Replay the run from its store: mainspring test replay --from STORE",
}


class ExportedRun(msgspec.Struct, frozen=True):
    """One exported run; `sealed_by` = the codec that still seals a value of it, `absent` = what else was not exported."""

    saved: SavedRun
    is_ended: bool
    sealed_by: str | None = None
    absent: str | None = None
    file: Path | None = None

    def find_obstacle(self) -> SealedError | None:
        """Return why the run cannot be replayed, None if all of its values were exported."""
        if self.sealed_by is not None:
            return SealedError(
                f"its values were exported sealed by codec {self.sealed_by!r}",
                hint="Export the run where the codec is available: mainspring runs export RUN",
            )
        if self.absent is not None:
            return SealedError(f"{self.absent} was not exported", hint=_ABSENT_HINTS[self.absent])
        return None


def list_files(place: Path, subject: str = "") -> list[Path]:
    """Return a file, or all files *.json of a folder. Raises ArgumentError: there is none. `subject` precedes the texts of errors."""
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise ArgumentError(f"{subject}{place}: the folder has no file *.json", hint=_HINT)
    return files


def read_exported_runs(place: Path, subject: str = "--from ") -> list[ExportedRun]:
    """Return the runs of a file, or of all files *.json in a folder.

    Raises:
        ArgumentError: there is none, or one is no export.
    """
    return [read_exported_run(file, subject) for file in list_files(place, subject)]


def read_exported_run(file: Path, subject: str = "") -> ExportedRun:
    """Return the run of a file.

    Raises:
        ArgumentError: the file cannot be read, is no export, or a newer version of Mainspring wrote it.
    """
    try:
        document = msgspec.json.decode(file.read_bytes())
        _require_known_format(document, f"{subject}{file}")
        return msgspec.structs.replace(_read_run(document), file=file)
    except ArgumentError:
        raise
    except OSError as error:
        raise ArgumentError(f"{subject}{file}: {error.strerror}", hint=_HINT) from None
    except (msgspec.MsgspecError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ArgumentError(f"{subject}{file}: this is no exported run ({reason[:200]})", hint=_HINT) from None


def _require_known_format(document: Any, subject: str) -> None:
    written = document.get("format", 1) if isinstance(document, dict) else 1
    if not isinstance(written, int) or written > EXPORT_FORMAT:
        raise ArgumentError(
            f"{subject}: it has format {written!r}, and this Mainspring reads formats up to {EXPORT_FORMAT}",
            hint="Install the version of Mainspring that wrote it, or a newer one.",
        )


def _read_run(document: Mapping[str, Any]) -> ExportedRun:
    seals: set[str] = set()
    view = document["run"]
    state = RunState(view["state"])
    outcomes = _read_rows(document["outcomes"], Outcome, seals)
    detail = view.get("detail") or {}
    row = _to_stored({**view, "started_at": view["started_at"] or view["created_at"]}, seals)
    saved = SavedRun(
        msgspec.convert({**row, "input": row["input"] or b"{}", "tag": row["tag"] or None}, ClaimedRun),
        state,
        FailureReason(view["reason"]) if view["reason"] in frozenset(FailureReason) else None,
        row["result"],
        None if row["failure"] is None else msgspec.convert(row["failure"], Failure),
        History(
            [outcome for outcome in outcomes if outcome.superseded is None],
            [row for row in _read_rows(document["attempts"], AttemptRecord, seals) if row.superseded is None],
            {},
            _read_rows(document["facts"], Fact, seals),
            [outcome for outcome in outcomes if outcome.superseded is not None],
            document.get("renames") or {},
            document.get("unfinished_children") or [],
        ),
        has_restarted="restarted_as" in detail,
        restart_input=_to_stored({"input": document.get("restart_input")}, seals)["input"],
        is_declared_done=bool(document.get("is_declared_done")),
    )
    absent = seals & _ABSENT_HINTS.keys()
    codecs = seals - absent
    return ExportedRun(saved, state in TERMINAL_STATES, min(codecs, default=None), min(absent, default=None))


def _read_rows(rows: Sequence[Mapping[str, Any]], kind: type[T], seals: set[str]) -> list[T]:
    return [msgspec.convert(_to_stored(row, seals), kind) for row in rows]


def _to_stored(row: Mapping[str, Any], seals: set[str]) -> dict[str, Any]:
    """Return an exported row as the store has it: instants in milliseconds, values as bytes of JSON."""
    stored: dict[str, Any] = {}
    for name, value in row.items():
        if name in _VALUES:
            stored[name] = None if value is None else _encode_value(value)
            if isinstance(value, dict) and value.keys() == _SEALED_KEYS:
                seals.add(str(value["sealed"]))
            seals |= _find_absent(value, stored[name])
        elif name == "failure" and value is not None:
            stored[name] = {field: part for field, part in value.items() if field != "sealed"}
            if value.get("sealed") is not None:
                seals.add(str(value["sealed"]["sealed"]))
        elif is_instant(name) and isinstance(value, str):
            stored[name] = round(datetime.fromisoformat(value).timestamp() * 1_000)
        else:
            stored[name] = value
    return stored


def _find_absent(value: Any, encoded: bytes | None) -> set[str]:
    """Return what is absent in an exported value."""
    keys = value.keys() if isinstance(value, dict) else ()
    if keys == _BLOB_KEYS:
        return {_LARGE}
    if keys == _DEEP_KEYS:
        return {_DEEP}
    return {_FILE} if FILE_MARK in (encoded or b"") else set()
