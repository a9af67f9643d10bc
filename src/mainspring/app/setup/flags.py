"""The configured provider of flags, imported when the first process needs it."""

from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.app.setup.object_import import import_named_object
from mainspring.config.settings import FlagsSettings
from mainspring.domain.errors import ConfigError
from mainspring.domain.text.escaping import escape

if TYPE_CHECKING:
    from mainspring.resources.flag_provider import FlagProvider


def make_flag_provider(flags: FlagsSettings, folder: Path) -> "FlagProvider | None":
    """Return the provider of `flags.provider`; None = the store answers. Modules are also imported from `folder`.

    Raises:
        ConfigError: it cannot be imported, or is no provider; OpenFeature is not installed.
    """
    if flags.provider is None:
        return None
    from mainspring.integrations.openfeature import OpenFeatureSource
    from mainspring.resources.flag_provider import FlagProvider

    try:
        configured = import_named_object(flags.provider, folder)
        provider = (
            configured
            if hasattr(configured, "resolve_boolean_details") and not isinstance(configured, type)
            else configured()
        )
    except Exception as error:
        reason = escape(f"{type(error).__name__}: {error}", 300)
        raise _provider_error(flags.provider, f"it cannot be imported: {reason}") from error
    if not hasattr(provider, "resolve_boolean_details"):
        raise _provider_error(flags.provider, "it has no 'resolve_boolean_details'")
    return FlagProvider(OpenFeatureSource(provider), flags.timeout.total_seconds())


def _provider_error(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"`flags.provider` {name!r} cannot be used: {reason}",
        hint="It must name a provider of OpenFeature, or a function that returns one; see how-to/flags.",
    )
