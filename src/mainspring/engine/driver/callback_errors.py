"""A defect of ours in one run's callbacks must neither hang that run in silence nor reach the others: it becomes that run's halt."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def halt_run_on_error(method: F) -> F:
    """Let the run go, halted, if a callback of its driver raises."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever it is, a person must see it on the run
            driver = getattr(self, "_driver", self)
            driver.hosting.broken(driver, error)
            return None

    return call  # type: ignore[return-value]
