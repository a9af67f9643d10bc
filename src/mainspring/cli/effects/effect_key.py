"""The key of an effect, as an argument of a command."""

from typing import TYPE_CHECKING

from mainspring.cli import params

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader


def _read_keys(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.effects import list_effect_keys

    return list_effect_keys(reader)


EFFECT = params.StoredNameType(_read_keys, "effect")


def require_known_key(reader: "StoreReader", key: str) -> None:
    """Do nothing if the ledger has the key.

    Raises:
        UnknownNameError: it has not. The error names the nearest of those that changed last.
    """
    from mainspring.domain.errors import UnknownNameError
    from mainspring.store.read.effects import read_effect

    if read_effect(reader, key) is None:
        raise UnknownNameError("effect", key, _read_keys(reader))
