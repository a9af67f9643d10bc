"""Steps of an agent: their options, and the check that a tool leaves the context of its agent as it was."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from mainspring.domain.definitions.options import DefinitionKind, parse_options
from mainspring.domain.errors import OptionError, Permanent
from mainspring.domain.failures.retry import Retry
from mainspring.integrations.base.library_call import describe_value

StepOptions = Mapping[str, Any]
"""Options of `run.options` for the steps of an agent, such as {"timeout": "2m", "retry": 8}."""

_ALLOWED: Final = ("delivery", "heartbeat", "retry", "timeout", "undo")


def read_step_options(where: str, options: StepOptions | None) -> dict[str, Any]:
    """Return the options of the steps of an agent; `where` names them in errors ("DurableRunner(tools=...)").

    The others of `run.options` are refused: the agent names its steps itself, and their function exists in this process alone.

    Raises:
        OptionError: an option does not apply to these steps, or its value cannot be used.
    """
    given = dict(options or {})
    for name, value in given.items():
        if name not in _ALLOWED or value == "transactional":
            option = f"{name}={value!r}" if name in _ALLOWED else repr(name)
            raise OptionError(
                f"{where}: {option} does not apply to the steps of an agent",
                hint=f"Their options: {', '.join(_ALLOWED)}.",
            )
    objects = ("retry", "undo")
    parse_options(DefinitionKind.STEP, {name: value for name, value in given.items() if name not in objects}, where)
    if given.get("retry") is not None:
        Retry.parse(given["retry"])
    return given


async def call_unchanged(tool: str, context: object, function: Callable[[], Awaitable[Any]]) -> Any:
    """Call a tool in its step, and return its result. What it changes in the context of the agent would be lost in a replay.

    `context` = the object that the caller gave the agent. Only what can be written as JSON is compared.

    Raises:
        Permanent: the tool changed the context.
    """
    before = _describe_context(context)
    result = await function()
    if _describe_context(context) != before:
        raise Permanent(
            f"tool {tool} changed the {type(context).__name__} that the agent got as its context: a replay would not have the change",
            hint="Return what the tool found. Write what others need to a store of your own.",
        )
    return result


def _describe_context(context: object) -> Any:
    """Return a context as JSON data; None = it cannot be written."""
    if context is None:
        return None
    try:
        return describe_value(context)
    except (TypeError, ValueError, RecursionError):
        return None
