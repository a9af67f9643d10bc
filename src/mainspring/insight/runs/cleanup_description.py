"""Description of a cleanup: what the code of a run does after a cancel or its deadline, as sentences. Pure."""

from typing import Any

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.duration import format_duration, to_milliseconds
from mainspring.domain.runs.journal import CLEANUP_DETAIL, OutcomeKind
from mainspring.domain.values.codec import decode
from mainspring.insight.text.formatting import format_instant
from mainspring.store.views import RunHistory

_STOPS = {OutcomeKind.CANCEL: "was cancelled", OutcomeKind.DEADLINE: "reached its deadline"}


def describe_cleanup(history: RunHistory, definition: Definition | None, zone: str) -> list[str]:
    """Return a sentence about the cleanup of a run: until when it may last, or what ended it; none without one."""
    stop = next((o for o in history.outcomes if o.superseded is None and o.kind in _STOPS), None)
    if stop is None or history.run.undoing:
        return []
    span = None if definition is None else definition.span("cleanup")
    if history.run.finished_at is None:
        limit = "" if span is None else f" until {format_instant(stop.at + to_milliseconds(span), zone)} at the latest"
        return [f"It {_STOPS[stop.kind]}, and its code cleans up{limit}. A second cancel ends that."]
    detail: Any = decode(history.run.detail) if history.run.detail else None
    ended_by = detail.get(CLEANUP_DETAIL) if isinstance(detail, dict) else None
    match ended_by:
        case OutcomeKind.CANCEL:
            return ["After it was cancelled, a second cancel ended its cleanup: some of it may be missing."]
        case OutcomeKind.CLEANUP_TIMEOUT:
            limit = "in time" if span is None else f"within {format_duration(span)}"
            return [f"After it was stopped, its cleanup did not end {limit}: some of it may be missing."]
    return []
