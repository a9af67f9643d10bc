"""Secrets in the environment: `env:` reads MAINSPRING_SECRET_NAME, or the file that MAINSPRING_SECRET_NAME_FILE names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SECRET_VARIABLE_PREFIX, secret_variable_name
from mainspring.integrations.base.secret_file import SecretFiles
from mainspring.integrations.base.secret_provider import SecretProviderError, SecretValue
from mainspring.integrations.secret_providers import ProviderPlace, SecretProviderKind

_FILE_SUFFIX = "_FILE"


class EnvSecrets:
    """The secrets of an environment. It is the environment of the process, which changes only with a new process."""

    name = "env:"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._files = SecretFiles()

    def read(self, name: str) -> SecretValue | None:
        """Return the secret; a variable that is set to nothing is not set. Raises SecretProviderError."""
        variable = secret_variable_name(name)
        value = self._env.get(variable, "").strip()
        if value:
            return SecretValue(value)
        path = self._env.get(variable + _FILE_SUFFIX, "").strip()
        if not path:
            return None
        found = self._files.read(name, Path(path))
        if found is None:
            raise SecretProviderError(
                f"the secret {name!r} has no file\nin {path}, which {variable}{_FILE_SUFFIX} names",
                hint="Create the file (chmod 600), or correct the variable.",
            )
        return found

    def list_names(self) -> list[str] | None:
        """Return the names as the variables have them: in capitals, with _ for . and -."""
        names = {
            name.removeprefix(SECRET_VARIABLE_PREFIX) for name in self._env if name.startswith(SECRET_VARIABLE_PREFIX)
        }
        return sorted({name.removesuffix(_FILE_SUFFIX) for name in names} - {""})

    def write(self, name: str, value: str) -> str:
        """Refuse. Raises SecretProviderError."""
        raise SecretProviderError(
            f"the secret {name!r} is a variable of the environment ({secret_variable_name(name)}), which Mainspring cannot change",
            hint="Change it where the process is started: a systemd unit, a compose file or a shell profile.",
        )

    def close(self) -> None:
        """Do nothing: there is no connection."""


class EnvProvider:
    """Secrets in the environment."""

    form = "env:"
    extra = ""
    is_local = True

    def check_address(self, rest: str) -> None:
        """Accept no rest: only variables with this prefix are withheld from commands."""
        if rest:
            raise OptionError(f"env: reads variables that begin with {SECRET_VARIABLE_PREFIX}", hint='Write "env:".')

    def open_provider(self, rest: str, place: ProviderPlace) -> EnvSecrets:
        """Return the provider."""
        return EnvSecrets(place.env)


PROVIDER: Final[SecretProviderKind] = EnvProvider()
