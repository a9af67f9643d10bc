"""Exported runs: what `mainspring runs export` wrote, read back for a replay. Values that a codec still seals are noticed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Fact, History, Outcome
from mainspring.domain.states import TERMINAL_STATES, FailureReason, RunState
from mainspring.domain.values.plain_json import is_instant
from mainspring.engine.driver.replay import SavedRun
from mainspring.store.commands.runs import ClaimedRun

T = TypeVar("T")
_HINT = "Write it with: mainspring runs export RUN > FILE"
_VALUES = frozenset({"fork", "headers", "input", "output", "payload", "result", "versions"})
_SEALED_KEYS = frozenset({"sealed", "base64"})
_encode_value = msgspec.json.Encoder(order="deterministic").encode


class ExportedRun(msgspec.Struct, frozen=True):
    """One exported run; `sealed_by` = the codec that still seals a value of it."""

    saved: SavedRun
    is_ended: bool
    sealed_by: str | None = None


def read_exported_runs(place: Path) -> list[ExportedRun]:
    """Return the runs of a file, or of all files *.json in a folder.

    Raises:
        ArgumentError: there is none, or one is no export.
    """
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise ArgumentError(f"--from {place}: the folder has no file *.json", hint=_HINT)
    return [_read_file(file) for file in files]


def _read_file(file: Path) -> ExportedRun:
    try:
        document = msgspec.json.decode(file.read_bytes())
        return _read_run(document)
    except OSError as error:
        raise ArgumentError(f"--from {file}: {error.strerror}", hint=_HINT) from None
    except (msgspec.MsgspecError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ArgumentError(f"--from {file}: this is no exported run ({reason[:200]})", hint=_HINT) from None


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
        ),
        has_restarted="restarted_as" in detail,
    )
    return ExportedRun(saved, state in TERMINAL_STATES, next(iter(sorted(seals)), None))


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
        elif name == "failure" and value is not None:
            stored[name] = {field: part for field, part in value.items() if field != "sealed"}
            if value.get("sealed") is not None:
                seals.add(str(value["sealed"]["sealed"]))
        elif is_instant(name) and isinstance(value, str):
            stored[name] = round(datetime.fromisoformat(value).timestamp() * 1_000)
        else:
            stored[name] = value
    return stored
