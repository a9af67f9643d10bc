"""The name of a secret, the variable that may hold it, and the source of its value."""

import re
from typing import Protocol

from mainspring.domain.text.lazy_pattern import lazy_pattern

SECRET_NAME = lazy_pattern(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", re.ASCII)
"""Valid names of a secret: it is part of the name of a variable, and of a file."""
SECRET_VARIABLE_PREFIX = "MAINSPRING_SECRET_"
"""The prefix of environment variables with secrets."""
SECRET_NAME_HINT = "Use a letter, then letters, digits and _ . -, such as GITHUB_HOOK."


SET_SECRET_HINT = "Set its value with `mainspring secrets set NAME`, or in the variable MAINSPRING_SECRET_NAME."


def secret_variable_name(name: str) -> str:
    """Return the variable that holds a secret: `gh-hook` is in MAINSPRING_SECRET_GH_HOOK."""
    return SECRET_VARIABLE_PREFIX + re.sub(r"[.-]", "_", name).upper()


def command_variable_name(name: str) -> str:
    """Return the variable by which a command gets a secret that it is given: `gh-hook` is in gh_hook."""
    return re.sub(r"[.-]", "_", name)


class SecretReader(Protocol):
    """Returns the value of a secret; raises ConfigError if it is not set."""

    def get(self, name: str) -> str: ...
