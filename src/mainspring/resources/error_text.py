"""Error texts of outside calls, as one line for people, without the secrets that a library may have put into it."""

from contextlib import suppress

from mainspring.domain.errors import ConfigError, MainspringError
from mainspring.domain.redaction.secret_name import SecretReader
from mainspring.domain.secrets.secret_use import RenewingReader
from mainspring.domain.text.escaping import escape
from mainspring.resources.known_secrets import KNOWN_SECRETS

MAX_ERROR_TEXT_LENGTH = 400
"""Characters of an error text."""


class ErrorText:
    """Formats errors, and reads secrets: so it knows which values to hide."""

    def __init__(self, secrets: SecretReader) -> None:
        self._secrets = secrets
        self._values: dict[str, str] = {}
        """The secrets that were read, by name."""

    def get(self, name: str) -> str:
        """Return a secret; raises like its reader."""
        value = self._values[name] = self._secrets.get(name)
        self.hide(value)
        return value

    def refresh(self) -> bool:
        """Read the secrets again past the cache, because a target may have refused one; return whether one has another value now."""
        store = self._secrets
        if not isinstance(store, RenewingReader):
            return False
        changed = set()
        for name, value in tuple(self._values.items()):
            with suppress(ConfigError):  # the next request reports it
                if store.read(name, instead_of=value).value != value:
                    changed.add(name)
        return bool(changed)

    def hide(self, value: str) -> None:
        """Hide a part of a secret in every error."""
        KNOWN_SECRETS.add([value])

    def of(self, error: BaseException) -> str:
        """Return an error in one line."""
        if type(error) is TimeoutError:
            return "no answer in time"
        # Hidden before the text is cut, because a secret may have several lines.
        if isinstance(error, MainspringError):
            text = KNOWN_SECRETS.redact(_join_hint(error)).replace("\n", " ")
        else:
            return self.redact(f"{type(error).__name__}: {error}")
        return escape(text.strip(" :"), MAX_ERROR_TEXT_LENGTH)

    def redact(self, text: str) -> str:
        """Return the first line of a text of another program, without secrets."""
        line = KNOWN_SECRETS.redact(text).partition("\n")[0]
        return escape(line.strip(" :"), MAX_ERROR_TEXT_LENGTH)


def _join_hint(error: MainspringError) -> str:
    """Return the problem and its fix as sentences."""
    if not error.hint:
        return str(error)
    ends = error.message.endswith((".", "!", "?", ":"))
    return f"{error.message}{'' if ends else '.'} {error.hint}"
