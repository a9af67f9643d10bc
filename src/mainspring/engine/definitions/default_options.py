"""Default options of definitions: `[defaults]` of the configuration, set while automations are loaded."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mainspring.domain.definitions.options import DefinitionKind, is_option_effective
from mainspring.domain.failures.retry import Retry

_DEFAULTS: ContextVar[Mapping[str, Any] | None] = ContextVar("mainspring_defaults", default=None)


@contextmanager
def use_default_options(options: Mapping[str, Any]) -> Iterator[None]:
    """Apply canonical `options` as defaults to each definition that is declared inside."""
    token = _DEFAULTS.set(options)
    try:
        yield
    finally:
        _DEFAULTS.reset(token)


def apply_default_options(kind: DefinitionKind, parsed: dict[str, Any]) -> dict[str, Any]:
    """Return the canonical options of a definition with the defaults; a time zone applies only with a time of day."""
    defaults = _DEFAULTS.get() or {}
    has_clock = any(parsed.get(name) or defaults.get(name) for name in ("cron", "at", "calendar"))
    applied = {
        name: value
        for name, value in defaults.items()
        if name not in parsed and is_option_effective(kind, name, value) and (name != "tz" or has_clock)
    }
    return parsed | applied


def default_retry() -> Retry | None:
    """Return the default retry policy, if there is one."""
    data = (_DEFAULTS.get() or {}).get("retry")
    return None if data is None else Retry.from_data(data).as_default()
