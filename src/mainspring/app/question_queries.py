"""Queries for the open questions of runs to people, `app.questions`. Each call reads one state of the store, off the loop."""

import asyncio
import builtins
from datetime import datetime
from typing import Any, Final

import msgspec

from mainspring.app.blocking import run_blocking
from mainspring.app.run_queries import StoreOwner
from mainspring.domain.errors import OptionError
from mainspring.domain.time.utc import to_datetime
from mainspring.engine.definitions.automation import Automation
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.runs.run_views import questions
from mainspring.store.views import WaitView

_MOST: Final = 500
"""Most questions of one list."""


class QuestionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An open question of a run: `await app.answer(info.run_id, choice, question=info.name)` answers it.

    `choices` empty = any text, or a form; `form` = the JSON Schema of its fields, None = it has no form. `otherwise` = the answer if no one
    answers in time. `assignee` = who is to answer it now, None = anyone. Instants are in UTC; `until_at` None = without limit.
    """

    run_id: str
    automation: str
    name: str
    text: str
    choices: list[str]
    form: dict[str, Any] | None
    otherwise: Any
    evidence: Any
    assignee: str | None
    opened_at: datetime
    until_at: datetime | None


class QuestionQueries:
    """Reads of open questions."""

    def __init__(self, owner: StoreOwner) -> None:
        self._owner = owner

    async def list(
        self, automation: Automation | str | None = None, *, assignee: str | None = None, limit: int = 50
    ) -> list[QuestionInfo]:
        """Return open questions, the oldest first: of all automations or of one, `assignee` = those that they are to answer now.

        Raises:
            OptionError: `limit` is not from 1 to 500.
            SealedError: a codec sealed a question, and this app does not have it.
        """
        if type(limit) is not int or not 1 <= limit <= _MOST:
            raise OptionError(f"limit={limit!r}: expected a number from 1 to {_MOST}")
        name = automation.name if isinstance(automation, Automation) else automation
        store = await self._owner.opened_store()
        return await asyncio.to_thread(self._read, store, None if name is None else [name], assignee, limit)

    def list_sync(
        self, automation: Automation | str | None = None, *, assignee: str | None = None, limit: int = 50
    ) -> "builtins.list[QuestionInfo]":
        """Return open questions as `list` does, and block until they are read. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.list(automation, assignee=assignee, limit=limit), "app.questions.list")

    def _read(
        self, store: ProcessStore, names: "builtins.list[str] | None", assignee: str | None, limit: int
    ) -> "builtins.list[QuestionInfo]":
        from mainspring.insight.status.upcoming import list_open_questions  # noqa: PLC0415 - see Handle.steps

        now = store.clock.now()
        unsealer = ViewUnsealer(self._owner.sealing)
        stored = questions(store.reader, limit, names, assignee=assignee, now=now)
        waits = [unsealer.wait(wait) for wait in stored]
        opened = list_open_questions(store.reader, waits, now)
        return [
            _make_info(wait, question.automation, question.name, now)
            for wait, question in zip(waits, opened, strict=True)
        ]


def _make_info(wait: WaitView, automation: str, name: str, now: int) -> QuestionInfo:
    from mainspring.insight.runs.waits import list_choices, read_evidence, read_form, read_question  # noqa: PLC0415

    question = read_question(wait)
    return QuestionInfo(
        run_id=wait.run,
        automation=automation,
        name=name,
        text=question.get("text", ""),
        choices=list_choices(wait),
        form=read_form(wait),
        otherwise=question.get("otherwise"),
        evidence=read_evidence(wait),
        assignee=wait.assignee_at(now),
        opened_at=to_datetime(wait.opened_at),
        until_at=to_datetime(wait.until_at),
    )
