"""`mainspring up` keeps its posts, on both databases: each kind of process returns after kill -9, and continues without the others."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import warm_command_line
from tests.acceptance.one_project import NoStoreError
from tests.polling import polls

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
ALL = ("worker", "scheduler", "watcher", "web")
GOOD = """
import asyncio, os
import mainspring as ms

@ms.task(every="1s", overlap="allow")
def beat(account: str = "main") -> str:
    return account

async def hold() -> None:
    open("holding", "w").close()
    while not os.path.exists("let go"):
        await asyncio.sleep(0.05)

@ms.task(queue="slow")
async def holds() -> None:
    await hold()
"""
BROKEN = "raise SystemExit('no')\n"


class Site:
    """A machine with a project; its processes are found through the store alone."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (folder / "a.py").write_text(GOOD)
        (folder / "mainspring.toml").write_text(
            '[project]\nautomations = ["a.py"]\n[worker]\ndrain = "1s"\nlease = "3s"\n'
        )
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "MAINSPRING_STORE_URL": url,
            "MAINSPRING_EXEC_SPOOL": str(folder / "spool"),
            "MAINSPRING_WEB_BIND": f"127.0.0.1:{self.port}",
        }
        self._ups: list[subprocess.Popen[bytes]] = []

    def up(self, *words: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"log{len(self._ups)}").open("wb") as log:
            up = subprocess.Popen(
                [sys.executable, "-m", "mainspring", "up", *words],
                cwd=self.folder, env=self.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._ups.append(up)
        return up

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return warm_command_line.call([*words, "--json"], cwd=self.folder, env=self.env, timeout=TIMEOUT_S)

    def call(self, *words: str) -> Any:
        done = self.run(*words)
        if done.returncode == 2 and "there is no store" in done.stderr:
            raise NoStoreError(done.stderr)
        assert done.returncode in (0, 7, 9), done.stderr
        return json.loads(done.stdout)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def live(self, role: str) -> list[dict[str, Any]]:
        return [
            worker for worker in self.call("workers", "list") if worker["role"] == role and worker["state"] == "alive"
        ]

    def slots(self) -> int:
        return len(self.call("runs", "list", "--name", "beat", "--limit", "1000"))

    def until(self, fact: Any, description: str) -> Any:
        for _ in polls(TIMEOUT_S):
            with suppress(NoStoreError):
                if found := fact():
                    return found
        raise AssertionError(f"{description}\n{self.logs()}")

    def is_whole(self) -> bool:
        return self.run("status", "--here").returncode == 0

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("log*")))

    def close(self) -> None:
        for up in self._ups:
            if up.poll() is None:
                up.terminate()
        for up in self._ups:
            try:
                up.wait(20)
            except subprocess.TimeoutExpired:
                up.kill()
                up.wait()


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    url = str(tmp_path / "s.db") if request.param == "sqlite" else request.getfixturevalue("postgres").new_store()
    made = Site(tmp_path, url)
    yield made
    made.close()


@pytest.fixture
def file_site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, str(tmp_path / "s.db"))
    yield made
    made.close()


def test_each_kind_of_process_returns_after_it_was_killed(site: Site) -> None:
    """Two workers, scheduler, watcher and web: each is killed, another one comes, and at the end all drain in order."""
    up = site.up("--processes", "2")
    site.until(site.is_whole, "not all came")
    assert len(site.live("worker")) == 2
    before = {worker["pid"] for worker in site.call("workers", "list") if worker["role"] in ALL}
    assert len(before) == 5
    for role in ALL:
        os.kill(site.live(role)[0]["pid"], signal.SIGKILL)
    site.until(
        lambda: len({worker["pid"] for worker in site.call("workers", "list") if worker["role"] in ALL} - before) == 4,
        "not all returned",
    )
    site.until(site.is_whole, "not all are there again")
    site.until(lambda: site.get("/readyz")[0] == 200, "web is not ready")
    up.terminate()
    assert up.wait(30) == 0
    assert site.call("workers", "list") == []
    assert site.run("status", "--here").returncode == 9


def test_slots_are_made_while_the_worker_fails_to_load(site: Site) -> None:
    """The scheduler continues from the last good definitions; a worker that loads again takes what was made meanwhile."""
    up = site.up("--role", "worker,scheduler")
    site.until(site.slots, "no slot was made")
    up.terminate()
    assert up.wait(30) == 0
    (site.folder / "a.py").write_text(BROKEN)
    made = site.slots()
    site.up("--role", "scheduler", "--role", "worker")
    site.until(lambda: site.slots() >= made + 3, "the scheduler stands still")
    (site.folder / "a.py").write_text(GOOD)
    site.up("--role", "web,watcher")  # one more supervisor, of other roles
    site.call("down")
    site.up("--role", "worker")
    site.until(
        lambda: (
            {run["state"] for run in site.call("runs", "list", "--name", "beat", "--limit", "1000")} == {"succeeded"}
        ),
        "what was made meanwhile is not run",
    )


def test_command_lines_report_nothing_of_the_store(file_site: Site) -> None:
    """An address may hold a password, and anyone on the machine can read command lines: only the one that a person typed has it."""
    site = file_site
    marked = site.folder / "marked.db"
    up = site.up("--store", str(marked), "--role", "worker,watcher")
    site.env["MAINSPRING_STORE_URL"] = str(marked)
    site.until(site.is_whole, "not all came")
    lines = {
        int(worker["pid"]): Path(f"/proc/{worker['pid']}/cmdline").read_bytes()
        for worker in site.call("workers", "list")
    }
    assert len(lines) == 3
    assert [pid for pid, line in lines.items() if b"marked" in line] == [up.pid]


def test_down_waits_for_its_processes(file_site: Site) -> None:
    """One that is started while the others still drain is neither told to end nor waited for."""
    site = file_site
    first = site.up("--role", "watcher")
    site.until(site.is_whole, "it did not come")
    first.send_signal(signal.SIGSTOP)
    down = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "down"], cwd=site.folder, env=site.env, stderr=subprocess.DEVNULL
    )
    site.until(lambda: _has_stop_signal(first.pid), "it was not told")
    second = site.up("--role", "web")
    site.until(lambda: site.live("web"), "the other did not come")
    first.send_signal(signal.SIGCONT)
    assert down.wait(TIMEOUT_S) == 0
    assert first.wait(TIMEOUT_S) == 0
    assert second.poll() is None


def _has_stop_signal(pid: int) -> bool:
    """Tell whether a process that was stopped has a SIGTERM before it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (pending,) = [line.split()[1] for line in lines if line.startswith("ShdPnd")]
    return bool(int(pending, 16) & 1 << signal.SIGTERM - 1)


def test_quarantined_worker_is_not_replaced_until_up_restarts(site: Site) -> None:
    """Its runs are free at once, its process is killed, its post stays empty; the other worker of that machine continues."""
    up = site.up("--role", "worker", "--processes", "2")
    site.until(site.is_whole, "not all came")
    site.call("run", "holds", "--detach")
    bad = site.until(
        lambda: [worker for worker in site.live("worker") if worker["running"]], "no worker claimed the run"
    )[0]
    assert site.call("workers", "quarantine", str(bad["id"]), "-y")["freed"] == 1
    site.until(lambda: not Path(f"/proc/{bad['pid']}").exists(), "it lives")
    site.until(lambda: [worker for worker in site.live("worker") if worker["running"]], "no worker continued the run")
    found = site.call("status", "--here")
    assert (found["kept"], found["live"]) == ({"worker": 2}, {"worker": 1})
    assert [worker["id"] for worker in site.call("workers", "list", "--state", "quarantined")] == [bad["id"]]
    up.terminate()
    assert up.wait(30) == 0
    site.up("--role", "worker", "--processes", "2")
    site.until(site.is_whole, "a restart brings no worker back")


def test_drain_waits_until_nothing_is_in_hand_or_the_time_is_over(file_site: Site) -> None:
    """A hook before the end of a machine: 7 while a step holds on, 0 once nothing is in hand; nothing new is taken."""
    site = file_site
    site.up("--role", "worker")
    site.until(site.is_whole, "no worker came")
    site.call("run", "holds", "--detach")
    site.until((site.folder / "holding").exists, "the step never began")
    held = site.run("drain", "--here", "--timeout", "1s")
    assert held.returncode == 7
    assert [worker["running"] for worker in json.loads(held.stdout)] == [1]
    (site.folder / "let go").touch()
    assert site.run("drain", "--here", "--timeout", "30s").returncode == 0
    site.call("run", "beat", "--detach")
    assert [run["state"] for run in site.call("runs", "list", "--name", "beat")] == ["queued"]


def test_one_supervisor_keeps_a_role_of_a_machine(file_site: Site) -> None:
    """Units with other roles stand side by side; one with a role in common ends with 8 and says which; a slip of the pen is reported."""
    site = file_site
    site.up("--role", "worker")
    site.until(site.is_whole, "no worker came")
    site.up("--role", "web")
    site.until(lambda: site.live("web"), "no web came")
    second = site.run("up", "--role", "scheduler,worker")
    assert second.returncode == 8
    assert "has its worker" in second.stderr
    refused = site.run("up", "--role", "sheduler")
    assert refused.returncode in (2, 3)
    assert "Did you mean 'scheduler'?" in refused.stderr


def test_occupied_port_stops_no_other_process(file_site: Site) -> None:
    """The web process says that the address is taken, the others work; once it is free the process listens."""
    site = file_site
    with socket.create_server(("127.0.0.1", site.port)):
        site.up()
        site.until(lambda: "cannot listen on 127.0.0.1" in site.logs(), "it is not told")
        site.until(site.slots, "the others do not work")
        assert site.call("status", "--here")["missing"] == []  # it lives, and tries again
    site.until(lambda: site.get("/healthz")[0] == 200, "it does not listen once the address is free")


def test_worker_takes_from_the_named_queues_only(file_site: Site) -> None:
    """--queue narrows what a machine takes, whatever limits the configuration names."""
    site = file_site
    site.up("--role", "worker", "--queue", "other,slow")
    site.until(site.is_whole, "no worker came")
    site.call("run", "beat", "--detach")
    site.call("run", "holds", "--detach")
    site.until((site.folder / "holding").exists, "it takes nothing from slow")
    loads = {queue["name"]: queue for queue in site.call("queues", "list")}
    assert (loads["slow"]["running"], loads["slow"]["workers"], loads["slow"]["capacity"]) == (1, 1, 64)
    assert (loads["default"]["claimable"], loads["default"]["workers"]) == (1, 0)
    assert loads["default"]["oldest_s"] >= 0
