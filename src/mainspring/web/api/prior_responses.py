"""Who went on with the run of an incident: for whoever comes too late with the same act."""

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
"""So many of the newest acts: who is too late is so by minutes."""


class PriorResponse(NamedTuple):
    """An act on a run: what was done with it, by whom, at which instant."""

    done: str
    by: str
    at: int


def list_runs_of_incident(incident: Incident) -> list[str]:
    """Return the runs that an incident names, the newest last."""
    named = incident.facts.get("runs")
    found = named if isinstance(named, list) and named else [incident.facts.get("run")]
    return [run for run in found if isinstance(run, str)]


def newest_run_of_incident(incident: Incident) -> str | None:
    """Return the newest run that an incident names."""
    return next(reversed(list_runs_of_incident(incident)), None)


def find_prior_response(reader: StoreReader, run: str | None, seen: str) -> PriorResponse | None:
    """Return the last act on a run since it was shown; `seen` = the state that the form repeats ("incident.run", instants in ms)."""
    since = seen.partition(".")[2]
    if run is None or not (since.isascii() and since.isdigit()):
        return None
    for row in audit_rows(reader, limit=_READ_AT_MOST):
        is_newer = row.at > int(since[:20])  # nobody saw it and acted within its millisecond
        if is_newer and row.subject == f"run:{run}" and row.verb in _VERB_WORDS and not _was_refused(row.result):
            return PriorResponse(_VERB_WORDS[row.verb], row.actor.partition(":")[2], row.at)
    return None


def find_prior_answer(
    reader: StoreReader, opening: ViewUnsealer, run: str, question: str | None
) -> PriorResponse | None:
    """Return the last answer to a question of a run (None = to whichever); None = there is none among the newest acts."""
    for row in audit_rows(reader, limit=_READ_AT_MOST):
        if row.verb == "answer" and row.subject == f"run:{run}" and not _was_refused(row.result):
            detail = msgspec.json.decode(opening.act(row).detail or b"{}")
            if question in (None, detail.get("question")):
                return PriorResponse("answered", row.actor.partition(":")[2], row.at)
    return None


def _was_refused(result: bytes) -> bool:
    decoded: Result = msgspec.json.decode(result, type=Result)
    return isinstance(decoded, Refused)
