"""What went wrong with a broker, as one line for people, without the secrets that a library may have put into it."""

from typing import Protocol
from urllib.parse import quote

from mainspring.domain.errors import MainspringError
from mainspring.domain.text import escape

LONGEST = 400
"""Characters of such a line."""
_SHORTEST_LINE = 4
"""Characters of a line of a secret that is hidden by itself: a shorter one would be found in many words."""


class KnowsSecrets(Protocol):
    """Returns the value of a secret; raises ConfigError where it is not set."""

    def get(self, name: str) -> str: ...


class FaultText:
    """Also the secrets: it knows what to hide because it is asked for them."""

    def __init__(self, secrets: KnowsSecrets) -> None:
        self._secrets = secrets
        self._hidden: set[str] = set()

    def get(self, name: str) -> str:
        """Return a secret; raises as what it asks."""
        value = self._secrets.get(name)
        lines = (line.strip() for line in value.splitlines())
        self._hidden |= {value, quote(value, safe=""), repr(value)[1:-1]} - {""}
        self._hidden |= {line for line in lines if len(line) >= _SHORTEST_LINE}
        return value

    def of(self, error: BaseException) -> str:
        """Return an error in one line."""
        if type(error) is TimeoutError:
            return "no answer in time"
        ours = isinstance(error, MainspringError)
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        # Before the text is cut, for a secret may have several lines; the longest first, for another one may be a part of it.
        for value in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(value, "***")
        text = text.replace("\n", " ") if ours else text.partition("\n")[0]
        return escape(text.strip(" :"), LONGEST)
