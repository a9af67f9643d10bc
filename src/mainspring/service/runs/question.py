"""Answer to a question that a run asked people."""

from typing import Any

import msgspec

from mainspring.domain.errors import ConflictError, NotFoundError, SealedError, UnknownNameError
from mainspring.domain.notifications.rendering import fit_line
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.store.base import Store
from mainspring.store.commands.inbox import DeliverFact
from mainspring.store.views import WaitView

_ASK = "ask"
_LISTED = 5


def answer(
    store: Store,
    reads: ServiceReads,
    run: str,
    choice: str,
    *,
    act: OperationContext,
    question: str | None = None,
    note: str | None = None,
    sealing: Sealing = PLAIN_SEALING,
) -> None:
    """Answer an open question with one of its choices; the run continues with it. `question` is its identity if several are open.

    `note` is stored in the audit log beside the choice, for people.

    Raises:
        NotFoundError: there is no such run, or no such open question (it was answered, or its time ended).
        UnknownNameError: the question does not offer this choice; lists all.
        ConflictError: several questions are open and none was named.
        SealedError: the codec that sealed the question is not available.
    """
    if was_performed(reads, act, "answer", f"run:{run}"):
        return
    newest = reads.newest_of(run)
    wait = _find_open_question(newest, reads.run_history(newest).waits, question, sealing)
    question_data: dict[str, Any] = msgspec.json.decode(sealing.open(wait.question or b"{}"))
    choices = question_data.get("choices")
    if choices and choice not in choices:
        error = UnknownNameError(f"choice for {question_data.get('text', wait.ident)!r}:", choice, choices)
        error.hint = f"Choices: {', '.join(map(repr, map(str, choices)))}"
        raise error
    payload = sealing.seal(encode(choice, value_name="answer", limit=sealing.limit))
    command = DeliverFact(newest, FactKind.ANSWER, wait.name, source=act.command, ident=wait.ident, payload=payload)
    recorded = {"choice": sealing.seal_text(choice), "note": None if note is None else sealing.seal_text(note)}
    perform(store, act, "answer", f"run:{run}", command, {"question": wait.ident, **recorded})


def _find_open_question(run: str, waits: list[WaitView], ident: str | None, sealing: Sealing) -> WaitView:
    """Return the open question with this identity or with this end of it (`ask#1` of `part#2/ask#1`), or the only one."""
    questions = [wait for wait in waits if wait.kind == _ASK and not wait.filled]
    found = [wait for wait in questions if ident in (None, wait.ident)]
    found = found or [wait for wait in questions if wait.ident.endswith(f"/{ident}")]
    if len(found) == 1:
        return found[0]
    if not found:
        missing = "no open question" if ident is None else f"no open question {ident!r}"
        if not questions:
            hint = "It was answered, or its time ended: `mainspring runs show RUN`."
            raise NotFoundError(f"run {run} has {missing}", hint=hint)
        raise NotFoundError(
            f"run {run} has {missing}; open:\n{_list_questions(questions, sealing)}", hint=_suggest_question(questions)
        )
    raise ConflictError(
        f"run {run} has {len(found)} open questions:\n{_list_questions(found, sealing)}", hint=_suggest_question(found)
    )


def _suggest_question(questions: list[WaitView]) -> str:
    """Return the hint that names the first of these questions."""
    ident = questions[0].ident
    return f"Name one: --question {ident!r} at the command line, question={ident!r} in Python and the API."


def _list_questions(questions: list[WaitView], sealing: Sealing) -> str:
    """Return a line for each of the first questions."""
    listed = [f"  {wait.ident}: {_format_question(wait, sealing)}" for wait in questions[:_LISTED]]
    more = [] if len(questions) <= _LISTED else [f"  and {len(questions) - _LISTED} more"]
    return "\n".join(listed + more)


def _format_question(wait: WaitView, sealing: Sealing) -> str:
    """Return a question on one line, with its choices."""
    try:
        question_data = msgspec.json.decode(sealing.open(wait.question or b"{}"))
    except SealedError:
        return "(sealed)"
    choices = question_data.get("choices")
    return fit_line(question_data.get("text", ""), 120) + (f" [{', '.join(map(str, choices))}]" if choices else "")
