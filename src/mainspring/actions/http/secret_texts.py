"""Secret texts of one call: names are replaced by values in what is sent, and values by names in what is returned.

Invariants: a reply, an error and a saved address have names only; a value that a caller passes itself is never accepted as `bearer=`;
a target cannot request a secret by a name that it sends.
"""

import re
from collections.abc import Callable
from urllib.parse import quote

from mainspring.actions.base.project_settings import SECRET_PREFIX
from mainspring.app.secret import Secret, read_secret
from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.redactor import MASK, MIN_SECRET_LENGTH, list_encodings
from mainspring.domain.redaction.secret_name import SET_SECRET_HINT
from mainspring.resources.known_secrets import KNOWN_SECRETS

SecretSource = str | Secret | Callable[[], str]
"""`secret:NAME`, `ms.secret("NAME")`, or a function that returns the value."""
_REFERENCE = re.compile(r"\{secret:([A-Za-z][A-Za-z0-9_.-]{0,99})\}", re.ASCII)
_NAKED_REFERENCE = re.compile(r"(?<![{\w])secret:[A-Za-z]", re.ASCII)


def is_reference(text: str) -> bool:
    """Return whether a text has the form in which an option names a secret."""
    return _REFERENCE.fullmatch(text) is not None or _REFERENCE.fullmatch(f"{{{text}}}") is not None


class SecretTexts:
    """The secrets that one call has used, by value."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, str] = {}
        """The values of named secrets, by name."""

    def __repr__(self) -> str:
        return f"<{len(self._names)} secrets>"

    @property
    def names(self) -> list[str]:
        """The names of the secrets, in the order of their first use."""
        return list(self._values)

    def read(self, option: str, source: object) -> str:
        """Return the value that a source names.

        Raises:
            OptionError: it is not a source. The error does not repeat it.
            ConfigError: the secret is not set.
        """
        if isinstance(source, Secret):
            return self.fill_header(source)
        if isinstance(source, str) and _REFERENCE.fullmatch(f"{{{source}}}"):
            return self.fill(f"{{{source}}}")
        if isinstance(source, str) and _REFERENCE.fullmatch(source):
            return self.fill(source)
        if callable(source):
            return self.hide_value(str(source()), MASK)
        raise OptionError(
            f"{option}= does not name a secret",
            hint=f'Write {option}="secret:NAME", or pass a function that returns the value. {SET_SECRET_HINT}',
        )

    def fill(self, text: str) -> str:
        """Return a text with the value of each `{secret:NAME}`. Raises ConfigError if one is not set."""
        return _REFERENCE.sub(lambda match: self._value_of(match[1], match[0]), text)

    def fill_quoted(self, text: str) -> str:
        """Return an address with the value of each `{secret:NAME}`, quoted for a path or a query."""
        return _REFERENCE.sub(lambda match: quote(self._value_of(match[1], match[0]), safe=""), text)

    def fill_header(self, text: str | Secret) -> str:
        """Return the value of a header, which may also be a bare `secret:NAME` or the object of a secret.

        Raises:
            OptionError: it contains `secret:NAME` without braces, which would be sent as it is.
        """
        if isinstance(text, Secret):
            return self.fill(f"{{{SECRET_PREFIX}{text.name}}}")
        is_bare = text.startswith(SECRET_PREFIX) and _REFERENCE.fullmatch(f"{{{text}}}")
        if not is_bare and _NAKED_REFERENCE.search(text):
            raise OptionError(
                "a header contains secret:NAME without braces, so the name itself would be sent",
                hint='Write the name in braces: "Bearer {secret:NAME}".',
            )
        return self.fill(f"{{{text}}}" if is_bare else text)

    def escape_other_names(self, url: str) -> str:
        """Return an address that a target wrote: names of secrets that this call did not use are quoted, so they stay text."""
        known = frozenset(self._names.values())
        return _REFERENCE.sub(lambda match: match[0] if match[0] in known else quote(match[0], safe=""), url)

    def hide_value(self, value: str, name: str) -> str:
        """Return a value that is replaced by a name from now on."""
        KNOWN_SECRETS.add([value])
        self._names |= {form: name for form in list_encodings(value) if len(form) >= MIN_SECRET_LENGTH}
        return value

    def hide(self, text: str) -> str:
        """Return a text with the names in place of the values."""
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, self._names[value])
        return text

    def hide_in_bytes(self, data: bytes) -> bytes:
        """Return data with the names in place of the values."""
        for value in sorted(self._names, key=len, reverse=True):
            data = data.replace(value.encode(), self._names[value].encode())
        return data

    def refresh(self) -> bool:
        """Read the named secrets again past the cache, because a target refused them; return whether one has another value now."""
        changed = {name for name, value in self._values.items() if read_secret(name, instead_of=value).value != value}
        return bool(changed)

    def hide_also(self, other: "SecretTexts") -> None:
        """Replace the values of an earlier call, too."""
        self._names = other._names | self._names  # noqa: SLF001 - of the same class

    def _value_of(self, name: str, reference: str) -> str:
        value = self._values[name] = read_secret(name).value
        return self.hide_value(value, reference)
