"""Answering what a run asked people."""

from typing import Any

import msgspec

from mainspring.domain.codec import encode
from mainspring.domain.errors import ConflictError, NotFoundError, UnknownNameError
from mainspring.domain.journal import FactKind
from mainspring.domain.sealing import PLAIN, Sealing
from mainspring.service.actor import Act
from mainspring.service.perform import perform, was_done
from mainspring.service.reads import Reads
from mainspring.store.base import Store
from mainspring.store.commands.inbox import Deliver
from mainspring.store.views import WaitView

_ASK = "ask"


def answer(
    store: Store,
    reads: Reads,
    run: str,
    choice: str,
    *,
    act: Act,
    question: str | None = None,
    note: str | None = None,
    sealing: Sealing = PLAIN,
) -> None:
    """Answer an open question with one of its choices; the run goes on with it. `question` is its identity where several are open.

    `note` stands in the audit log beside the choice, for people.

    Raises:
        NotFoundError: there is no such run, or no such open question (it was answered, or its time is over).
        UnknownNameError: the question does not offer this choice; shows the nearest.
        ConflictError: several questions are open and none was named.
        SealedError: the codec that sealed the question is not at hand.
    """
    if was_done(reads, act, "answer", f"run:{run}"):
        return
    wait = _open_question(run, reads.story(run).waits, question)
    asked: dict[str, Any] = msgspec.json.decode(sealing.open(wait.question or b"{}"))
    choices = asked.get("choices")
    if choices and choice not in choices:
        raise UnknownNameError(f"choice for {asked.get('text', wait.ident)!r}:", choice, choices)
    payload = sealing.seal(encode(choice, what="answer", limit=sealing.limit))
    command = Deliver(run, FactKind.ANSWER, wait.name, source=act.command, ident=wait.ident, payload=payload)
    said = {"choice": sealing.seal_text(choice), "note": None if note is None else sealing.seal_text(note)}
    perform(store, act, "answer", f"run:{run}", command, {"question": wait.ident, **said})


def _open_question(run: str, waits: list[WaitView], ident: str | None) -> WaitView:
    """Return the open question that is meant."""
    found = [wait for wait in waits if wait.kind == _ASK and not wait.filled and ident in (None, wait.ident)]
    if not found:
        what = "no open question" if ident is None else f"no open question {ident!r}"
        raise NotFoundError(
            f"run {run} has {what}", hint="It was answered, or its time is over: `mainspring runs show RUN`."
        )
    if len(found) > 1:
        listed = ", ".join(wait.ident for wait in found[:5])
        raise ConflictError(f"run {run} has {len(found)} open questions", hint=f"Name one: {listed}")
    return found[0]
