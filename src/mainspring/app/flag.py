"""`ms.flag`: the value of a flag, in steps, tasks, scripts and plain programs. The body of a workflow has `run.flag`."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from mainspring.domain.errors import DefinitionError, MainspringError
from mainspring.domain.flags.flag import FlagAnswer, FlagQuestion
from mainspring.domain.flags.flag_question import FlagKey, make_question, read_value
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext, current_step
from mainspring.store.commands.flags import AnswerFlag

T = TypeVar("T")
_LOG = logging.getLogger("mainspring.flags")


@overload
def flag(
    name: str, *, by: FlagKey | None = ..., attributes: Mapping[str, object] | None = ..., fresh: bool = ...
) -> bool: ...
@overload
def flag(
    name: str, *, by: FlagKey | None = ..., default: T, attributes: Mapping[str, object] | None = ..., fresh: bool = ...
) -> T: ...
def flag(
    name: str,
    *,
    by: FlagKey | None = None,
    default: Any = False,
    attributes: Mapping[str, object] | None = None,
    fresh: bool = False,
) -> Any:
    """Return the value of a flag for `by`; `default` = the value if there is no such flag, or no store.

    In a step, the first answer for a flag and a key counts for the whole run: for all attempts, other steps, and `run.flag`. `fresh` = the
    answer of now, for this call only. Without `by` the key is the run. In a program each call gets the answer of now, and without `by` all
    calls have the same key.

    Raises:
        ArgumentError: an argument cannot be used.
        DefinitionError: in an `async def` step, whose loop it would block: `await ms.flag_async(...)`.
        NotInStepError: in the body of a workflow.
    """
    step = _current_step()
    if step is None:
        return _ask_program(make_question(name, by, default, attributes))
    if _is_in_loop():
        raise DefinitionError(
            f"ms.flag({name!r}) would block the event loop of this step", hint="Write `await ms.flag_async(...)`."
        )
    return read_value(
        _ask(step, make_question(name, by, default, attributes, otherwise=step.run_id), is_fresh=fresh).wait().value
    )


@overload
async def flag_async(
    name: str, *, by: FlagKey | None = ..., attributes: Mapping[str, object] | None = ..., fresh: bool = ...
) -> bool: ...
@overload
async def flag_async(
    name: str, *, by: FlagKey | None = ..., default: T, attributes: Mapping[str, object] | None = ..., fresh: bool = ...
) -> T: ...
async def flag_async(
    name: str,
    *,
    by: FlagKey | None = None,
    default: Any = False,
    attributes: Mapping[str, object] | None = None,
    fresh: bool = False,
) -> Any:
    """Return the value of a flag, as `flag` does, for `async def` steps and programs.

    Raises:
        ArgumentError: an argument cannot be used.
        NotInStepError: in the body of a workflow.
    """
    step = _current_step()
    if step is None:
        question = make_question(name, by, default, attributes)
        return await asyncio.to_thread(_ask_program, question)  # the first one reads the store
    answer = await _ask(step, make_question(name, by, default, attributes, otherwise=step.run_id), is_fresh=fresh)
    return read_value(answer.value)


def _current_step() -> StepContext | None:
    """Return the running step; None = in a program. Raises NotInStepError in the body of a workflow."""
    return current_step("flag()") if IN_BODY.get() else CURRENT_STEP.get()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _ask(step: StepContext, question: FlagQuestion, *, is_fresh: bool) -> PendingAnswer[FlagAnswer]:
    """Ask the store. The worker fills in the run and its generation."""
    return step.channel.send_command(AnswerFlag(step.run_id, 0, question, is_fresh))


def _ask_program(question: FlagQuestion) -> Any:
    from mainspring.app.program_flags import program_flags  # it opens the project

    try:
        flags = program_flags()
    except MainspringError as error:
        _LOG.warning("flag %r: the default counts: %s", question.flag, error.message)
        return read_value(question.default)
    return read_value(flags.answer(question).value)
