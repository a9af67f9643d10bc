"""Differences between the records of two runs, place by place."""

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.states import RunState
from mainspring.domain.values.plain_json import decode_value
from mainspring.service.reads import ServiceReads
from mainspring.store.views import RunHistory, RunView

_MISSING_VALUE = "(absent)"
_FIELDS = ("state", "reason", "version", "deploy", "queue", "priority", "trigger")


class Difference(msgspec.Struct, frozen=True):
    """One place that differs; values are JSON text or "(absent)"."""

    path: str
    other: str
    this: str


def list_drift(history: RunHistory) -> list[Difference]:
    """Return where the saved call of a run (`other`) differs from its present code (`this`); empty, unless it stopped for that."""
    failure = history.run.failure
    changes = failure.data if failure is not None and failure.code == "drift" else None
    return [
        Difference(str(change.get("path", "?")), str(change.get("was", "")), str(change.get("now", "")))
        for change in (changes if isinstance(changes, list) else [])
    ]


def find_last_success(reads: ServiceReads, this: RunView) -> str:
    """Return the newest earlier run of the same automation that succeeded.

    Raises:
        NotFoundError: there is none.
    """
    page = reads.list_runs(states=(RunState.SUCCEEDED,), name=this.automation, limit=1, cursor=this.seq)
    if not page.runs:
        raise NotFoundError(
            f"no earlier run of {this.automation} succeeded",
            hint="Name the run to compare with.",
        )
    return page.runs[0].id


def compare_runs(other: RunHistory, this: RunHistory) -> list[Difference]:
    """Return the differences between two runs, in the order: the run, its input, its steps, its result."""
    before, after = _flatten_run(other), _flatten_run(this)
    paths = dict.fromkeys([*before, *after])
    return [
        Difference(path, before.get(path, _MISSING_VALUE), after.get(path, _MISSING_VALUE))
        for path in paths
        if before.get(path, _MISSING_VALUE) != after.get(path, _MISSING_VALUE)
    ]


def _flatten_run(history: RunHistory) -> dict[str, str]:
    run = history.run
    found: dict[str, str] = {name: str(getattr(run, name)) for name in _FIELDS}
    _flatten("input", decode_value(run.input), found)
    for outcome in sorted(history.outcomes, key=lambda outcome: outcome.request_number):
        if outcome.superseded is None:
            path = f"step {outcome.ident}"
            found[f"{path} state"] = str(outcome.state)
            if outcome.failure is not None:
                found[f"{path} error"] = outcome.failure.message
            _flatten(f"{path} result", decode_value(outcome.output), found)
    _flatten("result", decode_value(run.result), found)
    return found


def _flatten(path: str, value: object, leaves: dict[str, str]) -> None:
    """Write each leaf of a JSON value under its path."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            _flatten(f"{path}.{key}", value[key], leaves)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            _flatten(f"{path}[{index}]", item, leaves)
    elif value is not None:
        leaves[path] = msgspec.json.encode(value).decode()
