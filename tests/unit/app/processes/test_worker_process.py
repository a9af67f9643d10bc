"""The worker process: how it ends where it cannot begin, and what it writes down once it works."""

import os
import signal
import socket
import subprocess
import sys
import time

from mainspring.app.processes.launch_spec import LaunchSpec
from mainspring.app.processes.managed_process import STORE_LOST_EXIT_CODE
from mainspring.app.stores.store_factory import make_reader, make_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.runs.run_conditions import ConditionKind


def test_worker_that_does_not_reach_its_store_did_not_crash(tmp_path):
    """Its end tells its supervisor to try again, and says why; it is no death that anyone's code is blamed for."""
    config = tmp_path / "mainspring.toml"
    config.write_text('[store]\nurl = "postgresql://nobody:secret@127.0.0.1:1/none"\n')
    handover = LaunchSpec({}, str(config), (), role="worker", parent=os.getpid())
    command = [sys.executable, "-m", "mainspring.app.processes.worker_process"]
    process, line = handover.start(command, stderr=subprocess.PIPE)
    errors = process.communicate(timeout=60)[1]
    assert not line.close()
    assert process.returncode == STORE_LOST_EXIT_CODE
    assert b"unreachable" in errors
    assert b"secret" not in errors


def test_worker_keeps_what_it_runs_under(tmp_path):
    """Its configuration and versions are on record while it works: what changed before a failure is distinguished from them."""
    (tmp_path / "tasks.py").write_text("import mainspring as ms\n\n@ms.task\ndef work() -> None: ...\n")
    config, store = tmp_path / "mainspring.toml", tmp_path / "state.db"
    config.write_text(f'[project]\nautomations = ["tasks.py"]\n[store]\nurl = "{store}"\n')
    made = make_store(store, clock=SystemClock())
    made.open()
    made.close()
    handover = LaunchSpec({}, str(config), (), role="worker", parent=os.getpid())
    command = [sys.executable, "-m", "mainspring.app.processes.worker_process"]
    subject = f"host:{socket.gethostname()}"
    process, line = handover.start(command, stderr=subprocess.PIPE, cwd=tmp_path)
    with process:
        reader = make_reader(f"sqlite:///{store}")
        kinds = {ConditionKind.CONFIGURATION, ConditionKind.RUNTIME}
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until and process.poll() is None:
                if all(reader.read("find_last_run_condition", (kind.value, subject)) for kind in kinds):
                    break
                time.sleep(0.02)
            found = {kind for kind in kinds if reader.read("find_last_run_condition", (kind.value, subject))}
        finally:
            process.send_signal(signal.SIGTERM)
    assert not line.close()
    assert found == kinds
    assert process.returncode == 0
