"""The secret store of a project, made from its settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from mainspring.config.settings import Settings
from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.duration import to_milliseconds
from mainspring.integrations.secret_providers import ProviderPlace, is_local_provider, open_providers
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from mainspring.resources.secret_variables import OWN_ENVIRONMENT

if TYPE_CHECKING:
    from mainspring.integrations.secrets.age_secrets import AgeSecrets

DEFAULT_FILE = "secrets.age"
"""The encrypted file of a project, in the folder of its configuration."""


def make_secret_store(
    settings: Settings, *, env: Mapping[str, str] = OWN_ENVIRONMENT, clock: Clock | None = None
) -> SecretStore:
    """Return the secrets of a project. Each process makes one, because it has the cache.

    Raises:
        ConfigError: a provider cannot be used here.
    """
    KNOWN_SECRETS.add_variables(env)
    clock = clock or SystemClock()
    options = settings.secrets
    addresses = provider_addresses(settings)
    place = ProviderPlace(settings.folder, env, clock.now, options.key_file, _hide_credential)
    entries = [
        ProviderEntry(provider, is_local_provider(address))
        for address, provider in zip(addresses, open_providers(addresses, place), strict=True)
    ]
    return SecretStore(
        entries,
        clock=clock,
        cache_ms=to_milliseconds(options.cache_for),
        outage_limit_ms=to_milliseconds(options.outage_limit),
    )


def provider_addresses(settings: Settings) -> tuple[str, ...]:
    """Return the addresses of the providers in their order: as configured, or by default."""
    options = settings.secrets
    if options.providers:
        return options.providers
    folder = () if options.dir is None else (f"dir:{options.dir}",)
    file = settings.folder / DEFAULT_FILE
    return ("env:", *folder, *((f"age:{file}",) if file.exists() else ()))


def open_encrypted_file(settings: Settings) -> "AgeSecrets":
    """Return the encrypted file of a project, which may not exist yet: the first that is configured, or the default one.

    Raises:
        ConfigError: its library is not installed.
    """
    configured = [address for address in settings.secrets.providers if address.startswith("age:")]
    place = ProviderPlace(
        settings.folder, OWN_ENVIRONMENT, SystemClock().now, settings.secrets.key_file, _hide_credential
    )
    (provider,) = open_providers(configured[:1] or [f"age:{DEFAULT_FILE}"], place)
    return cast("AgeSecrets", provider)


def _hide_credential(credential: str) -> None:
    """Hide a credential with which a provider is asked, in all output of this process."""
    KNOWN_SECRETS.add([credential])
