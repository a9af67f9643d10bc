"""`/waiting`: open questions of runs, with their evidence; a button answers."""

from typing import Annotated, Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.store.views import WaitView
from mainspring.web.api.bodies import Number, Text
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.api.endpoints.runs.run_operations import AnswerRequest
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView
from mainspring.web.dashboard.runs.question_view import build_question
from mainspring.web.dashboard.runs.run_operations import submit_answer


class QuestionsPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of the list: its size, its first position, and whose questions; `assignee` left out or empty = all."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: Number | None = None
    assignee: Text | None = None


def show(call: ApiCall[QuestionsPageQuery, Form | None]) -> PageView:
    """List open questions, the oldest first."""
    waits = _list_waits(call)
    first = call.query.cursor or 0
    listed = waits[first : first + call.query.limit]
    end = first + len(listed)
    values = {
        "questions": [build_question(call, wait, waits) for wait in listed],
        "number": len(waits),
        "next": str(end) if end < len(waits) else None,
        "typed": call.body or {},
        "assignee": call.query.assignee or "",
    }
    return PageView("Waiting", values)


def rows(call: ApiCall[QuestionsPageQuery, None]) -> list[WaitView]:
    """Export all of them."""
    return _list_waits(call)


def _list_waits(call: ApiCall[QuestionsPageQuery, Any]) -> list[WaitView]:
    query = runs.QuestionsQuery(assignee=call.query.assignee or None)
    return runs.list_questions(call.with_query(query)).items


def answer(call: ApiCall[Any, Form]) -> None:
    """Answer one."""
    form = call.body
    body = AnswerRequest(
        choice=form.get("choice", ""), question=form.get("question") or None, note=form.get("note", "").strip() or None
    )
    submit_answer(call, body, run=form.get("run", ""))


PAGES = (
    PageRoute(
        path="/waiting",
        template="runs/waiting.html",
        show=show,
        rows=rows,
        query=QuestionsPageQuery,
        nouns=("questions",),
        buttons={"answer": PageButton(Role.OPERATOR, answer)},
    ),
)
