"""The address of a secret provider, one line of text: its parts, and places of credentials that never repeat a secret.

    SCHEME:PLACE[?PARAMETER=VALUE&...]

Invariant: an accepted address holds only names of places (`env:NAME`, `file:PATH`), so it may be displayed as it is.
"""

import os
import stat
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec

from mainspring.domain.errors import OptionError, SecretProviderError, UnknownNameError
from mainspring.domain.text.escaping import is_plain_line
from mainspring.integrations.secret_providers import ProviderPlace

_MAX_CREDENTIAL_BYTES = 64 * 1024
_OTHER_USERS_MODE_BITS = 0o027
_LONGEST_PARAMETER = 20


class ProviderAddress(msgspec.Struct, frozen=True):
    """The parts of an address: `target` = the text before the parameters. `form` = an example of a valid one, for hints.

    Methods raise OptionError for an invalid part, which is not repeated: it may be a secret.
    """

    form: str
    target: str
    query: str

    @classmethod
    def of(cls, rest: str, form: str) -> "ProviderAddress":
        """Split the text after the scheme."""
        target, _, query = rest.partition("?")
        address = cls(form, target, query)
        if not is_plain_line(rest) or "#" in rest:
            raise address.invalid("it is not one line of plain text, or has a # in it")
        if "@" in target:
            raise address.invalid("it has a user or a password in it")
        return address

    @property
    def text(self) -> str:
        """The whole address."""
        return f"{self.form.partition(':')[0]}:{self.target}" + (f"?{self.query}" if self.query else "")

    def invalid(self, problem: str) -> OptionError:
        """Return the error for an invalid part."""
        scheme = self.form.partition(":")[0]
        return OptionError(f"the address of the provider ({scheme}:) is invalid: {problem}", hint=f"Write {self.form}")

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the parameters, each name once and none empty."""
        parameters: dict[str, str] = {}
        for key, value in parse_qsl(self.query, keep_blank_values=True):
            if key not in known:
                name = key if key.isidentifier() and len(key) <= _LONGEST_PARAMETER else "..."
                raise UnknownNameError("parameter of a secret provider", name, known)
            if key in parameters or not value:
                raise self.invalid(f"{key}= is there twice or has no value")
            parameters[key] = value
        return parameters

    def credential(self, parameter: str, text: str) -> "CredentialPlace":
        """Return the place of a credential, which is `env:NAME` or `file:PATH`; any other text may be the credential."""
        kind, _, name = text.partition(":")
        if kind not in ("env", "file") or not name:
            raise self.invalid(f"{parameter}= must name a place: {parameter}=env:NAME or {parameter}=file:PATH")
        return CredentialPlace(parameter, name, is_file=kind == "file")


class CredentialPlace(msgspec.Struct, frozen=True):
    """The place of a credential: a variable or a file. `is_public` = other users may read the file."""

    parameter: str
    name: str
    is_file: bool
    is_public: bool = False


class Credential(msgspec.Struct, frozen=True):
    """A credential, read from its place for each sign-in. `provider` = the address of the provider, for errors."""

    provider: str
    source: CredentialPlace
    place: ProviderPlace

    def read(self) -> str:
        """Return the credential; the output of this process does not contain it from here on.

        Raises:
            SecretProviderError: it is not set, or its file cannot be read or is readable by others.
        """
        name = self.source.name
        text = (self._read_file() if self.source.is_file else self.place.env.get(name, "")).strip()
        if not text:
            where = f"the file {self._path}" if self.source.is_file else f"the variable {name}"
            raise self._error(
                f"{where} is empty or not set", f"Set it, or name another place: {self.source.parameter}=file:PATH"
            )
        if not text.isascii() or not text.isprintable():
            raise self._error("it has characters that no credential has", "Write only the credential, in one line.")
        self.place.hide(text)
        return text

    @property
    def _path(self) -> Path:
        return self.place.folder / Path(self.source.name).expanduser()

    def _read_file(self) -> str:
        path = self._path
        try:
            mode = path.stat().st_mode
            with path.open("rb") if stat.S_ISREG(mode) else BytesIO() as file:  # a pipe would wait for a writer
                content = file.read(_MAX_CREDENTIAL_BYTES)
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else type(error).__name__
            raise self._error(f"the file {path} cannot be read: {problem}", f"Create it: chmod 600 {path}") from None
        if mode & _OTHER_USERS_MODE_BITS and not self.source.is_public:
            raise self._error(f"other users can read or change {path} (mode {mode & 0o777:o})", f"chmod 600 {path}")
        return content.decode("ascii", "replace")

    def _error(self, problem: str, hint: str) -> SecretProviderError:
        return SecretProviderError(
            f"no credential ({self.source.parameter}=): {problem}\nin {self.provider}", hint=hint
        )
