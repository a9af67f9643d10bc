"""Questions of runs to people: the options of `run.ask` besides its text, the assignee of now, and answers on their way to the run."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from mainspring.domain.duration import read_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.runs.journal import Fact, FactKind, Outcome, QuestionPlan
from mainspring.domain.text.escaping import is_plain_line

UNNAMED: Final = "ask"
"""The name of the wait of a question without a name of its own."""
DETAILED: Final = "detailed"
"""The field of a stored question whose run reads answers with their author and note."""
FORM: Final = "form"
"""The field of a stored question that holds the JSON Schema of its form."""
YES_NO: Final = ("yes", "no")
"""The choices of a question that states none."""
NO_DEFAULT: Final[Any] = object()
"""Stands for a question without an answer of its own at its timeout."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_LONGEST_ASSIGNEE = 200


class QuestionText(NamedTuple):
    """The text of a question with its context: `text` None = that of its form, `who` = for whom, `otherwise` = at its timeout."""

    text: str | None
    who: str | None
    evidence: Any
    otherwise: Any = NO_DEFAULT


class GivenAnswer(msgspec.Struct, frozen=True):
    """The answer of a person, besides its value: `by` = its author ("web:ana"), `note` = what they wrote with it, `at` = when (UTC)."""

    at: datetime
    by: str | None = None
    note: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    answer: msgspec.Raw
    by: str | None = None
    note: str | None = None


def read_plan(assignee: Any, remind: Any, escalate: Any) -> QuestionPlan:
    """Return the plan of the options of `run.ask`; `escalate` = (span, assignee).

    Raises:
        OptionError: one of them cannot be used.
    """
    if assignee is not None:
        _check_assignee("assignee", assignee)
    remind_ms = None if remind is None else read_milliseconds("remind", remind, 1_000)
    if escalate is None:
        return QuestionPlan(assignee, remind_ms)
    if not isinstance(escalate, tuple | list) or len(escalate) != 2:
        raise OptionError(
            f"escalate={escalate!r}: expected a span and an assignee", hint='Write escalate=("1d", "finance-leads").'
        )
    span, escalate_to = escalate
    _check_assignee("escalate", escalate_to)
    return QuestionPlan(assignee, remind_ms, read_milliseconds("escalate", span, 1_000), escalate_to)


class FormWords(NamedTuple):
    """Fields of a form as a person writes them: `amount=5`. The schema of the form says what each word is."""

    words: tuple[str, ...]


def check_question_name(name: str) -> None:
    """Do nothing if a question can have this name. Raises OptionError."""
    if name == UNNAMED:
        raise OptionError(
            f"name={name!r} is the name of every question without one", hint="Choose another, or leave name= out."
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(
            f"name={name!r} cannot be the name of a question",
            hint='Write letters, digits, "_", "-" and ".", at most 80: name="refund".',
        )


def encode_answer(value: bytes, by: str, note: str | None) -> bytes:
    """Return an answer with its author and note, as its run takes it in; `value` = JSON."""
    return msgspec.json.encode(_Envelope(msgspec.Raw(value), by, note))


def split_answer(fact: Fact) -> tuple[Fact, bytes | None]:
    """Return a fact of the inbox with its bare value, and of an answer what the journal keeps besides: [ms UTC, author, note] as JSON.

    A choice alone is the answer to a question of an earlier version.
    """
    if fact.kind is not FactKind.ANSWER or fact.payload is None:
        return fact, None
    if not fact.payload.startswith(b"{"):
        return fact, msgspec.json.encode([fact.at, None, None])
    envelope = msgspec.json.decode(fact.payload, type=_Envelope)
    bare = msgspec.structs.replace(fact, payload=bytes(envelope.answer))
    return bare, msgspec.json.encode([fact.at, envelope.by, envelope.note])


def read_given_answer(outcome: Outcome) -> GivenAnswer:
    """Return the author and note of the outcome of a question. Runs of earlier versions stored only its time."""
    stored = None if outcome.input is None else msgspec.json.decode(outcome.input)
    match stored:
        case [int(at), str() | None as by, str() | None as note]:
            return GivenAnswer(datetime.fromtimestamp(at / 1000, UTC), by, note)
    return GivenAnswer(datetime.fromtimestamp(outcome.at / 1000, UTC))


def choose_name(ident: str, name: str, open_names: Iterable[str]) -> str:
    """Return by what an answer names a question: its name if no other open one of its run has it, else its identity."""
    return name if name != UNNAMED and sum(other == name for other in open_names) <= 1 else ident


def _check_assignee(option: str, name: Any) -> None:
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _LONGEST_ASSIGNEE or not is_plain_line(name):
        raise OptionError(f"{option}={name!r}: expected the name of a person or team", hint='Write assignee="finance".')
