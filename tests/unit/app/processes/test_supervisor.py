"""The supervisor with real workers: what it says of one that ends by itself."""

import logging
import subprocess
import sys

from mainspring.app.processes import managed_process
from mainspring.app.processes.launch_spec import LaunchSpec
from mainspring.app.processes.managed_process import STORE_LOST_EXIT_CODE
from mainspring.app.processes.supervisor import Supervisor
from mainspring.app.project import Project

ENDS = """
import ctypes
ctypes.CDLL(None)._exit(0)  # as a library in C does: nothing in Python can see it
"""


def test_worker_that_ends_while_it_loads_is_reported_and_started_with_a_pause(tmp_path, caplog, monkeypatch):
    """It looks like an end in order, but it comes at once: it is no secret, and does not keep a core busy for ever."""
    monkeypatch.setattr(managed_process, "SHORT_LIFE_S", 60.0)  # a busy machine needs seconds for what is done at once
    (tmp_path / "ends.py").write_text(ENDS)
    config = tmp_path / "mainspring.toml"
    config.write_text('[project]\nautomations = ["ends.py"]\n[store]\nurl = "s.db"\n[up]\nroles = ["worker"]\n')
    pids: list[int] = []
    supervisor = Supervisor(
        Project.find(config=config), LaunchSpec({}, str(config), ()), on_start=lambda role, pid: pids.append(pid)
    )
    (post,) = supervisor.posts
    post.pause = 5.0  # so long that a busy machine starts no third one meanwhile

    def enough() -> None:
        if len(caplog.records) == 2:
            supervisor.stop()

    with caplog.at_level(logging.ERROR, "mainspring.supervisor"):
        supervisor.run(once=enough)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert f"the worker process {pids[0]} ended with exit code 0" in messages[0]
    assert "during loading" in messages[0]
    assert post.not_before > post.started + 5


class LateRecord:
    """A record whose thread learns of the quarantine in the middle of a turn of the supervisor."""

    is_probation_due = False

    def __init__(self) -> None:
        self.quarantined: frozenset[int] = frozenset()
        self._died: list[int] = []

    def died(self, pid: int, **_: object) -> None:
        self._died.append(pid)

    @property
    def is_busy(self) -> bool:
        self.quarantined |= frozenset(self._died)
        return False


def test_quarantine_that_becomes_known_during_a_turn_counts(tmp_path):
    """The process ended before the supervisor knew why: it is not replaced."""
    config = tmp_path / "mainspring.toml"
    config.write_text('[store]\nurl = "s.db"\n[up]\nroles = ["worker"]\n')
    supervisor = Supervisor(Project.find(config=config), LaunchSpec({}, str(config), ()))
    supervisor._record = LateRecord()
    (post,) = supervisor.posts
    post.process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({STORE_LOST_EXIT_CODE})"])
    post.pid = post.process.pid
    post.process.wait()
    for _ in range(2):
        supervisor._turn()
        assert post.process is None
    assert post.is_closed
