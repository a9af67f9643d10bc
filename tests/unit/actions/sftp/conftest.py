"""An SFTP server for each test, and the options that lead to it."""

import pytest

from tests.unit.actions.sftp import sftp_steps
from tests.unit.actions.sftp.sftp_server import PASSWORD, serving_sftp


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MAINSPRING_SECRET_FILES", PASSWORD)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with serving_sftp(tmp_path / "server") as server:
        monkeypatch.setenv(sftp_steps.SERVER, server.address(""))
        monkeypatch.setenv(sftp_steps.HOST_KEY, server.known_key)
        yield server


@pytest.fixture
def options(server):
    return sftp_steps.options()
