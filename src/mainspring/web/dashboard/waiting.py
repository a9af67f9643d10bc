"""`/waiting`: what runs ask people, with what they were shown for it; a press answers."""

from shlex import quote
from typing import Annotated, Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.values.plain_json import decode_value
from mainspring.domain.values.sealing import split_sealed
from mainspring.insight.hidden_values import hidden_data
from mainspring.insight.waits import choices, default_of
from mainspring.store.views import WaitView
from mainspring.web.api import runs
from mainspring.web.api.bodies import Number
from mainspring.web.api.call import Call
from mainspring.web.api.run_acts import Answer
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked
from mainspring.web.dashboard.run_acts import give_answer

_LONGEST: Final = 4_000


class WaitingPage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the list: so many, from this place in it on."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: Number | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it is shown. `otherwise` = what counts when its time is over; `facts` and `evidence` = what it rests on."""

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


def show(call: Call[WaitingPage, Form | None]) -> View:
    """List open questions, the one that waits longest first."""
    found = runs.questions(looked(call)).items
    first = call.query.cursor or 0
    shown = found[first : first + call.query.limit]
    end = first + len(shown)
    values = {
        "questions": [_question(call, wait) for wait in shown],
        "number": len(found),
        "next": str(end) if end < len(found) else None,
        "typed": call.body or {},
    }
    return View("Waiting", values)


def rows(call: Call[WaitingPage, None]) -> list[WaitView]:
    """Give them all."""
    return runs.questions(call).items


def answer(call: Call[Any, Form]) -> None:
    """Answer one."""
    form = call.body
    body = Answer(
        choice=form.get("choice", ""), question=form.get("question") or None, note=form.get("note", "").strip() or None
    )
    give_answer(call, body, run=form.get("run", ""))


def _question(call: Call[WaitingPage, Form | None], wait: WaitView) -> Question:
    run = call.site.opening.run(call.run(wait.run))
    asked = decode_value(wait.question)
    said: dict[str, Any] = hidden_data(asked) if isinstance(asked, dict) else {}
    is_sealed = wait.question is not None and split_sealed(wait.question) is not None
    facts, evidence = _evidence(None if is_sealed else said.get("evidence"))
    who = said.get("who")
    offered = tuple(choices(wait))
    return Question(
        wait=wait,
        automation=run.automation,
        title=run.title,
        text="Its words are sealed, and their codec is not at hand."
        if is_sealed
        else str(said.get("text") or wait.name),
        choices=offered,
        otherwise=default_of(wait),
        who=", ".join(map(str, who)) if isinstance(who, list) else None if who is None else str(who),
        facts=facts,
        evidence=evidence,
        sealed=is_sealed,
        line=f"mainspring runs answer {wait.run} {quote(offered[0]) if offered else 'TEXT'} --question {quote(wait.ident)}",
    )


def _evidence(value: Any) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return evidence as names with short values, where it is that, or as text."""
    if value is None:
        return (), ""
    if isinstance(value, dict) and value and all(isinstance(one, str | int | float | bool) for one in value.values()):
        return tuple((str(name), str(one)) for name, one in value.items()), ""
    text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    return (), text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


PAGES = (
    PageRoute(
        path="/waiting",
        template="waiting.html",
        show=show,
        rows=rows,
        query=WaitingPage,
        nouns=("questions",),
        buttons={"answer": Button(Role.OPERATOR, answer)},
    ),
)
