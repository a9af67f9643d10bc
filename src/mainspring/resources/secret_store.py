"""The secret store: secrets by name, from a variable of the environment, or a file that no one else can read.

Definitions, the store and every message contain names only. A value is read when it is needed, so that a replaced file counts from the
next read on. Invariants: no value is part of an error or of a repr; each value that was returned is hidden (`known_secrets`).
"""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mainspring.domain.errors import ConfigError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.resources.known_secrets import KNOWN_SECRETS, SECRET_VARIABLE_PREFIX

_OTHER_USERS_MODE_BITS = 0o027
_MAX_FILE_BYTES = 64 * 1024
_FileStamp = tuple[int, int, int, int, int]


def secret_variable_name(name: str) -> str:
    """Return the variable that holds a secret: `gh-hook` is in MAINSPRING_SECRET_GH_HOOK."""
    return SECRET_VARIABLE_PREFIX + re.sub(r"[.-]", "_", name).upper()


class SecretStore:
    """The secrets of one process. `folder` = the folder of their files (None: there are no files)."""

    def __init__(self, folder: Path | None, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._read: dict[str, tuple[_FileStamp, str]] = {}
        KNOWN_SECRETS.add_variables(env)

    def __repr__(self) -> str:
        return f"<Secrets {self._folder or 'of the environment'}>"

    def get(self, name: str) -> str:
        """Return the secret, without blank lines and blanks around it.

        Raises:
            ConfigError: it is not set, or its file cannot be read or is readable by others; never with its value.
        """
        if not SECRET_NAME.fullmatch(name):
            raise ConfigError(
                f"{name[:100]!r} is not a valid name of a secret",
                hint="Use a letter, then letters, digits and _ . -, such as GITHUB_HOOK.",
            )
        value = self._env.get(secret_variable_name(name), "").strip()
        if value:
            return self._hide_value(value)
        value_in_file = None if self._folder is None else self._of_file(name, self._folder / name)
        if value_in_file is None:
            raise ConfigError(f"the secret {name!r} is not set", hint=self._suggest_setup(name))
        return self._hide_value(value_in_file)

    def lines(self, name: str) -> tuple[str, ...]:
        """Return the values of a secret with one a line, as during a rotation. Raises ConfigError as `get` does."""
        return tuple(line.strip() for line in self.get(name).splitlines() if line.strip())

    def hide_all(self) -> None:
        """Read every secret of the folder, so that this process hides each of them. A file that it cannot read, it cannot disclose."""
        try:
            names = [] if self._folder is None else [path.name for path in self._folder.iterdir()]
        except OSError:
            return
        for name in names:
            with suppress(ConfigError):
                self.get(name)

    @staticmethod
    def _hide_value(value: str) -> str:
        """Return a value; the output of this process does not contain it from here on."""
        KNOWN_SECRETS.add([value])
        return value

    def _of_file(self, name: str, path: Path) -> str | None:
        """Return the content of a file, None if there is none; it is read again when it has changed."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _make_read_error(name, path, error) from None
        stamp = (status.st_dev, status.st_ino, status.st_mode, status.st_mtime_ns, status.st_size)
        known = self._read.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"the secret {name!r} is not a file of at most {_MAX_FILE_BYTES:,} bytes\nin {path}")
        if status.st_mode & _OTHER_USERS_MODE_BITS:
            raise ConfigError(
                f"other users can read or change the secret {name!r} (mode {status.st_mode & 0o777:o})\nin {path}",
                hint=f"chmod 600 {path}",
            )
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _make_read_error(name, path, error) from None
        if not text:
            raise ConfigError(f"the secret {name!r} is empty\nin {path}", hint="Write its value into the file.")
        self._read[name] = (stamp, text)
        return text

    def _suggest_setup(self, name: str) -> str:
        place = (
            "a file of this name in the folder that secrets.dir names" if self._folder is None else self._folder / name
        )
        return f"Set {secret_variable_name(name)}, or write it to {place} (chmod 600)."


def _make_read_error(name: str, path: Path, error: Exception) -> ConfigError:
    problem = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not text in UTF-8"
    return ConfigError(f"the secret {name!r} cannot be read: {problem}\nin {path}")
