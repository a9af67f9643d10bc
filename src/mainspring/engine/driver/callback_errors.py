"""Errors in the callbacks of one run: a defect of Mainspring halts that run, instead of hanging it silently or reaching other runs."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def halt_run_on_error(method: F) -> F:
    """Unload and halt the run if a callback of its driver raises."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  a person must see any error on the run
            getattr(self, "_loaded", self).fail(error)
            return None

    return call  # type: ignore[return-value]
