"""Sessions of programs outside of steps, on each kind of store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.app import program_session
from mainspring.app.program_session import ProgramSession
from mainspring.app.project import Project
from tests.new_stores import create_store


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store."""
    url = str(tmp_path / "state.db") if request.param == "sqlite" else str(request.getfixturevalue("lent_store"))
    create_store(url)
    return url


@pytest.fixture
def program(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgramSession]:
    """The session of this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAINSPRING_STORE_URL", url)
    made = ProgramSession(Project.find())
    made.open()
    monkeypatch.setattr(program_session, "_program", made)
    yield made
    made.close()


@pytest.fixture
def other(program: ProgramSession) -> Iterator[ProgramSession]:
    """That of another process."""
    made = ProgramSession(Project.find(), "other.py")
    made.open()
    yield made
    made.close()
