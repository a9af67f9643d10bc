"""The call of a question: its stored form, and how its answer is read: one of its choices, or a value of the class of its form."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.runs.journal import QuestionPlan
from mainspring.domain.runs.question import DETAILED, FORM, NO_DEFAULT, YES_NO, QuestionText, check_question_name
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.form_schema import describe_form, make_form_schema


class QuestionCall(NamedTuple):
    """`encoded` = the question as it is stored; `read` reads the saved JSON of an answer, `choose` makes what the body gets of it."""

    text: str
    encoded: bytes
    plan: QuestionPlan
    read: Callable[[bytes], Any]
    choose: Callable[[Any], Any]


def make_question_call(
    question: QuestionText, choices: Iterable[str], form: Any, name: str | None, plan: QuestionPlan, *, limit: int
) -> QuestionCall:
    """Return a question with its choices, or with its form.

    Raises:
        OptionError: it has neither text nor form, no choices, or choices and a form; or its name cannot be used.
        ValueRefusedError: a part of it cannot be saved.
    """
    if name is not None:
        check_question_name(name)
    if form is None:
        return _make_choice_call(question, choices, plan, limit)
    if choices is not YES_NO:
        raise OptionError("run.ask has choices and a form", hint="Write choices=, or a field of the form with them.")
    schema = make_form_schema(form)
    text = question.text or describe_form(msgspec.json.decode(schema))
    data = {"text": text, "choices": []}
    value_name = "the answer" if name is None else f"answer {name}"
    read = functools.partial(decode, annotation=form, value_name=value_name)
    # The canonical order of keys would not be that of the fields.
    encoded = b'{"%b":%b,%b' % (FORM.encode(), schema, _encode_question(data, question, limit - len(schema))[1:])
    return QuestionCall(text, encoded, plan, read, lambda answer: answer)


def _make_choice_call(question: QuestionText, choices: Iterable[str], plan: QuestionPlan, limit: int) -> QuestionCall:
    listed = list(choices)
    if question.text is None:
        raise OptionError("run.ask has no question", hint='Write await run.ask("Publish it?"), or form=.')
    if not listed:
        raise OptionError(f"run.ask({question.text!r}) has no choices")
    encoded = _encode_question({"text": question.text, "choices": listed}, question, limit)

    def choose(answer: Any) -> Any:
        return next((choice for choice in listed if choice == answer), str(answer))

    return QuestionCall(question.text, encoded, plan, decode, choose)


def _encode_question(data: dict[str, Any], question: QuestionText, limit: int) -> bytes:
    default = None if question.otherwise is NO_DEFAULT else question.otherwise
    data |= {"otherwise": default, "who": question.who, "evidence": question.evidence, DETAILED: True}
    return encode(data, value_name="question", limit=limit)
