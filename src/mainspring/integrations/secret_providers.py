"""All secret providers by the scheme of their address, one line for each.

A provider is written SCHEME:REST, such as "age:secrets.age". Invariant: an accepted address holds no secret, so it may be stored and shown.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

import msgspec

from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.domain.extras import install_command
from mainspring.domain.redaction.secret_detection import hide_likely_secrets
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.integrations.base.secret_provider import SecretProvider

SECRET_PROVIDERS: Final = {
    "env": "secrets.env_secrets",
    "dir": "secrets.folder_secrets",
    "age": "secrets.age_secrets",
    "vault": "secrets.vault",
    "aws": "secrets.aws_secrets",
    "keyring": "secrets.keyring",
}
"""The module of each scheme: its `PROVIDER` is imported when an address names it."""
VAULT_TOKEN_VARIABLES: Final = ("BAO_TOKEN", "VAULT_TOKEN")
"""The variables with the token of a Vault whose address names no other place."""
_LONGEST = 1_000


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


def check_provider_address(address: str) -> str:
    """Return the address of a provider if it can be used. Raises OptionError."""
    scheme, separator, rest = address.partition(":")
    if not separator or scheme not in SECRET_PROVIDERS or len(address) > _LONGEST or not is_plain_line(address):
        text = hide_likely_secrets(escape(scheme if separator else address, 60))
        nearest = UnknownNameError("provider", text, SECRET_PROVIDERS).nearest
        hint = f'Did you mean "{_find(nearest).form}"?' if nearest else f"Write one of {_list_forms()}"
        raise OptionError(f"{text!r} is no provider of secrets", hint=hint)
    if hide_likely_secrets(address) != address:
        raise OptionError(
            f"the address of a provider ({scheme}:) contains a secret", hint=f"Write {_find(scheme).form}"
        )
    _find(scheme).check_address(rest)
    return address


def is_local_provider(address: str) -> bool:
    """Return whether a provider answers from this machine."""
    return _find(address.partition(":")[0]).is_local


def list_credential_variables(addresses: Sequence[str]) -> set[str]:
    """Return the variables of the environment with the credentials of providers: `from=env:NAME`, or the token of Vault by default."""
    from urllib.parse import parse_qsl

    names: set[str] = set()
    for address in addresses:
        parameters = dict(parse_qsl(address.partition("?")[2]))
        kind, _, name = parameters.get("from", "").partition(":")
        if kind == "env":
            names.add(name)
        elif not kind and address.startswith("vault:") and parameters.get("auth", "token") == "token":
            names.update(VAULT_TOKEN_VARIABLES)
    return names


def open_providers(addresses: Sequence[str], place: ProviderPlace) -> list[SecretProvider]:
    """Return the providers of these addresses, in their order.

    Raises:
        ConfigError: one cannot be used here.
    """
    return [_open(address, place) for address in addresses]


def _open(address: str, place: ProviderPlace) -> SecretProvider:
    scheme, _, rest = address.partition(":")
    kind = _find(scheme)
    try:
        return kind.open_provider(rest, place)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("mainspring"):
            raise
        raise ConfigError(
            f"the secret provider {address!r} needs {missing.name}, which is not installed",
            hint=install_command(kind.extra),
        ) from missing


def _find(scheme: str) -> SecretProviderKind:
    kind: SecretProviderKind = import_module(f"mainspring.integrations.{SECRET_PROVIDERS[scheme]}").PROVIDER
    return kind


def _list_forms() -> str:
    return ", ".join(f'"{_find(scheme).form}"' for scheme in SECRET_PROVIDERS)
