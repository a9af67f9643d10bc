"""`mainspring up` beside a program that reads the store without a pause: one incident that names it, and ends with it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.monitors.system.process_findings import WalHeldTuning
from tests.acceptance.one_project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux tells of locks"),
]
WORK = """
import mainspring as ms

@ms.task
def book(n: int) -> int:
    return n
"""
MORE = """
[monitors.wal_held]
longest = "1s"
"""
READER = """
import sqlite3, sys
connection = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True, isolation_level=None)
connection.execute("begin").execute("select count(*) from runs").fetchall()
print("reads", flush=True)
sys.stdin.readline()
"""


def test_default_of_the_monitor_is_five_minutes() -> None:
    """The test below shortens it, so that it need not wait."""
    tuning = MONITORS[IncidentKind.WAL_HELD].tuning
    assert isinstance(tuning, WalHeldTuning)
    assert tuning.longest.total_seconds() == 300


def test_program_that_reads_without_a_pause_is_an_incident_that_ends_with_it(tmp_path: Path) -> None:
    """It names process and command, in `status` too; no one resolves it."""
    project = Project(tmp_path, WORK, MORE)

    def found(*words: str) -> list[dict[str, Any]]:
        return [
            incident
            for incident in project.json("incidents", "list", *words)
            if incident["subject"]["kind"] == "wal_held"
        ]

    try:
        project.up("up", "--processes", "1")
        project.until(lambda: project.json("status")["workers"])
        words = [sys.executable, "-c", READER, project.store]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            assert reader.stdin is not None
            assert reader.stdout.readline() == "reads\n"
            project.until(found)
            (incident,) = found()
            assert f"process {reader.pid} ({sys.executable} -c" in incident["text"]
            assert incident["text"].endswith("keeps reading the store")
            assert incident["id"] in project.call("status", code=9).stdout
            reader.stdin.close()
        project.until(lambda: found() == [])
        assert [incident["state"] for incident in found("--state", "resolved")] == ["resolved"]
    finally:
        project.stop()
        project.kill_all()
