"""The name of a secret, the variable that may hold it, and the source of its value."""

import re
from collections.abc import Callable
from typing import Protocol

from mainspring.domain.text.lazy_pattern import lazy_pattern

SECRET_NAME = lazy_pattern(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", re.ASCII)
"""Valid names of a secret: it is part of the name of a variable, and of a file."""
SECRET_REFERENCE = lazy_pattern(rf"\{{secret:({SECRET_NAME.pattern})\}}", re.ASCII)
"""The name of a secret in an address, where its value is needed."""
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


def list_references(address: str) -> list[str]:
    """Return the names of the secrets that an address refers to."""
    return [match[1] for match in SECRET_REFERENCE.finditer(address)]


def fill_references(address: str, read: Callable[[str], str]) -> str:
    """Return an address with the value of each secret, quoted for it."""
    from urllib.parse import quote  # noqa: PLC0415 - most commands fill no address

    return SECRET_REFERENCE.sub(lambda match: quote(read(match[1]), safe=""), address)


class SecretReader(Protocol):
    """Returns the value of a secret; raises ConfigError if it is not set."""

    def get(self, name: str) -> str: ...
