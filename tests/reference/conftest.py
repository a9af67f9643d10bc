"""Fixtures of the examples: an app with automations of its own, in a new folder."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import mainspring as ms
from mainspring.app import program_schedules
from mainspring.app.project import Project
from mainspring.app.remote import remote_handle
from mainspring.app.remote.client import Client
from mainspring.config import Settings
from mainspring.engine.definitions.registry import Registry
from mainspring.web.api.api_asgi import ApiApp
from mainspring.web.api.call import HandlerContext
from tests.api_world import NamedAuthenticator


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAINSPRING_SECRET_STRIPE", "sk_example_51H8aB2c")


@pytest.fixture(autouse=True)
def registry() -> Iterator[Registry]:
    """Collect the automations of one example."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def app(tmp_path: Path, registry: Registry) -> Iterator[ms.App]:
    """The app of the examples; the working folder of an example is new."""
    (tmp_path / "app.db").touch()  # a database of the user
    app = ms.App("state.db", registry=registry, databases={"default": tmp_path / "app.db"})
    yield app
    app.close()


@pytest.fixture
def measured(app: ms.App) -> Iterator[None]:
    """The number that the example measures is in the store at its end."""
    yield
    assert app.open_store().reader.read_text("select numbers from measurements") == [('{"rows":31.0}',)]


@pytest.fixture
def project(app: ms.App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project of the program, whose store is that of `app`."""
    monkeypatch.setenv("MAINSPRING_STORE_URL", str(tmp_path / "state.db"))
    monkeypatch.setattr(program_schedules, "_apps", {})
    yield Project.find()
    for made in program_schedules._apps.values():
        made.close()


@pytest.fixture
def client(app: ms.App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The client of the examples: it calls the API of the store of `app`, without a network."""
    monkeypatch.setattr(remote_handle, "SERVER_WAIT_S", 0.0)  # a wait at the server is tested beside the API
    context = HandlerContext(app.open_store(creates_store=True), app.sealing, Settings(), app.clock)
    api = ApiApp(NamedAuthenticator(), context)
    yield Client("http://ops.example.com", token="ann", transport=httpx2.ASGITransport(api))
    api.close()
