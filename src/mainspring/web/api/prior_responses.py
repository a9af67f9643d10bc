"""Prior responses to an incident: who resolved its run or answered its question before a later form or page."""

from typing import Final, NamedTuple

import msgspec

from mainspring.domain.incidents.incident import Incident
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused, Result
from mainspring.store.read.status.status import audit_rows

_VERB_WORDS: Final = {
    "retry": "retried",
    "accept_drift": "continued, with its input accepted,",
    "rename_step": "continued, with a step renamed,",
    "run_again": "continued",
    "give_result": "given a result",
    "mark_done": "declared done",
    "discard": "discarded",
    "cancel": "cancelled",
}
_READ_AT_MOST = 1_000
"""The newest operations that are read: a late response is late by minutes."""


class PriorResponse(NamedTuple):
    """An operation on a run: its verb, its person and its instant."""

    done: str
    by: str
    at: int


def list_runs_of_incident(incident: Incident) -> list[str]:
    """Return the runs that an incident names, oldest first."""
    named = incident.facts.get("runs")
    candidates = named if isinstance(named, list) and named else [incident.facts.get("run")]
    return [run for run in candidates if isinstance(run, str)]


def newest_run_of_incident(incident: Incident) -> str | None:
    """Return the newest run that an incident names."""
    return next(reversed(list_runs_of_incident(incident)), None)


def find_prior_response(reader: StoreReader, run: str | None, seen: str) -> PriorResponse | None:
    """Return the last operation on a run since a form was shown; `seen` = the state in the form ("incident.run", instants in ms)."""
    since = seen.partition(".")[2]
    if run is None or not (since.isascii() and since.isdigit()):
        return None
    for row in audit_rows(reader, limit=_READ_AT_MOST):
        is_newer = row.at > int(since[:20])  # no one saw it and decided within the same millisecond
        if is_newer and row.subject == f"run:{run}" and row.verb in _VERB_WORDS and not _was_refused(row.result):
            return PriorResponse(_VERB_WORDS[row.verb], row.actor.partition(":")[2], row.at)
    return None


def find_prior_answer(
    reader: StoreReader, opening: ViewUnsealer, run: str, question: str | None
) -> PriorResponse | None:
    """Return the last answer to a question of a run (None = to any question); None = there is none among the newest operations."""
    for row in audit_rows(reader, limit=_READ_AT_MOST):
        if row.verb == "answer" and row.subject == f"run:{run}" and not _was_refused(row.result):
            detail = msgspec.json.decode(opening.act(row).detail or b"{}")
            if question in (None, detail.get("question")):
                return PriorResponse("answered", row.actor.partition(":")[2], row.at)
    return None


def _was_refused(result: bytes) -> bool:
    decoded: Result = msgspec.json.decode(result, type=Result)
    return isinstance(decoded, Refused)
