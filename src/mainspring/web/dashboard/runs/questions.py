"""`/waiting`: open questions of runs, with their evidence; a button answers."""

from shlex import quote
from typing import Annotated, Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.values.plain_json import decode_value
from mainspring.domain.values.sealing import split_sealed
from mainspring.insight.runs.waits import default_choice, list_choices
from mainspring.insight.text.hidden_values import hide_in_data
from mainspring.store.views import WaitView
from mainspring.web.api.bodies import Number
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.api.endpoints.runs.run_operations import AnswerRequest
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call
from mainspring.web.dashboard.runs.run_operations import submit_answer

_LONGEST: Final = 4_000


class QuestionsPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of the list: its size, and its first position."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: Number | None = None


class QuestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it is displayed. `otherwise` = the answer at its timeout; `facts` and `evidence` = its basis."""

    wait: WaitView
    automation: str
    title: str | None
    text: str
    choices: tuple[str, ...]
    otherwise: str | None
    who: str | None
    facts: tuple[tuple[str, str], ...]
    evidence: str
    sealed: bool
    line: str


def show(call: ApiCall[QuestionsPageQuery, Form | None]) -> PageView:
    """List open questions, the oldest first."""
    waits = runs.list_questions(api_call(call)).items
    first = call.query.cursor or 0
    listed = waits[first : first + call.query.limit]
    end = first + len(listed)
    values = {
        "questions": [_build_question(call, wait) for wait in listed],
        "number": len(waits),
        "next": str(end) if end < len(waits) else None,
        "typed": call.body or {},
    }
    return PageView("Waiting", values)


def rows(call: ApiCall[QuestionsPageQuery, None]) -> list[WaitView]:
    """Export all of them."""
    return runs.list_questions(call).items


def answer(call: ApiCall[Any, Form]) -> None:
    """Answer one."""
    form = call.body
    body = AnswerRequest(
        choice=form.get("choice", ""), question=form.get("question") or None, note=form.get("note", "").strip() or None
    )
    submit_answer(call, body, run=form.get("run", ""))


def _build_question(call: ApiCall[QuestionsPageQuery, Form | None], wait: WaitView) -> QuestionView:
    run = call.run(wait.run)
    decoded = decode_value(wait.question)
    question_data: dict[str, Any] = hide_in_data(decoded) if isinstance(decoded, dict) else {}
    is_sealed = wait.question is not None and split_sealed(wait.question) is not None
    facts, evidence = _split_evidence(None if is_sealed else question_data.get("evidence"))
    recipients = question_data.get("who")
    choices = tuple(list_choices(wait))
    return QuestionView(
        wait=wait,
        automation=run.automation,
        title=call.site.opening.text(run.title),
        text="Its text is sealed by a codec that the web process does not have."
        if is_sealed
        else str(question_data.get("text") or wait.name),
        choices=choices,
        otherwise=default_choice(wait),
        who=", ".join(map(str, recipients))
        if isinstance(recipients, list)
        else None
        if recipients is None
        else str(recipients),
        facts=facts,
        evidence=evidence,
        sealed=is_sealed,
        line=f"mainspring runs answer {wait.run} {quote(choices[0]) if choices else 'TEXT'} --question {quote(wait.ident)}",
    )


def _split_evidence(value: Any) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return evidence as names with short values if it is that, else as text."""
    if value is None:
        return (), ""
    if isinstance(value, dict) and value and all(isinstance(item, str | int | float | bool) for item in value.values()):
        return tuple((str(name), str(item)) for name, item in value.items()), ""
    text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    return (), text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


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
