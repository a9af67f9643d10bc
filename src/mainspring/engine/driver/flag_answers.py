"""Flag answers of one loaded run: the store answers, and the answer is an outcome of the journal before the body has it."""

import functools
from typing import TYPE_CHECKING

from mainspring.domain.flags.flag import FlagAnswer
from mainspring.domain.flags.flag_question import read_value
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.engine.body.request import FlagCall, Request
from mainspring.store.commands.flags import AnswerFlag

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun


class RunFlags:
    """The open questions of one run about flags."""

    def __init__(self, loaded: "LoadedRun") -> None:
        self._loaded = loaded

    def ask(self, request: Request, call: FlagCall) -> None:
        """Ask the store."""
        loaded = self._loaded
        command = AnswerFlag(loaded.run.id, loaded.run.generation, call.question, call.is_fresh)
        loaded.journal.saving += 1
        loaded.host.flags.ask(command, loaded.run.automation, functools.partial(self._save, request))

    def _save(self, request: Request, answer: FlagAnswer | BaseException) -> None:
        """Write the answer to the journal, unless the body has cancelled the question."""
        loaded = self._loaded
        loaded.journal.saving -= 1
        if loaded.is_unloaded:
            return
        if not isinstance(answer, FlagAnswer):
            if isinstance(answer, Exception):
                loaded.fail(answer)
            return
        if not request.open:
            loaded.advance()
            return
        value = read_value(answer.value)
        loaded.journal.save(
            request,
            OutcomeState.SUCCEEDED,
            value=value,
            has_value=True,
            output=encode(value, value_name=f"flag {request.name!r}"),
        )
