"""Named places at which a crash can be ordered: `commit.before:kill@3` ends this process at the third commit, without a goodbye.

Off, a place costs one comparison. Only the composition root reads the order from the environment; tests install a callable of their own.
An order is a comma separated list of `place:action@n` (n from 1, default 1); actions: `kill` (SIGKILL), `exit` (os._exit), `stop` (SIGSTOP:
a zombie to be, continued by whoever gave the order).
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
    """Pass the place; whatever is ordered for it happens here."""
    if _hook is not None:
        _hook(place)


def install(hook: Hook | None) -> None:
    """Let `hook` be called with the name of each place that is passed; None takes it away."""
    global _hook  # noqa: PLW0603 - places are passed from everywhere; one process has one order
    _hook = hook


def parse(text: str) -> Hook:
    """Make the hook that an order describes.

    Raises:
        ConfigError: the order cannot be read.
    """
    orders: dict[str, dict[int, Callable[[], None]]] = {}
    for order in filter(None, (part.strip() for part in text.split(","))):
        place, _, rest = order.partition(":")
        action, _, number = rest.partition("@")
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
            if (act := orders[place].get(passed[place])) is not None:
                act()

    return hook


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit() -> None:
    os._exit(1)


def _stop() -> None:
    """Stop all threads; sent to this one, since it might run on for a while where another one takes what is sent to the process."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


_ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "exit": _exit, "stop": _stop}
