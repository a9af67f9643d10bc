"""Secrets in a folder: `dir:FOLDER` has a file for each secret, with its name."""

import os
from pathlib import Path
from typing import Final

from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.integrations.base.secret_file import SecretFiles, make_file_error, version_of, write_private
from mainspring.integrations.base.secret_provider import SecretProviderError, SecretValue, require_name
from mainspring.integrations.secret_providers import ProviderPlace, SecretProviderKind


class FolderSecrets:
    """The secrets of a folder. `name` = its address."""

    def __init__(self, folder: Path) -> None:
        self.name = f"dir:{folder}"
        self._folder = folder
        self._files = SecretFiles()

    def read(self, name: str) -> SecretValue | None:
        """Return the secret. Raises SecretProviderError."""
        return self._files.read(name, self._folder / name) if SECRET_NAME.fullmatch(name) else None

    def list_names(self) -> list[str] | None:
        """Return the names of the files that can be secrets. Raises SecretProviderError."""
        try:
            paths = [path for path in self._folder.iterdir() if SECRET_NAME.fullmatch(path.name)]
            return sorted(path.name for path in paths if not path.is_dir())
        except FileNotFoundError:
            raise SecretProviderError(
                f"the folder of secrets does not exist\nat {self._folder}",
                hint="`mainspring secrets set` creates it. If another folder is meant, correct secrets.providers or secrets.dir.",
            ) from None
        except OSError as error:
            raise make_file_error("the folder of secrets", self._folder, error) from None

    def write(self, name: str, value: str) -> str:
        """Replace the file at once and whole, with mode 600; return its version. Raises SecretProviderError."""
        require_name(name, self.name)
        path = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, value.encode())
            return version_of(path.stat())
        except OSError as error:
            raise SecretProviderError(
                f"the secret {name!r} cannot be written: {os.strerror(error.errno or 0)}\nin {self._folder}",
                hint="Nothing was changed. Check the rights of the folder and the free space of its disk.",
            ) from None

    def remove(self, name: str) -> None:
        """Delete the file. Raises SecretProviderError."""
        require_name(name, self.name)
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise make_file_error(f"the secret {name!r}", self._folder / name, error) from None

    def close(self) -> None:
        """Do nothing: there is no connection."""


class FolderProvider:
    """Secrets in a folder."""

    form = "dir:./secrets"
    extra = ""
    is_local = True

    def check_address(self, rest: str) -> None:
        """Accept a path."""
        if not rest:
            raise OptionError("dir: does not name a folder", hint=f'Write "{self.form}".')

    def open_provider(self, rest: str, place: ProviderPlace) -> FolderSecrets:
        """Return the provider."""
        return FolderSecrets((place.folder / Path(rest).expanduser()).absolute())


PROVIDER: Final[SecretProviderKind] = FolderProvider()
