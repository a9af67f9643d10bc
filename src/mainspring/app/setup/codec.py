"""The configured codec, imported: the only code of the user's that commands may need too."""

from pathlib import Path
from typing import Any, cast

from mainspring.app.setup.object_import import import_named_object
from mainspring.app.stores.blob_place import make_large_values
from mainspring.config.settings import StoreSettings
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, OptionError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import Codec
from mainspring.domain.values.sealing import Sealing

_REQUIRED_ATTRIBUTES = ("id", "encode", "decode")


def make_sealing(store: StoreSettings, folder: Path) -> Sealing:
    """Return the configured handling of values: the codec, and the largest value.

    Raises:
        ConfigError: the codec cannot be imported, or is none.
    """
    codec = None if store.codec is None else load_codec(store.codec, folder)
    try:
        large = make_large_values(store.url, SystemClock().now, store.blobs.above)
        return Sealing(codec, store.payload_max, large=large)
    except OptionError as error:
        raise ConfigError(f"`store.codec` {store.codec!r} cannot be used: {error.message}", hint=error.hint) from None


def load_codec(name: str, folder: Path) -> Codec:
    """Return the codec named "module:name"; a class is called without arguments. Modules are also imported from `folder`.

    Raises:
        ConfigError: it cannot be imported, or is no codec.
    """
    try:
        found = import_named_object(name, folder)
        codec: Any = found() if isinstance(found, type) else found
    except Exception as error:
        reason = escape(f"{type(error).__name__}: {error}", 300)
        raise _codec_error(name, f"it cannot be imported: {reason}") from error
    missing = [attribute for attribute in _REQUIRED_ATTRIBUTES if not hasattr(codec, attribute)]
    if missing:
        raise _codec_error(name, f"it has no {missing[0]!r}")
    return cast("Codec", codec)


def _codec_error(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"`store.codec` {name!r} cannot be used: {reason}",
        hint="It must name an object with `id`, `encode(bytes) -> bytes` and `decode(bytes) -> bytes`; see "
        "how-to/encryption.",
    )
