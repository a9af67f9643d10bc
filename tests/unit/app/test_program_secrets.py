"""`ms.secret` in plain programs: what is on record of them, and what a forked child shares with its parent."""

import os
import subprocess
import sys

from mainspring.domain.clock import SystemClock
from mainspring.store.read.secret_uses import list_secret_uses
from mainspring.store.sqlite.store import SqliteStore

PROGRAM = """
import os, sys
import mainspring as ms
from mainspring.app.project import Project

ms.secret("A").reveal()
inherited = Project.current().secrets
if os.fork() == 0:
    ms.secret("B").reveal()
    ms.secret("B").reveal()
    print(Project.current().secrets is inherited)
    sys.exit(0)
os.wait()
"""


def test_forked_child_has_providers_and_uses_of_its_own(tmp_path):
    """Two processes on one connection would read the answers of each other, and a lock may be held for ever."""
    store = SqliteStore(tmp_path / "state.db", clock=SystemClock())
    store.open()
    variables = {
        "MAINSPRING_STORE_URL": str(store.path),
        "MAINSPRING_SECRET_A": "value-a",
        "MAINSPRING_SECRET_B": "value-b",
    }
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.stdout == "False\n", ended.stderr
    assert {use.secret: use.number for use in list_secret_uses(store.reader, None, 0, 2**60, 10)} == {"A": 1, "B": 1}
    store.close()
