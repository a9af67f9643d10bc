"""All secret providers by the scheme of their address, one line for each.

A provider is written SCHEME:REST, such as "age:secrets.age". Invariant: an accepted address holds no secret, so it may be stored and shown.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

import msgspec

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.integrations.base.secret_provider import SecretProvider

SECRET_PROVIDERS: Final = {
    "vault": "vault",
    "aws": "aws_secrets",
    "keyring": "keyring",
}
"""The module of each scheme: its `PROVIDER` is imported when an address names it."""


def _hide_nothing(credential: str) -> None:
    """Accept a credential of a process that has no redactor."""


class ProviderPlace(msgspec.Struct, frozen=True):
    """The surroundings of a provider: relative paths count from `folder`, `env` is the environment of the process.

    `key_file` = the configured file with the key of encrypted files, None = beside each of them. `now` = the clock (ms UTC).
    `hide` = a function that hides a credential of a provider in all output of the process.
    """

    folder: Path
    env: Mapping[str, str]
    now: Callable[[], int]
    key_file: Path | None = None
    hide: Callable[[str], object] = _hide_nothing


class SecretProviderKind(Protocol):
    """One kind of provider.

    `form` = an example of its address, for hints. `extra` = the extra with its library, "" = none. `is_local` = a read is fast and always
    current, so it is not cached.
    """

    form: str
    extra: str
    is_local: bool

    def check_address(self, rest: str) -> None:
        """Do nothing if this may follow the scheme. Raises OptionError, which repeats no secret."""
        ...

    def open_provider(self, rest: str, place: ProviderPlace) -> SecretProvider:
        """Return the provider, not yet connected. Raises ConfigError, or ModuleNotFoundError for its library."""
        ...


def open_providers(addresses: Sequence[str], place: ProviderPlace) -> list[SecretProvider]:
    """Return the providers of these addresses, in their order.

    Raises:
        ConfigError: one cannot be used here.
    """
    return [_open(address, place) for address in addresses]


def _open(address: str, place: ProviderPlace) -> SecretProvider:
    scheme, _, rest = address.partition(":")
    kind: SecretProviderKind = import_module(f"mainspring.integrations.{SECRET_PROVIDERS[scheme]}").PROVIDER
    try:
        return kind.open_provider(rest, place)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("mainspring"):
            raise
        raise ConfigError(
            f"the secret provider {address!r} needs {missing.name}, which is not installed",
            hint=install_command(kind.extra),
        ) from missing
