"""Mainspring: automation that can be trusted: durable, observed, safe to run twice, and loud when it stops.

Every public name is in `_PUBLIC` and nowhere else; each is imported when it is first asked for, so that
`import mainspring` costs next to nothing. Checkers see the same names in the block below it (a test compares the two).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: Public name -> the module that defines it.
_PUBLIC: dict[str, str] = {}

__all__ = sorted([*_PUBLIC, "__version__"])  # noqa: PLE0605 - a list all the same


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, and keep it."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mainspring' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Offer the public names to completion."""
    return sorted({*globals(), *_PUBLIC})
