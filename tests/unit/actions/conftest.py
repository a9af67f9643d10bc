"""Each test of an action has a configuration of its own."""

import pytest

from mainspring.app import program_session
from mainspring.app.project import Project
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.database_places import DATABASE_PLACES
from tests.new_stores import create_store


@pytest.fixture(autouse=True)
def _own_project(monkeypatch):
    """Forget the project and the databases that an earlier test of this process has used."""
    monkeypatch.setattr(Project, "_newest", None)
    monkeypatch.setattr(DATABASE_PLACES, "places", {})


@pytest.fixture(autouse=True)
def _own_registry():
    """Declare automations for one test only: two files may use one name."""
    with Registry():
        yield


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A store for the effects of this test, as a program that is no run uses it."""
    monkeypatch.setenv("MAINSPRING_STORE_URL", f"sqlite:///{tmp_path}/ledger.db")
    create_store(tmp_path / "ledger.db")
    monkeypatch.setattr(program_session, "_program", None)
    yield
    if program_session._program is not None:
        program_session._program.close()
