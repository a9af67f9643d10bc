"""The answers of people to the questions of a run: what they answered, who, when, and with which note."""

from typing import Any, Final

import msgspec

from mainspring.insight.runs.steps import label_step
from mainspring.insight.runs.waits import read_answer_author
from mainspring.store.read.runs.run_views import answers
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall
from mainspring.web.dashboard.runs.run_values import build_value

_MOST: Final = 50
_LONGEST: Final = 300


class AnswerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One answer; `by` None = an earlier version did not store it."""

    question: str
    ident: str
    answer: str
    by: str | None
    note: str | None
    at: int


def list_answers(call: ApiCall[Any, Any], run: RunView) -> list[AnswerRow]:
    """Return the newest answers that the run has accepted, the oldest first."""
    opening = call.site.opening
    rows = []
    for outcome in map(opening.outcome, answers(call.site.reader, run.id, _MOST)):
        by, note = read_answer_author(outcome)
        view = build_value("answer", outcome.output)
        rows.append(
            AnswerRow(
                question=label_step(outcome.ident, outcome.name),
                ident=outcome.ident,
                answer="" if view is None else (view.text or view.note)[:_LONGEST],
                by=by,
                note=note,
                at=outcome.at,
            )
        )
    return rows[::-1]
