"""Command words: a command as a list of words. No shell ever reads it: a feature of a shell needs an explicit shell."""

import shlex
from typing import Any

from mainspring.domain.errors import OptionError

_SHELL_WORDS = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "<<", "2>", "2>>", "2>&1", "&>", "|&"})
_LONGEST = 100_000


def parse_command(value: Any) -> list[str]:
    """Return the words of a command given as text (split as a shell would, nothing expanded) or as a list.

    Raises:
        OptionError: no words, an open quote, a NUL, or words that only a shell understands.
    """
    if isinstance(value, str):
        words = _split_words(value)
    elif isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        words = list(value)
    else:
        raise OptionError(f"{value!r} is not a command", hint='Write "./backup.sh --all" or ["./backup.sh", "--all"].')
    if not words or not words[0].strip():
        raise OptionError("the command is empty", hint='Write "./backup.sh --all" or ["./backup.sh", "--all"].')
    if any("\0" in word for word in words) or sum(map(len, words)) > _LONGEST:
        raise OptionError("the command contains a NUL or is too long", hint="Put long input into a file.")
    return words


def _split_words(text: str) -> list[str]:
    """Split text into words, and refuse features of a shell."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"the command {text[:200]!r} cannot be read: {error}", hint="Close the quotes.") from None
    for word in words:
        if word in _SHELL_WORDS:
            raise OptionError(
                f"the command {text[:200]!r} has {word!r}, which only a shell understands",
                hint=f'Say so: ["bash", "-euo", "pipefail", "-c", {text[:200]!r}].',
            )
    return words
