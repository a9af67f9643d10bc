"""The name of a secret, and the source of its value."""

import re
from typing import Protocol

from mainspring.domain.text.lazy_pattern import lazy_pattern

SECRET_NAME = lazy_pattern(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", re.ASCII)
"""Valid names of a secret: it is part of the name of a variable, and of a file."""


class SecretReader(Protocol):
    """Returns the value of a secret; raises ConfigError if it is not set."""

    def get(self, name: str) -> str: ...
