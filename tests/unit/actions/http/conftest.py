"""A target on loopback, and a project without a file of settings."""

import pytest

from mainspring.resources.action_hosts import ACTION_HOSTS
from tests.http_target import serve_target


@pytest.fixture
def target(tmp_path, monkeypatch):
    """The target, which the actions of the test may call."""
    monkeypatch.setattr(ACTION_HOSTS, "entries", frozenset({"127.0.0.1"}))
    monkeypatch.setattr(ACTION_HOSTS, "is_configured", True)
    monkeypatch.setattr(ACTION_HOSTS, "limits", {})
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve_target(tmp_path / "record.txt") as served:
        yield served
