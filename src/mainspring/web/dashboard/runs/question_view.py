"""The view of a question on a page: its text, answers, assignee and evidence, and the command that answers it."""

from collections.abc import Iterable
from shlex import quote
from typing import Any

import msgspec

from mainspring.domain.runs.question import FORM
from mainspring.domain.values.plain_json import decode_value
from mainspring.domain.values.sealing import split_sealed
from mainspring.insight.runs.waits import (
    answer_command,
    default_choice,
    list_choices,
    name_question,
    read_form,
    split_evidence,
)
from mainspring.insight.text.hidden_values import hide_in_data
from mainspring.store.views import WaitView
from mainspring.web.api.call import ApiCall


class QuestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it is displayed. `otherwise` = the answer at its timeout; `facts` and `evidence` = its basis.

    `name` = by which an answer names it, `assignee` = who is to answer it now, `help` = the text of the class of its form.
    """

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
    name: str
    assignee: str | None
    help: str
    has_form: bool


def build_question(call: ApiCall[Any, Any], wait: WaitView, waits: Iterable[WaitView]) -> QuestionView:
    """Return a question for a page; `waits` = the open ones, of its run at least."""
    run, name, schema = call.run(wait.run), name_question(wait, waits), read_form(wait)
    decoded = decode_value(wait.question)
    question_data: dict[str, Any] = hide_in_data(decoded) if isinstance(decoded, dict) else {}
    is_sealed = wait.question is not None and split_sealed(wait.question) is not None
    facts, evidence = split_evidence(wait)
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
        line=f"mainspring runs answer {wait.run} {quote(choices[0]) if choices else 'TEXT'} --question {quote(name)}"
        if schema is None
        else answer_command(wait, name),
        name=name,
        assignee=wait.assignee_at(call.site.clock.now()),
        help=str(question_data.get(FORM, {}).get("description", "")) if schema is not None else "",
        has_form=schema is not None,
    )
