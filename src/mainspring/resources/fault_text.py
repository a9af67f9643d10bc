"""What went wrong outside, as one line for people, without the secrets that a library may have put into it."""

from mainspring.domain.errors import MainspringError
from mainspring.domain.notify_url import KnowsSecrets
from mainspring.domain.text import escape
from mainspring.resources.hidden import HIDDEN

LONGEST = 400
"""Characters of such a line."""


class FaultText:
    """Also the secrets: it knows what to hide because it is asked for them."""

    def __init__(self, secrets: KnowsSecrets) -> None:
        self._secrets = secrets

    def get(self, name: str) -> str:
        """Return a secret; raises as what it asks."""
        value = self._secrets.get(name)
        self.hide(value)
        return value

    def hide(self, value: str) -> None:
        """Let a part of a secret be told by no error."""
        HIDDEN.add([value])

    def of(self, error: BaseException) -> str:
        """Return an error in one line."""
        if type(error) is TimeoutError:
            return "no answer in time"
        ours = isinstance(error, MainspringError)
        # Before the text is cut, for a secret may have several lines.
        text = HIDDEN.redact(str(error) if ours else f"{type(error).__name__}: {error}")
        text = text.replace("\n", " ") if ours else text.partition("\n")[0]
        return escape(text.strip(" :"), LONGEST)
