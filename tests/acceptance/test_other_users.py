"""Several users of one machine: root in another user's project, and files that a user may not open.

Real processes under other user ids. Only root can start them: CI runs as root, elsewhere these tests are skipped.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.polling import polls

ROOT = Path(__file__).resolve().parents[2]
OWNER, OTHER, ROOT_USER = 65534, 65533, 0
TIMEOUT_S = 60.0
AUTOMATIONS = """
import time
from pathlib import Path
import mainspring as ms

@ms.task
def quick() -> None:
    pass

@ms.task
def slow(until: str) -> None:
    while not Path(until).exists():
        time.sleep(0.05)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can start processes of other users")


class Machine:
    """A machine with a project that belongs to OWNER; `url` None = its store is a file."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "jobs.py").write_text(AUTOMATIONS)
        where = url or "sqlite:///data/state.db"
        (self.project / "mainspring.toml").write_text(
            f'[project]\nautomations = ["jobs.py"]\n[store]\nurl = "{where}"\n[web]\nbind = "127.0.0.1:0"\n'
        )
        (self.project / "data").mkdir(mode=0o700)
        self.data = self.project / "data"
        self.store = self.data / "state.db"
        for path in (self.project, *self.project.iterdir()):
            os.chown(path, OWNER, OWNER)
        for uid in (OWNER, OTHER, ROOT_USER):
            home = self.home(uid)
            home.mkdir(mode=0o700)
            os.chown(home, uid, uid)
        self._started: list[subprocess.Popen[bytes]] = []

    def home(self, uid: int) -> Path:
        return self.folder / f"home-{uid}"

    def command(self, uid: int, words: tuple[str, ...], **env: str) -> dict[str, Any]:
        home = str(self.home(uid))
        around = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": str(ROOT / "src"), **env}
        around.setdefault("XDG_STATE_HOME", f"{home}/.local/state") if uid == ROOT_USER else None
        return {
            "args": [sys.executable, "-m", "mainspring", *words],
            "cwd": self.project,
            "env": around,
            "user": uid,
            "group": uid,
            "extra_groups": [],
        }

    def call(self, uid: int, *words: str, code: int | None = 0, umask: int = 0o022, **env: str) -> str:
        """Return what a command of a user prints, errors included."""
        command = self.command(uid, words, **env)
        done = subprocess.run(**command, umask=umask, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        output = done.stdout + done.stderr
        assert code in (None, done.returncode), (words, done.returncode, output)
        assert "bug of Mainspring" not in output, output
        assert "Traceback" not in output, output
        return output

    def start(self, uid: int, *words: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"log-{len(self._started)}").open("wb") as log:
            command = self.command(uid, words, **env)
            process = subprocess.Popen(**command, stdout=log, stderr=log, start_new_session=True)
        self._started.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("log-*")))

    def runs(self, uid: int = OWNER) -> list[str]:
        return [run["state"] for run in json.loads(self.call(uid, "runs", "list", "--json"))]

    def until(self, condition: Any) -> Any:
        for _ in polls(TIMEOUT_S):
            if found := condition():
                return found
        raise AssertionError(f"it did not come\n{self.logs()}")

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mainspring-users-"))
    made.chmod(0o755)
    python = [sys.executable, "-c", "import mainspring"]
    path = {"PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run(python, env=path, user=OWNER, group=OWNER, extra_groups=[], cwd="/", check=False)
    if found.returncode:
        pytest.skip("NOT TESTED: another user cannot read this checkout")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def machine(folder: Path) -> Iterator[Machine]:
    made = Machine(folder)
    yield made
    made.close()


def test_root_as_the_first_to_run_leaves_the_project_to_its_owner(machine: Machine) -> None:
    """Store, locks, mark, spool and what else lies beside it belong to the owner, who continues as if it had made them."""
    machine.call(ROOT_USER, "run", "quick")
    machine.call(ROOT_USER, "exec", "--name", "backup", "--lock", "backup", "--", "true")
    foreign = [path for path in (machine.data, *machine.data.rglob("*")) if path.stat().st_uid != OWNER]
    assert foreign == []
    machine.call(OWNER, "run", "quick")
    machine.call(OWNER, "exec", "--name", "backup", "--lock", "backup", "--", "true")
    assert machine.runs() == ["succeeded"] * 4
    machine.call(OWNER, "doctor", code=None)


def test_records_that_root_spools_are_accepted_by_the_owner(machine: Machine) -> None:
    """The store is away while root's command runs; its record, and the memory of the loss, are the owner's."""
    machine.call(OWNER, "run", "quick")
    with contextlib.closing(sqlite3.connect(machine.store, isolation_level=None)) as shell:
        shell.execute("begin exclusive")
        machine.call(ROOT_USER, "exec", "--name", "backup", "--", "true")
    assert list(machine.data.rglob("*.run.json"))
    machine.call(OWNER, "watch")
    assert [path for path in machine.data.rglob("*") if path.stat().st_uid != OWNER] == []
    assert machine.runs() == ["succeeded"] * 2


def _kill_worker(machine: Machine, uid: int) -> None:
    """Kill the worker of a user's `up` once its run is under way."""

    def worker() -> int | None:
        found = json.loads(machine.call(uid, "workers", "list", "--json"))
        return next((process["pid"] for process in found if process["role"] == "worker" and process["running"]), None)

    os.kill(machine.until(worker), signal.SIGKILL)


def _old_lock_of_root(machine: Machine) -> Path:
    """Turn the lock of the one session on record into root's own, as versions before this one left it."""
    (lock,) = (machine.data / "state.db.sessions").glob("*.lock")
    os.chown(lock, ROOT_USER, ROOT_USER)
    return lock


def test_dead_workers_are_found_next_to_a_lock_of_root(machine: Machine) -> None:
    """Root ran once and was killed; what the owner's worker and root had under way continues all the same."""
    machine.call(OWNER, "run", "quick")
    process = machine.start(ROOT_USER, "run", "slow", "until=first")
    machine.until(lambda: "running" in machine.runs())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    lock = _old_lock_of_root(machine)
    assert f"this user cannot read its lock {lock} (it belongs to root, mode 0600)" in machine.call(
        OWNER, "doctor", code=None
    )
    machine.start(OWNER, "up")
    (machine.project / "first").touch()
    machine.until(lambda: machine.runs() == ["succeeded"] * 2)
    machine.call(OWNER, "run", "slow", "until=second", "--detach")
    _kill_worker(machine, OWNER)
    (machine.project / "second").touch()
    machine.until(lambda: machine.runs() == ["succeeded"] * 3)
    assert "PermissionError" not in machine.logs()


def test_status_and_watch_continue_next_to_a_lock_of_a_living_root(machine: Machine) -> None:
    """A lock that cannot be read is no finding, and the session is not taken for dead."""
    machine.call(OWNER, "run", "quick")
    process = machine.start(ROOT_USER, "run", "slow", "until=never")
    machine.until(lambda: "running" in machine.runs())
    _old_lock_of_root(machine)
    machine.call(OWNER, "watch")
    machine.call(OWNER, "status", code=9)
    assert "running" in machine.runs()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    machine.call(OWNER, "watch", code=None)
    assert "running" not in machine.runs()


def test_users_who_share_a_server_do_not_stop_each_others_takeover(folder: Path, postgres: Any) -> None:
    """The locks of each lie in its own home: A cannot read B's, and A's dead worker is replaced within the lease."""
    machine = Machine(folder, postgres.new_store())
    try:
        machine.call(OWNER, "run", "quick")
        machine.start(OTHER, "run", "slow", "until=third")
        machine.until(lambda: "running" in machine.runs())
        machine.start(OWNER, "up")
        machine.until(lambda: "worker" in machine.call(OWNER, "workers", "list", code=None))
        machine.call(OWNER, "run", "slow", "until=first", "--detach")
        _kill_worker(machine, OWNER)
        (machine.project / "first").touch()
        machine.until(lambda: machine.runs().count("succeeded") == 2)
        assert "running" in machine.runs(), "the run of the other user was not taken from it"
        assert "PermissionError" not in machine.logs()
    finally:
        machine.close()


def test_spool_that_cannot_be_read_is_reported(machine: Machine) -> None:
    """A record of a failed backup may lie in it: folder, owner and command are named."""
    machine.call(OWNER, "run", "quick")
    spool = machine.data / "state.db.spool"
    spool.mkdir(mode=0o700)
    named = f"{spool} (it belongs to root, mode 0700)"
    for words, code in (("status", 9), ("watch", 9), ("doctor", 9)):
        output = machine.call(OWNER, words, code=code)
        assert named in output, (words, output)
        assert f"sudo chown -R nobody {spool}" in output
    os.chown(spool, OWNER, OWNER)
    (spool / "r_1.run.json").touch(mode=0o600)
    output = machine.call(OWNER, "watch", code=9)
    assert "r_1.run.json (it belongs to root" in output
    assert (spool / "r_1.run.json").exists()


def _close_a_folder(machine: Machine) -> Path:
    """Return a folder that OWNER may not enter."""
    closed = machine.folder / "closed"
    closed.mkdir(mode=0o700)
    return closed


@pytest.mark.parametrize("named", ["HOME", "MAINSPRING_STORE_URL"])
def test_store_in_a_folder_that_may_not_be_entered_is_reported(machine: Machine, named: str) -> None:
    """File, folder, owner and what to do; exit code 4, where nothing of mainspring is at fault."""
    closed = _close_a_folder(machine)
    env: dict[str, Any] = {named: str(closed if named == "HOME" else closed / "state.db")}
    if named == "HOME":
        (machine.project / "mainspring.toml").write_text('[project]\nautomations = ["jobs.py"]\n')
    for words in (("status",), ("run", "quick"), ("runs", "list"), ("watch",), ("db", "check"), ("up",)):
        output = machine.call(OWNER, *words, code=4, **env)
        assert f"; {closed} belongs to root, mode 0700" in output, (words, output)
    output = machine.call(OWNER, "doctor", code=9, **env)
    assert f"{closed} belongs to root, mode 0700" in output


def test_store_of_another_user_is_reported(machine: Machine) -> None:
    """0600: it cannot be read at all. 0644 without its index: SQLite could not read it, which is no try to write."""
    machine.call(ROOT_USER, "run", "quick")
    machine.data.chmod(0o755)
    for path in (machine.data, *machine.data.rglob("*")):
        os.chown(path, ROOT_USER, ROOT_USER)
    read_commands = (("status",), ("runs", "list"), ("db", "check"), ("db", "backup", str(machine.home(OWNER))))
    for words in read_commands:
        output = machine.call(OWNER, *words, code=4)
        assert f"the store cannot be read by this user\nat {machine.store}: it belongs to root, mode 0600" in output, (
            output
        )
    machine.store.chmod(0o644)
    for words in (*read_commands, ("run", "quick")):
        output = machine.call(OWNER, *words, code=4)
        assert "the store cannot be read by a user without the right to write beside it" in output, (words, output)
        assert "it belongs to root, mode 0644; its folder belongs to root, mode 0755" in output


def test_folder_that_loses_its_rights_while_it_is_used_is_waited_for(machine: Machine) -> None:
    """It was not removed: the store is away until the right is back, then all continues."""
    process = machine.start(OWNER, "up")
    machine.until(lambda: '"worker"' in machine.call(OWNER, "workers", "list", "--json", code=None))
    machine.call(OWNER, "run", "slow", "until=first", "--detach")
    machine.until(lambda: "running" in machine.runs())
    machine.data.chmod(0)
    (machine.project / "first").touch()
    machine.until(lambda: "belongs to nobody, mode 0000" in machine.logs())
    output = machine.call(OWNER, "status", code=4)
    assert f"{machine.data} belongs to nobody, mode 0000" in output
    assert process.poll() is None
    machine.data.chmod(0o700)
    machine.until(lambda: machine.runs() == ["succeeded"])
    assert process.poll() is None
    assert "was removed" not in machine.logs()


def test_umask_that_takes_all_rights_away_stops_nothing(machine: Machine) -> None:
    """Files and folders have their modes whatever the umask is."""
    machine.data.rmdir()
    machine.call(ROOT_USER, "run", "quick", umask=0o777)
    machine.call(OWNER, "run", "quick", umask=0o777)
    machine.call(OWNER, "exec", "--name", "backup", "--lock", "backup", "--", "true", umask=0o777)
    assert {path.stat().st_mode & 0o777 for path in machine.data.rglob("*")} == {0o600, 0o700}
    machine.call(OWNER, "watch")


@pytest.mark.parametrize("home", ["closed", "/nonexistent"])
def test_home_that_cannot_be_used_next_to_a_server_names_the_variable(folder: Path, postgres: Any, home: str) -> None:
    """Processes of one machine meet in a folder of the user: where there can be none, the cure is XDG_STATE_HOME."""
    machine = Machine(folder, postgres.new_store())
    _close_a_folder(machine)
    for words in (("run", "quick"), ("up",)):
        output = machine.call(OWNER, *words, code=4, HOME=str(folder / home))
        assert "Permission denied" in output
        assert "XDG_STATE_HOME" in output, output
    machine.call(OWNER, "run", "quick", HOME=str(folder / home), XDG_STATE_HOME=str(machine.home(OWNER)))


def test_config_with_an_endless_name_is_reported(machine: Machine) -> None:
    """Mainspring is not at fault, and the name is not shown whole."""
    output = machine.call(OWNER, "--config", "x" * 10_000, "status", code=2)
    assert "File name too long" in output
    assert len(output) < 1000


def test_full_disk_of_a_backup_is_not_called_that_of_the_store(machine: Machine) -> None:
    """It names the file that could not be written."""
    machine.call(OWNER, "run", "quick")
    small = machine.folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", small], check=False).returncode:
        pytest.skip("NOT TESTED: tmpfs cannot be mounted here")
    try:
        output = machine.call(OWNER, "db", "backup", str(small), code=75)
    finally:
        subprocess.run(["umount", "-l", small], check=True)
    assert f"the disk of the copy is full\nat {small}" in output
