"""Names of channels."""

import re

from mainspring.domain.errors import OptionError
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern

TERMINAL = "terminal"
"""The channel that is used when none is configured, and its address."""
_NAME = lazy_pattern(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)


def check_channel_name(name: str) -> None:
    """Do nothing if this may be the name of a channel. Raises OptionError."""
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"{escape(name, 60)!r} is not a valid name of a channel",
            hint="Use lower-case letters, digits, _ and -, at most 40.",
        )
