"""The scheduler process: what it knows of a lost store continues record once that is back."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.processes.scheduler_process import serve
from mainspring.app.project import Project
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.store.read.incidents import incidents

pytestmark = pytest.mark.asyncio


async def test_store_that_was_lost_is_put_on_record(tmp_path, monkeypatch):
    """Anyone who saw it go may be gone as well: the file beside the spool remembers, and a scheduler writes it down."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path))
    project = Project.find(flags={"store.url": str(tmp_path / "s.db"), "exec.spool": str(tmp_path / "spool")})
    memory = Path(f"{project.settings.exec.spool}.store-lost.json")
    memory.parent.mkdir()
    memory.write_text(json.dumps({"since_at": 1_000, "fault": "the disk is full"}))
    process = BackgroundProcess(project, "scheduler")
    serving = asyncio.create_task(serve(process))
    try:
        async with asyncio.timeout(30):
            while not (process.is_open and incidents(process.store.reader, unresolved=False)):
                await asyncio.sleep(0.01)
        found = {incident.subject.kind: incident for incident in incidents(process.store.reader, unresolved=False)}
    finally:
        process.stopped.set()
        await serving
    assert "the disk is full" in found[IncidentKind.STORE_LOST].text
