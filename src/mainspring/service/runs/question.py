"""Answer to a question that a run asked people."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.errors import (
    ArgumentError,
    ConflictError,
    NotFoundError,
    SealedError,
    ValueRefusedError,
)
from mainspring.domain.notifications.rendering import fit_line
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.runs.question import FORM, FormWords, encode_answer
from mainspring.domain.values.codec import encode
from mainspring.domain.values.form_schema import (
    format_form_options,
    list_form_labels,
    list_form_mismatches,
    read_form_words,
)
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.insight.runs.waits import name_question
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.store.base import Store
from mainspring.store.commands.inbox import DeliverFact
from mainspring.store.views import WaitView

_ASK = "ask"
_LISTED = 5
_MOST_MISMATCHES: Final = 20
_LONGEST_NOTE: Final = 2_000


class _StoredQuestion(msgspec.Struct, frozen=True):
    """The parts of a question that decide on its answers."""

    text: str = ""
    choices: list[Any] | None = None
    form: dict[str, Any] | None = None
    detailed: bool = False


def answer(
    store: Store,
    reads: ServiceReads,
    run: str,
    choice: object,
    *,
    act: OperationContext,
    question: str | None = None,
    note: str | None = None,
    sealing: Sealing = PLAIN_SEALING,
) -> None:
    """Answer an open question with one of its choices, or with the fields of its form; the run continues with it.

    `question` = its name or identity, if several are open. `note` is for people: it is stored in the audit log and with the answer.

    Raises:
        NotFoundError: there is no such run, or no such open question (it was answered, or its time ended).
        ConflictError: several questions are open and none was named, or several have this name.
        ArgumentError: a choice that the question does not offer, a choice for a form, or fields for a question without one;
            the note is too long.
        ValueRefusedError: the fields do not fit the form; `path` = the first of them, the message lists all.
        SealedError: the codec that sealed the question is not available.
    """
    if note is not None and len(note) > _LONGEST_NOTE:
        raise ArgumentError(f"a note of {len(note):,} characters", hint=f"Write at most {_LONGEST_NOTE:,}.")
    if was_performed(reads, act, "answer", f"run:{run}"):
        return
    newest = reads.newest_of(run)
    wait = find_open_question(newest, reads.run_history(newest).waits, question, sealing)
    stored = msgspec.json.decode(sealing.open(wait.question or b"{}"), type=_StoredQuestion)
    recorded: dict[str, object]
    if stored.form is None:
        value, recorded = _read_choice(wait, stored, choice), {"choice": sealing.seal_text(str(choice))}
        encoded = encode(value, value_name="answer", limit=sealing.limit)
    else:
        encoded, names = _read_form(newest, wait, stored.form, choice, sealing.limit)
        recorded = {"form": names}
    if stored.detailed:
        encoded = encode_answer(encoded, str(act.actor), note)
    payload = sealing.seal(encoded)
    command = DeliverFact(newest, FactKind.ANSWER, wait.name, source=act.command, ident=wait.ident, payload=payload)
    sealed_note = None if note is None else sealing.seal_text(note)
    perform(store, act, "answer", f"run:{run}", command, {"question": wait.ident, **recorded, "note": sealed_note})


def _read_choice(wait: WaitView, stored: _StoredQuestion, choice: object) -> str:
    """Return a choice that the question offers."""
    if not isinstance(choice, str):
        raise ArgumentError(
            f"question {wait.ident} has no form, so its answer has no fields",
            hint="Answer with a choice: mainspring runs answer RUN CHOICE",
        )
    choices = [str(offered) for offered in stored.choices or ()]
    if choices and choice not in choices:
        raise ArgumentError(
            f"unknown choice for {stored.text or wait.ident!r}: {choice!r}",
            hint=f"Choices: {', '.join(map(repr, choices))}",
        )
    return choice


def _read_form(
    run: str, wait: WaitView, schema: Mapping[str, object], given: object, limit: int
) -> tuple[bytes, list[str]]:
    """Return the filled-in form as JSON, and the names of its fields."""
    properties = schema.get("properties")
    fields = list(properties) if isinstance(properties, dict) else []
    suggested = f"mainspring runs answer {run} --question {wait.ident} {format_form_options(schema)}"
    if isinstance(given, str):
        listed = ", ".join(fields) or "none"
        raise ArgumentError(f"question {wait.ident} is a form; its fields: {listed}", hint=f"Fill it in: {suggested}")
    value = read_form_words(schema, given.words) if isinstance(given, FormWords) else given
    encoded = encode(value, value_name=f"answer {wait.ident}", limit=limit)
    value = msgspec.json.decode(encoded)
    mismatches = list_form_mismatches(schema, value)
    if mismatches:
        first, *more = mismatches
        error = ValueRefusedError(
            f"the answer to {wait.ident} of run {run}",
            *first,
            hint=f"Send one that fits: {suggested}",
            problem="does not fit its form",
        )
        error.message += "".join(f"\nalso at {mismatch}" for mismatch in more[:_MOST_MISMATCHES])
        if len(more) > _MOST_MISMATCHES:
            error.message += f"\nand {len(more) - _MOST_MISMATCHES} more"
        raise error
    return encoded, list(value)


def find_open_question(run: str, waits: list[WaitView], name: str | None, sealing: Sealing) -> WaitView:
    """Return the open question with this identity, name, or end of its identity (`ask#1` of `part#2/ask#1`); None = the only one.

    Raises:
        NotFoundError: there is none.
        ConflictError: there are several.
    """
    questions = [wait for wait in waits if wait.kind == _ASK and not wait.filled]
    matches: tuple[Callable[[WaitView], bool], ...] = (
        lambda wait: name in (None, wait.ident),
        lambda wait: wait.name == name,
        lambda wait: wait.ident.endswith(f"/{name}"),
    )
    found = next((some for is_meant in matches if (some := [wait for wait in questions if is_meant(wait)])), [])
    if len(found) == 1:
        return found[0]
    if not found:
        missing = "no open question" if name is None else f"no open question {name!r}"
        if not questions:
            hint = "It was answered, or its time ended: `mainspring runs show RUN`."
            raise NotFoundError(f"run {run} has {missing}", hint=hint)
        raise NotFoundError(
            f"run {run} has {missing}; open:\n{_list_questions(questions, sealing)}", hint=_suggest_question(questions)
        )
    named = "" if name is None else f" {name!r}"
    raise ConflictError(
        f"run {run} has {len(found)} open questions{named}:\n{_list_questions(found, sealing)}",
        hint=_suggest_question(found),
    )


def _suggest_question(questions: list[WaitView]) -> str:
    """Return the hint that names the first of these questions."""
    ident = name_question(questions[0], questions)
    return f"Name one: --question {ident!r} at the command line, question={ident!r} in Python and the API."


def _list_questions(questions: list[WaitView], sealing: Sealing) -> str:
    """Return a line for each of the first questions."""
    listed = [f"  {name_question(wait, questions)}: {_format_question(wait, sealing)}" for wait in questions[:_LISTED]]
    more = [] if len(questions) <= _LISTED else [f"  and {len(questions) - _LISTED} more"]
    return "\n".join(listed + more)


def _format_question(wait: WaitView, sealing: Sealing) -> str:
    """Return a question on one line, with its choices."""
    try:
        question_data = msgspec.json.decode(sealing.open(wait.question or b"{}"))
    except SealedError:
        return "(sealed)"
    choices = list_form_labels(question_data.get(FORM) or {}) or question_data.get("choices")
    return fit_line(question_data.get("text", ""), 120) + (f" [{', '.join(map(str, choices))}]" if choices else "")
