"""Option errors: an unknown option of a public call, and an invalid setting while a file is loaded.

Such a setting carries its error to the declaration that uses it, so that the rest of the file loads. Elsewhere its constructor raises. A
setting that no declaration has used by the end of the file is reported with its place.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError, UnknownOptionError


class DeferredSettingError(msgspec.Struct, eq=False):
    """A deferred error of a setting. `where` = the line that constructs it, as "file:line"; `is_used` = a declaration has reported it."""

    error: MainspringError
    where: str
    is_used: bool = False

    def report(self) -> MainspringError:
        """Return the error, for the declaration that uses the setting."""
        self.is_used = True
        return self.error


_deferred_errors: ContextVar[list[DeferredSettingError] | None] = ContextVar(
    "mainspring_refused_settings", default=None
)


@contextmanager
def collect_setting_errors() -> Iterator[list[DeferredSettingError]]:
    """Collect the settings that are refused while a file is loaded."""
    refusals: list[DeferredSettingError] = []
    token = _deferred_errors.set(refusals)
    try:
        yield refusals
    finally:
        _deferred_errors.reset(token)


def defer_setting_error(error: MainspringError) -> DeferredSettingError:
    """Return the error that the caller, a constructor, stores in place of raising.

    Raises:
        MainspringError: `error`, if no file is loaded.
    """
    refusals = _deferred_errors.get()
    if refusals is None:
        raise error
    frame = sys._getframe(2)  # noqa: SLF001 - the line that calls the constructor
    refused = DeferredSettingError(error, f"{frame.f_code.co_filename}:{frame.f_lineno}")
    refusals.append(refused)
    return refused


def reject_unknown_options(call: str, function: Callable[..., Any], unknown: Mapping[str, Any]) -> None:
    """Refuse the options in `**unknown` of `function`; `call` = the name that users write: "run.map".

    Raises:
        UnknownOptionError: there is one.
    """
    if unknown:
        parameters = inspect.signature(function).parameters.values()
        raise UnknownOptionError(
            call, next(iter(unknown)), [parameter.name for parameter in parameters if _is_option(parameter)]
        )


def _is_option(parameter: inspect.Parameter) -> bool:
    return parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY
