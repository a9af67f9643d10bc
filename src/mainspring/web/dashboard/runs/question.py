"""`/waiting/{run}/{question}`: one open question: its form or its choices, with a note. It works without JavaScript."""

from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError
from mainspring.domain.values.form_schema import list_form_mismatches
from mainspring.insight.runs.waits import list_open_questions, read_form
from mainspring.insight.text.formatting import format_count
from mainspring.service.perform import was_performed
from mainspring.service.runs.question import find_open_question
from mainspring.store.read.runs.run_views import waits_of
from mainspring.store.views import WaitView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs.run_operations import AnswerRequest
from mainspring.web.api.prior_responses import PriorResponse, find_prior_answer
from mainspring.web.dashboard.automations.start_run import remove_secret_defaults
from mainspring.web.dashboard.forms.field import FormFields, add_faults, refill_fields
from mainspring.web.dashboard.forms.form import build_fields
from mainspring.web.dashboard.forms.typed_values import TypedInput, list_typed_texts, parse_form
from mainspring.web.dashboard.page_route import Form, PageButton, PageQuery, PageRoute, PageView
from mainspring.web.dashboard.runs.question_view import build_question
from mainspring.web.dashboard.runs.run_operations import describe_prior, submit_answer
from mainspring.web.server.path_table import path_segment


def show(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show the question; after an error with the typed values, and each fault at its field.

    A question that is not open any more shows who answered it, and what was typed, so that nothing typed is lost.
    """
    typed = call.body
    try:
        wait, waits = _find_wait(call)
    except NotFoundError:
        prior = _find_prior(call)
        if prior is None and typed is None:
            raise
        values = {"question": None, "run": call.run(), "prior": prior and describe_prior(call, prior)}
        return PageView("This question is not open", values | {"typed": _list_typed_answer(typed or {})}, 404)
    question, schema = build_question(call, wait, waits), read_form(wait)
    return PageView(question.text, {"question": question, "typed": typed or {}, "fields": _build_fields(schema, typed)})


def answer(call: ApiCall[Any, Form]) -> str:
    """Answer it, and redirect to its run."""
    run, form = call.run(), call.body
    run_path = f"/r/{path_segment(run.id)}"
    if was_performed(call.site.reads, call.act(), "answer", f"run:{run.id}"):
        return run_path  # the same form, sent twice
    try:
        wait, _ = _find_wait(call)
    except NotFoundError:
        prior = _find_prior(call)
        message = "this question is not open any more" if prior is None else describe_prior(call, prior)
        raise ConflictError(message, hint="Nothing was changed.") from None
    body = AnswerRequest(question=wait.ident, note=form.get("note", "").strip() or None)
    schema = read_form(wait)
    if schema is None:
        choice = form.get("choice", "")
        if not choice.strip():
            raise ArgumentError("the answer is missing", hint="Choose one, or write it.")
        body = msgspec.structs.replace(body, choice=choice)
    else:
        typed = read_typed_form(schema, form)
        if typed.faults:
            number = format_count(len(typed.faults), "field is", "fields are")
            raise ArgumentError(f"{number} not valid: nothing was answered", hint="See the marked fields.")
        body = msgspec.structs.replace(body, form=typed.value)
    submit_answer(call, body, run=wait.run)
    return run_path


def read_typed_form(schema: dict[str, Any], form: Form) -> TypedInput:
    """Return a filled-in form as typed, with its faults by JSON path."""
    typed = parse_form(schema, form)
    if typed.faults:
        return typed
    # Of several errors of a field the first is shown.
    mismatches = reversed(list_form_mismatches(schema, typed.value))
    return TypedInput(typed.value, {mismatch.path: mismatch.why for mismatch in mismatches})


def _build_fields(schema: dict[str, Any] | None, form: Form | None) -> FormFields:
    if schema is None:
        return ()
    cleaned, _ = remove_secret_defaults(schema)
    if form is None:
        return build_fields(cleaned, {}, has_checkboxes=True)
    typed = read_typed_form(schema, form)
    return add_faults(refill_fields(build_fields(cleaned, typed.value, has_checkboxes=True), form), typed.faults)


def _list_typed_answer(form: Form) -> list[tuple[str, str]]:
    choice_and_note = [(name.capitalize(), form[name]) for name in ("choice", "note") if form.get(name)]
    return [*list_typed_texts(form), *choice_and_note]


def _find_prior(call: ApiCall[Any, Any]) -> PriorResponse | None:
    return find_prior_answer(call.site.reader, call.site.opening, call.run().id, call.names["question"])


def _find_wait(call: ApiCall[Any, Any]) -> tuple[WaitView, list[WaitView]]:
    """Return the open question of the path, and all open ones of its run. Raises NotFoundError."""
    run = call.run()
    waits = list_open_questions(waits_of(call.site.reader, run.id), call.site.clock.now())
    return call.site.opening.wait(find_open_question(run.id, waits, call.names["question"], call.site.sealing)), waits


PAGES = (
    PageRoute(
        path="/waiting/{run}/{question}",
        template="runs/question.html",
        show=show,
        at="/waiting",
        buttons={"answer": PageButton(Role.OPERATOR, answer)},
    ),
)
