"""A setting that is wrong while a file is loaded: it carries its error to the declaration that uses it, so that the rest of the file loads.

Elsewhere its constructor raises. What no declaration has used by the end of the file is reported with its place.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from mainspring.domain.errors import MainspringError


class RefusedSetting(msgspec.Struct, eq=False):
    """`where` = the line that constructs it, as "file:line"; `is_used` = a declaration has reported it."""

    error: MainspringError
    where: str
    is_used: bool = False

    def report(self) -> MainspringError:
        """Return the error, for the declaration that uses the setting."""
        self.is_used = True
        return self.error


_refused: ContextVar[list[RefusedSetting] | None] = ContextVar("mainspring_refused_settings", default=None)


@contextmanager
def refused_settings() -> Iterator[list[RefusedSetting]]:
    """Collect what is refused while a file is loaded."""
    refusals: list[RefusedSetting] = []
    token = _refused.set(refusals)
    try:
        yield refusals
    finally:
        _refused.reset(token)


def carry_refusal(error: MainspringError) -> RefusedSetting:
    """Return what the caller, a constructor, keeps in place of raising.

    Raises:
        MainspringError: `error`, where no file is loaded.
    """
    refusals = _refused.get()
    if refusals is None:
        raise error
    frame = sys._getframe(2)  # noqa: SLF001 - the line that calls the constructor
    refused = RefusedSetting(error, f"{frame.f_code.co_filename}:{frame.f_lineno}")
    refusals.append(refused)
    return refused
