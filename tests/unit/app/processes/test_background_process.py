"""What a process without user code says of its store."""

import os

import pytest

from mainspring.app.processes import background_process
from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.project import Project
from mainspring.domain.errors import ConfigError

pytestmark = pytest.mark.asyncio


async def test_web_process_can_match_events_that_it_publishes(tmp_path, monkeypatch):
    """Its store opens their data by the configured codec; the other processes import no one's code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path))
    project = Project.find(flags={"store.url": str(tmp_path / "s.db"), "store.codec": "none:there"})
    BackgroundProcess(project, "watcher")
    with pytest.raises(ConfigError, match="none"):
        BackgroundProcess(project, "web")


async def test_store_that_answers_nothing_is_lost(tmp_path, monkeypatch):
    """Though it names no trouble; what it names says more. Before it is open someone else waits for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path))
    process = BackgroundProcess(Project.find(flags={"store.url": str(tmp_path / "s.db")}), "watcher")
    assert process.fault is None
    process.is_open = True
    assert process.fault is None
    monkeypatch.setattr(background_process, "_STORE_LOST_AFTER_S", 0.0)
    fault = process.fault
    assert "completed no commit" in str(fault)
    process._answered_at -= 100
    assert process.fault == fault, "it is one fault for as long as it lasts: what remembers it writes each new one down"
    process.commit_error = "the disk is full"
    assert process.fault == "the disk is full"
    process.is_open = False
    process.commit_error = None
    assert process.fault is None
