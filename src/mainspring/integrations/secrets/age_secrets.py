"""Secrets in an encrypted file: `age:FILE` is one file in the age format, with all secrets and up to two live versions of each.

Its plain content is JSON, see `AgeContent`. Invariants: a file is replaced at once and whole, under a lock, and only by a process that
could read it before; no plain content reaches a disk; no error has a value.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.text.escaping import escape
from mainspring.integrations.base.secret_file import (
    MAX_SECRET_BYTES,
    file_stamp,
    make_file_error,
    require_private,
    write_private,
)
from mainspring.integrations.base.secret_provider import LiveVersion, SecretProviderError, SecretValue, require_name
from mainspring.integrations.secret_providers import ProviderPlace, SecretProviderKind

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

T = TypeVar("T")
_MAX_FILE_BYTES = 16 * 1024 * 1024
_INIT_HINT = "Create the key and the file: mainspring secrets init"


class AgeVersion(msgspec.Struct):
    """A live version of a secret: its number, its value, and when it was written (ms UTC).

    `retired_at` = the end of its grace time, once a newer version is current.
    """

    number: int
    value: str
    written_at: int
    retired_at: int | None = None

    def __repr__(self) -> str:
        return f"<version {self.number}>"


class AgeContent(msgspec.Struct):
    """The plain content of the file: for each name its live versions, the current one first."""

    format: int = 1
    secrets: dict[str, list[AgeVersion]] = {}

    def __repr__(self) -> str:
        return f"<{len(self.secrets)} secrets>"


class AgeSecrets:
    """The secrets of one encrypted file."""

    def __init__(self, path: Path, key_file: Path, now: Callable[[], int]) -> None:
        import pyrage  # noqa: F401 - a missing library is reported when the provider is opened

        self.name = f"age:{path}"
        self.path = path
        self.key_file = key_file
        self.lock_file = path.with_name(f".{path.name}.lock")
        self._now = now
        self._lock = threading.Lock()
        self._known: tuple[object, AgeContent] | None = None

    def init(self) -> tuple[bool, bool]:
        """Create the key (mode 600) and an empty file, unless they exist; return whether each of the two was created.

        Raises:
            SecretProviderError: one of them exists without the other, or they cannot be written.
        """
        from pyrage import x25519

        if self.path.exists() and not self.key_file.exists():
            raise SecretProviderError(
                f"the encrypted file exists, and its key does not\nin {self.path}, key {self.key_file}",
                hint="Copy the key from your backup. Without it no one can read the file: to start again, move the file away.",
            )
        is_new = not self.key_file.exists()
        with self._reported("the key of secrets", self.key_file):
            if is_new:
                identity = x25519.Identity.generate()
                text = f"# public key: {identity.to_public()}\n{identity}\n"
                write_private(self.key_file, text.encode(), is_new=True)
        with self._locked():
            is_new_file = not self.path.exists()
            if is_new_file:
                self._write(AgeContent())
            else:
                self._read_content()
        return is_new, is_new_file

    def read(self, name: str) -> SecretValue | None:
        """Return the current version, with the one before it while that is live. Raises SecretProviderError."""
        versions = self._content().secrets.get(name)
        if not versions:
            return None
        current, now = versions[0], self._now()
        live = [version for version in versions[1:] if version.retired_at is None or version.retired_at > now]
        return SecretValue(current.value, f"v{current.number}", live[0].value if live else None)

    def live_versions(self, name: str) -> list[LiveVersion]:
        """Return the stored versions of a secret, the current one first. Raises SecretProviderError."""
        versions = self._content().secrets.get(name, [])
        return [LiveVersion(f"v{item.number}", item.written_at, item.retired_at) for item in versions]

    def list_names(self) -> list[str] | None:
        """Return the names. Raises SecretProviderError."""
        return sorted(self._content().secrets)

    def write(self, name: str, value: str) -> str:
        """Make this the only live version. Raises SecretProviderError."""
        return self.rotate(name, value, grace_ms=0)

    def rotate(self, name: str, value: str, *, grace_ms: int) -> str:
        """Make this the current version; the one before it stays live for a grace time. Raises SecretProviderError.

        A third version does not stay: the oldest one is dropped.
        """
        require_name(name, self.name)

        def change(content: AgeContent) -> str:
            before, now = content.secrets.get(name, []), self._now()
            number = max((version.number for version in before), default=0) + 1
            older = before[:1] if grace_ms else []
            for version in older:
                version.retired_at = now + grace_ms
            content.secrets[name] = [AgeVersion(number, value, now), *older]
            return f"v{number}"

        return self._change(change)

    def remove(self, name: str) -> None:
        """Delete all versions of a secret. Raises SecretProviderError."""
        self._change(lambda content: content.secrets.pop(name, None))

    def retire(self, name: str) -> list[str]:
        """Drop the versions of a secret whose grace time is over; return them. Raises SecretProviderError."""

        def change(content: AgeContent) -> list[str]:
            versions, now = content.secrets.get(name, []), self._now()
            over = [version for version in versions[1:] if version.retired_at is not None and version.retired_at <= now]
            if over:
                content.secrets[name] = [version for version in versions if version not in over]
            return [f"v{version.number}" for version in over]

        return self._change(change)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _change(self, change: Callable[[AgeContent], T]) -> T:
        """Change the content in a new file, while no other process changes it. An empty answer = nothing was changed."""
        with self._locked():
            content = self._read_content()
            if answer := change(content):
                self._write(content)
        return answer

    def _content(self) -> AgeContent:
        """Return the content; it is read again when the file has changed."""
        with self._lock:
            try:
                stamp = file_stamp(self.path.stat()), file_stamp(self.key_file.stat())
            except FileNotFoundError as error:
                raise self._missing(Path(error.filename)) from None
            except OSError as error:
                raise make_file_error("the encrypted file of secrets", self.path, error) from None
            if self._known is None or self._known[0] != stamp:
                self._known = (stamp, self._read_content())
            return self._known[1]

    def _read_content(self) -> AgeContent:
        from pyrage import DecryptError, decrypt

        subject = "the encrypted file of secrets"
        identity = self._read_key()
        try:
            sealed = self.path.read_bytes()
        except FileNotFoundError:
            raise self._missing(self.path) from None
        except OSError as error:
            raise make_file_error(subject, self.path, error) from None
        if len(sealed) > _MAX_FILE_BYTES:
            raise SecretProviderError(f"{subject} is larger than {_MAX_FILE_BYTES:,} bytes\nin {self.path}")
        try:
            return msgspec.json.decode(decrypt(sealed, [identity]), type=AgeContent)
        except DecryptError as error:
            is_other_key = "matching" in str(error)
            problem = "is for another key" if is_other_key else "is damaged, or is no file of age"
            raise SecretProviderError(
                f"{subject} {problem}\nin {self.path}, key {self.key_file}",
                hint="Name the right key: secrets.key_file in mainspring.toml."
                if is_other_key
                else "Restore it from a backup or from version control.",
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise SecretProviderError(
                f"{subject} holds something else than secrets of Mainspring\nin {self.path}",
                hint="Restore it from a backup, or name another file.",
            ) from None

    def _read_key(self) -> "Identity":
        from pyrage import IdentityError, x25519

        subject = "the key of secrets"
        try:
            require_private(subject, self.key_file, self.key_file.stat(), MAX_SECRET_BYTES)
            lines = self.key_file.read_text(encoding="utf-8").split()
            return x25519.Identity.from_str(next(word for word in lines if word.startswith("AGE-SECRET-KEY-")))
        except FileNotFoundError:
            raise self._missing(self.key_file) from None
        except (OSError, UnicodeDecodeError) as error:
            raise make_file_error(subject, self.key_file, error) from None
        except (StopIteration, IdentityError):
            raise SecretProviderError(
                f"{subject} is no key of age\nin {self.key_file}",
                hint="It is a line that begins with AGE-SECRET-KEY-1. Restore the file from a backup.",
            ) from None

    def _missing(self, path: Path) -> SecretProviderError:
        subject = "the key of secrets" if path == self.key_file else "the encrypted file of secrets"
        hint = _INIT_HINT
        if path == self.key_file and self.path.exists():
            hint = f"Copy it from the machine that has it (mode 600), or name it: secrets.key_file. The file is {self.path}."
        elif files := sorted(file.name for file in path.parent.glob("*.age")):
            hint = f"If {escape(files[0], 100)!r} is the right file, correct secrets.providers. If not: mainspring secrets init"
        elif self.key_file.exists():
            hint = (
                "Restore it from a backup or from version control. To start with an empty file: mainspring secrets init"
            )
        return SecretProviderError(f"{subject} is missing\nat {path}", hint=hint)

    def _write(self, content: AgeContent) -> None:
        from pyrage import encrypt

        public = self._read_key().to_public()
        sealed = encrypt(msgspec.json.encode(content), [public])
        with self._reported("the encrypted file of secrets", self.path):
            write_private(self.path, sealed)
        self._known = None

    @contextlib.contextmanager
    def _locked(self) -> Generator[None, None, None]:
        """Let no other process change the file; readers need no lock."""
        path = self.lock_file
        with self._reported("the lock of the encrypted file", path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with self._lock:
                yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _reported(self, subject: str, path: Path) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            raise SecretProviderError(
                f"{subject} cannot be written: {os.strerror(error.errno or 0)}\nin {path}",
                hint="Nothing was changed. Check the rights of the folder and the free space of its disk.",
            ) from None


class AgeProvider:
    """Secrets in an encrypted file."""

    form = "age:secrets.age"
    extra = "age"
    is_local = True

    def check_address(self, rest: str) -> None:
        """Accept a path."""
        if not rest:
            raise OptionError("age: does not name a file", hint=f'Write "{self.form}".')

    def open_provider(self, rest: str, place: ProviderPlace) -> AgeSecrets:
        """Return the provider."""
        path = (place.folder / Path(rest).expanduser()).absolute()
        return AgeSecrets(path, place.key_file or path.with_suffix(".key"), place.now)


PROVIDER: Final[SecretProviderKind] = AgeProvider()
