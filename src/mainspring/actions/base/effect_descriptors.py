"""Descriptors of the session of a program, for the commands that perform its effects."""

from mainspring.engine.attempts.derived_keys import RUNNING_EFFECT
from mainspring.engine.attempts.step_context import CURRENT_STEP


def list_effect_descriptors() -> tuple[int, ...]:
    """Return what a command inherits that performs an effect of this program; nothing for any other command.

    A killed program can leave processes of its command. While one of them has these descriptors, the session lives, and no other call of
    the key performs the effect. In a step, the worker that takes over ends the group of the command.
    """
    if RUNNING_EFFECT.get() is None or CURRENT_STEP.get() is not None:
        return ()
    from mainspring.app.program_session import program_session  # it imports the store, which other commands do not need

    return program_session().descriptors
