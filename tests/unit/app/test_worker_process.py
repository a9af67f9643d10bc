"""The worker process: how it ends where it cannot begin."""

import os
import subprocess
import sys

import msgspec

from mainspring.app.handover import Handover
from mainspring.app.post import GONE


def test_worker_that_does_not_reach_its_store_did_not_crash(tmp_path):
    """Its end tells its supervisor to try again, and says why; it is no death that anybody's code is blamed for."""
    config = tmp_path / "mainspring.toml"
    config.write_text('[store]\nurl = "postgresql://nobody:secret@127.0.0.1:1/none"\n')
    handover = Handover({}, str(config), (), role="worker", parent=os.getpid())
    command = [sys.executable, "-m", "mainspring.app.worker_process"]
    given = msgspec.json.encode(handover)
    done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == GONE
    assert b"out of reach" in done.stderr
    assert b"secret" not in done.stderr
