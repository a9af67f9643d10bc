"""The account of a service by which an action sends: named by its address, by a channel of `[notify.channels]`, or the only one there.

Invariant: an address holds names of secrets only. Their values are read when they are needed, and no error has them.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from mainspring.actions.base.project_settings import CURRENT_SECRETS, current_project
from mainspring.config import Settings
from mainspring.config.locations import PRODUCTION
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.notifiers import read_channel_address
from mainspring.resources.error_text import ErrorText


class AccountKind(NamedTuple):
    """A kind of account. `form` = an example of its address, `read` parses the parts of one, `service` is for people."""

    service: str
    schemes: tuple[str, ...]
    form: str
    read: Callable[[AddressParts], ChannelAddress]


class Account(NamedTuple):
    """An account: its address, and the texts of errors, which also read its secrets."""

    address: ChannelAddress
    errors: ErrorText

    @contextlib.asynccontextmanager
    async def open_http(self) -> AsyncIterator[HttpClient]:
        """Open an HTTP client for the time of a block."""
        http = HttpClient(self.errors, SystemClock())
        try:
            yield http
        finally:
            await http.close()


def find_account(kind: AccountKind, server: str | None) -> Account:
    """Return the account that `server` names: an address, a channel, or None for the only one of the configuration.

    Raises:
        OptionError, UnknownNameError: it names none.
        ConfigError: the configuration cannot be read, or has none, or several.
    """
    project = current_project()
    settings, errors = project.settings, ErrorText(CURRENT_SECRETS)
    if server is not None and not isinstance(server, str):
        raise OptionError(f"server= is {type(server).__name__}, not text", hint=f"Write server={kind.form!r}")
    if server is not None and "://" in server:
        return Account(_read_address(kind, server), errors)
    addresses = _list_accounts(kind, settings)
    if server is not None:
        if server not in addresses:
            raise UnknownNameError(f"channel of {kind.service} in [notify.channels]", server, addresses)
        return Account(addresses[server], errors)
    found = list(dict.fromkeys(addresses.values()))
    if len(found) != 1:
        raise _no_account_error(kind, settings, list(addresses))
    return Account(found[0], errors)


def _list_accounts(kind: AccountKind, settings: Settings) -> dict[str, ChannelAddress]:
    """Return the accounts of this kind by the name of their channel; without what else the channel is for."""
    accounts = {}
    for name, text in settings.notify.channels.items():
        if text.partition("://")[0] in kind.schemes:
            read_channel_address(text)
            base, mark, query = text.partition("?")
            scheme, _, rest = base.partition("://")
            accounts[name] = _read_address(kind, f"{scheme}://{rest.partition('/')[0]}{mark}{query}")
    return accounts


def _read_address(kind: AccountKind, text: str) -> ChannelAddress:
    parts = AddressParts.of(text, kind.form)
    if parts.scheme not in kind.schemes:
        raise parts.invalid(f"server= is no address of {kind.service}")
    return kind.read(parts)


def _no_account_error(kind: AccountKind, settings: Settings, names: Sequence[str]) -> ConfigError:
    place = f"in {settings.file or 'no configuration file'}, [notify.channels]"
    if names:
        hint = f"Name the channel: server={names[0]!r}."
        return ConfigError(f"{kind.service}: several accounts are configured ({', '.join(names)})\n{place}", hint=hint)
    hint = f"Pass server={kind.form!r}, or name a channel of {kind.service} in [notify.channels]."
    if settings.project.environment != PRODUCTION:
        section = f"environments.{settings.project.environment}.notify.channels"
        place += f"\nin the environment {settings.project.environment!r}, which does not use [notify.channels]"
        hint = f"Pass server={kind.form!r}, or name a channel of {kind.service} in [{section}]."
    return ConfigError(f"{kind.service}: no server is configured\n{place}", hint=hint)
