"""Places of the databases that the worker of this process knows by name; one for a whole process.

Role: code of users in steps finds a database by its name, although only the worker was given the places, and its child processes by it.
"""

from collections.abc import Mapping
from pathlib import Path


class DatabasePlaces:
    """A path or address by the name of a database. The newest worker of the process counts."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def add(self, places: Mapping[str, str | Path]) -> None:
        """Add or replace places."""
        self.places |= {name: str(place) for name, place in places.items()}

    def find(self, name: str) -> str | None:
        """Return the place of a database; None if no worker was given it."""
        return self.places.get(name)

    def names(self) -> list[str]:
        """Return the known names."""
        return sorted(self.places)


DATABASE_PLACES = DatabasePlaces()
"""The places that workers of this process were given."""
