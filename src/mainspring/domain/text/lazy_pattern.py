"""A lazy pattern: a regular expression that is compiled at its first use. A process imports many more patterns than it uses."""

import re
from typing import Any, AnyStr, cast


class _LazyPattern:
    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        """Compile it and cache the method or value: the next use costs as much as that of a compiled pattern."""
        value = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, value)
        return value


def lazy_pattern(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return the result of `re.compile`, compiled at its first use."""
    return cast("re.Pattern[AnyStr]", _LazyPattern(pattern, flags))
