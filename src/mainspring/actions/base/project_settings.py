"""Settings of the project, and its secrets, as an action reads them outside of the process that runs the worker."""

import functools
import os
from pathlib import Path

from mainspring.config import Settings, load
from mainspring.resources.secret_store import SecretStore
from mainspring.resources.secret_variables import SECRET_VARIABLES

SECRET_PREFIX = "secret:"


def read_project_settings() -> Settings:
    """Return the settings that this folder and environment have; they are read once for each.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    return _read(str(Path.cwd()), os.environ.get("MAINSPRING_CONFIG"))


def read_secret(text: str) -> str:
    """Return the secret that `secret:NAME` names, or any other text unchanged. Mainspring hides the secret from here on.

    Raises:
        ConfigError: the secret is not set.
    """
    if not text.startswith(SECRET_PREFIX):
        return text
    env = SECRET_VARIABLES.own(os.environ)
    return SecretStore(read_project_settings().secrets.dir, env).get(text.removeprefix(SECRET_PREFIX))


@functools.lru_cache(maxsize=8)
def _read(folder: str, config: str | None) -> Settings:
    return load(env=SECRET_VARIABLES.own(os.environ), cwd=Path(folder), uid=os.getuid())
