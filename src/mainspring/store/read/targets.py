"""Reads of the targets that actions call, for people."""

from mainspring.domain.effects.target_limits import TargetState
from mainspring.store.base import StoreReader
from mainspring.store.schema.effects.http_targets import TARGET


def list_targets(reader: StoreReader) -> list[TargetState]:
    """Return the state of each target that has limits and got requests."""
    return TARGET.read_all(reader.read("list_targets"))
