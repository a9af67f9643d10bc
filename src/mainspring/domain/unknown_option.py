"""An unknown option of a public call: refused in our words, with the call, the option and the nearest known one."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mainspring.domain.errors import UnknownOptionError


def refuse_unknown_options(call: str, function: Callable[..., Any], unknown: Mapping[str, Any]) -> None:
    """Refuse what `function` took in its `**unknown`; `call` = how users write it: "run.map".

    Raises:
        UnknownOptionError: there is something.
    """
    if unknown:
        parameters = inspect.signature(function).parameters.values()
        raise UnknownOptionError(call, next(iter(unknown)), [one.name for one in parameters if _is_option(one)])


def _is_option(parameter: inspect.Parameter) -> bool:
    return parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY
