"""Failpoints: named places where tests request a crash. `commit.before:kill@3` kills this process at the third commit.

A failpoint that is off costs one comparison. Only the composition root reads the order from the environment; tests
install a callable. An order is a comma separated list of `place:action@n` (n from 1, default 1). Actions: `kill`
(SIGKILL), `exit` (os._exit), `stop` (SIGSTOP: the sender of the order may continue the process later, as a zombie).
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable

from mainspring.domain.errors import ConfigError

Hook = Callable[[str], None]

_hook: Hook | None = None


def hit(place: str) -> None:
    """Pass a place and execute what is ordered for it."""
    if _hook is not None:
        _hook(place)


def install(hook: Hook | None) -> None:
    """Call `hook` with the name of each place that is passed; None removes the hook."""
    global _hook  # noqa: PLW0603 - places are passed from everywhere; one process has one order
    _hook = hook


def parse(text: str) -> Hook:
    """Return the hook of an order.

    Raises:
        ConfigError: the order cannot be read.
    """
    orders: dict[str, dict[int, Callable[[], None]]] = {}
    for order in filter(None, (part.strip() for part in text.split(","))):
        place, _, action_and_number = order.partition(":")
        action, _, number = action_and_number.partition("@")
        number = number or "1"
        if not place or action not in _ACTIONS or not number.isdecimal() or int(number) < 1:
            raise ConfigError(
                f"the failpoint {order!r} cannot be read",
                hint=f"Write PLACE:ACTION@N, N from 1; actions: {', '.join(sorted(_ACTIONS))}.",
            )
        orders.setdefault(place, {})[int(number)] = _ACTIONS[action]
    passed: Counter[str] = Counter()

    def hook(place: str) -> None:
        if place in orders:
            passed[place] += 1
            if (crash := orders[place].get(passed[place])) is not None:
                crash()

    return hook


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit() -> None:
    os._exit(1)


def _stop() -> None:
    """Stop all threads. The signal goes to this thread: one sent to the process may reach another thread, while this
    one runs on.
    """
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


_ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "exit": _exit, "stop": _stop}
