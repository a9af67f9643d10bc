"""Each test of an action has a configuration of its own."""

import pytest

from mainspring.app.project import Project
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.database_places import DATABASE_PLACES


@pytest.fixture(autouse=True)
def _own_project(monkeypatch):
    """Forget the project and the databases that an earlier test of this process has used."""
    monkeypatch.setattr(Project, "_newest", None)
    monkeypatch.setattr(DATABASE_PLACES, "_places", {})


@pytest.fixture(autouse=True)
def _own_registry():
    """Declare automations for one test only: two files may use one name."""
    with Registry():
        yield
