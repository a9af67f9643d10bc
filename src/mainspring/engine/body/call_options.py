"""The options of a call: an option of `run.options(...)` that does not apply to it is an error, which names the right one."""

from collections.abc import Collection
from typing import TYPE_CHECKING, NoReturn

from mainspring.domain.errors import OptionError

if TYPE_CHECKING:
    from mainspring.engine.definitions.automation import Automation
    from mainspring.engine.definitions.step_plan import StepPlan

_CHILD_HINTS = {
    "timeout": 'deadline= limits a whole run, waiting included: @ms.workflow(deadline="1h") where {0} is defined. '
    "Or asyncio.timeout(...) around the await: it cancels the child.",
    "retry": "A child has its own retries: retry= where {0} is defined, or on its steps.",
    "undo": 'A child undoes its own steps: undo= on the steps of {0}, and on_cancel="undo" where it is defined.',
    "delivery": "A child has its own delivery: delivery= where {0} is defined, or on its steps.",
    "isolate": "A child has its own isolation: isolate= where {0} is defined, or on its steps.",
}
_STEP_HINTS = {
    "close": "A step ends with the run that called it. close= is for run.child(...).",
    "run_key": "The key of a step is key=: run.options(key=...).step({0}, ...). run_key= is for run.child(...).",
}
_SPREAD_STEP_HINTS = {
    "undo": "With queue=, tag= or spread=True the step is its own run, which a rollback does not undo. Leave "
    "queue=, tag= and spread= out.",
    "run_key": _STEP_HINTS["run_key"],
}


def refuse_options_of_child(given: Collection[str], automation: "Automation | str") -> None:
    """Refuse options that do not apply to a child.

    Raises:
        OptionError: it names the option, and where to set it for the child.
    """
    for option, fix in _CHILD_HINTS.items():
        if option in given:
            name = str(getattr(automation, "name", automation))
            _refuse(option, f"run.child({name}, ...)", fix.format(name))


def refuse_options_of_step(given: Collection[str], plan: "StepPlan", name: str, *, spread: bool = False) -> None:
    """Refuse options that do not apply to a step.

    Raises:
        OptionError: it names the option, and what to write instead.
    """
    is_spread = spread or plan.queue is not None or plan.tag is not None
    if is_spread and "retry" in given and plan.retry is not None and (plan.retry.wait or plan.retry.stop):
        fix = f"Give the function its policy instead: @ms.step(retry=...) above {name}. Or use attempts=, initial= and max=."
        _refuse("retry", f"run.step({name}, ...), a run of its own, with objects as wait= or stop=", fix)
    for option, fix in (_SPREAD_STEP_HINTS if is_spread else _STEP_HINTS).items():
        if option in given or (option == "undo" and plan.undo is not None):
            _refuse(option, f"run.step({name}, ...)", fix.format(name))


def _refuse(option: str, call: str, hint: str) -> NoReturn:
    raise OptionError(f"run.options({option}=...) has no effect on {call}", hint=hint)
