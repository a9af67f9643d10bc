"""Stores that exist before a test begins: some programs refuse to create one."""

from pathlib import Path

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock


def create_store(place: str | Path) -> None:
    """Create the store at a path or URL."""
    if isinstance(place, Path):
        place.parent.mkdir(exist_ok=True)
    store = make_store(place, clock=SystemClock())
    store.open()
    store.close()
