"""Commands on the limits of targets, from the code that runs now: a step sends them by its worker, a program by its own session."""

import threading
from typing import Any

from mainspring.app.program_session import program_session
from mainspring.domain.effects.target_limits import TargetRefused, TargetTurn
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.store.commands.results import CommandDone
from mainspring.store.commands.targets import EnterTarget, LeaveTarget


def send_target_command(command: EnterTarget | LeaveTarget) -> PendingAnswer[TargetTurn | TargetRefused | CommandDone]:
    """Send a command to the store of this project. The answer is that of the command, or its error.

    Raises:
        ConfigError: the configuration cannot be used.
        AttemptClosed: the step has ended.
    """
    step = CURRENT_STEP.get()
    if step is not None:
        return step.channel.send_command(command)
    session = program_session()
    pending: PendingAnswer[TargetTurn | TargetRefused | CommandDone] = PendingAnswer(0)

    def apply() -> None:
        answer: Any
        try:
            answer = session.apply(command)
        except BaseException as error:  # noqa: BLE001 - the waiting code gets it
            answer = error
        pending.answer(answer)

    threading.Thread(target=apply, name="mainspring-target", daemon=True).start()
    return pending
