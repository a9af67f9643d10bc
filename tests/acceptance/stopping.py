"""Ways to stop without a sound, each caused in real processes of a folder of its own, with someone who is notified.

Looks are five seconds apart, so all ways are begun side by side and looked at one after the other. The spans of monitors are short here.
"""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from mainspring.domain.incidents.incident import IncidentKind
from tests.acceptance.receiver import Receiver
from tests.acceptance.works import is_alive
from tests.acceptance.wrapping import ROOT, Place
from tests.brokers.server import BrokerServer
from tests.brokers.servers import start_broker
from tests.polling import polls

WITHIN_S = 90.0
LONGEST_FILE = 64 * 1024
HOURLY = """
import mainspring as ms

@ms.task(every="1h")
def report() -> None: ...
"""
LISTENS = """
import mainspring as ms

@ms.on.event("sold")
@ms.task
def report() -> None: ...
"""
BLOCKS = """
import time
import mainspring as ms

@ms.task
async def blocks() -> None:
    while True:
        time.sleep(0.1)
"""
BOOKS = """
import mainspring as ms

@ms.on.queue("{url}")
@ms.task
def book(id: str) -> str:
    return id
"""
NO_WATCHER = """
import os, sys
if "mainspring.app.processes.watcher_process" in sys.orig_argv:
    os._exit(3)
"""


class Site(Place):
    """A project whose messages `people` get. `servers` end with it. `made` = all there are: one whose way fails has to end, too."""

    made: ClassVar[list["Site"]] = []

    def __init__(self, folder: Path, code: str = "", **monitors: str) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.people = Receiver()
        self.servers: list[BrokerServer] = []
        (folder / "a.py").write_text(code)
        lines = "".join(f"{name} = {tuning}\n" for name, tuning in monitors.items())
        (folder / "mainspring.toml").write_text(
            '[project]\nautomations = ["a.py"]\n[notify]\ngroup_wait = "0s"\n'
            f'[worker]\ndrain = "1s"\nstall_limit = "1s"\n[monitors]\n{lines}'
        )
        self.env |= self.people.settings
        self.ups: list[subprocess.Popen[bytes]] = []
        self.made.append(self)

    def up(self, roles: str) -> int:
        """Start a supervisor of these roles; return its process."""
        with (self.folder / "log").open("ab") as log:
            self.ups.append(self.start("up", "--role", roles, stderr=log, start_new_session=True))
        return self.ups[-1].pid

    def live(self, role: str) -> list[int]:
        """Return the processes of a role that live."""
        with contextlib.suppress(Exception):  # there may be no store yet
            rows = self.rows("select pid from sessions where ended_at is null and role = ?", role)
            return [pid for (pid,) in rows if is_alive(pid)]
        return []

    def until(self, fact: Callable[[], Any], description: str) -> Any:
        for _ in polls(WITHIN_S):
            if found := fact():
                return found
        raise AssertionError(f"{description}\n{self.notices()}\n{(self.folder / 'log').read_text()[-4_000:]}")

    def one_of(self, role: str) -> int:
        """Wait for a process of this role."""
        return int(self.until(lambda: self.live(role), f"no {role} came")[0])

    def notices(self) -> list[tuple[str, str]]:
        """Return what people were notified: (what about, the first line)."""
        return [(message["data"]["about"], message["data"]["headline"]) for message in self.people.messages]

    def wait_for_notice(self) -> "Site":
        """Wait for the first message."""
        self.until(self.notices, "no one is notified")
        return self

    def until_over(self) -> "Site":
        """Wait for the message that it is over."""
        self.until(lambda: self.notices()[-1][0] == "resolved", "no one is notified of its end")
        return self

    @property
    def opened(self) -> str:
        """The one line by which people learned that something is wrong, without its severity."""
        (headline,) = [line for about, line in self.notices() if about == "opened"]
        return headline.partition("] ")[2]

    def incidents(self) -> list[tuple[str, str]]:
        """Return (kind, whose) of each incident that is not part of another one."""
        rows = self.rows(
            "select kind, automation || fingerprint from incidents where parent is null order by opened_at"
        )
        return [(kind, owner.removeprefix(f"{self.folder}/")) for kind, owner in rows]

    def close(self) -> None:
        live = [pid for role in ("worker", "scheduler", "watcher") for pid in self.live(role)]
        for pid in [*(process.pid for process in self.ups if process.poll() is None), *live]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        super().close()
        self.people.close()
        for server in self.servers:
            server.remove()


class Way(NamedTuple):
    """`begin` makes a site, stops something and waits until that is reported, and where it is fixed that this is reported too.

    `headline` = the first line that people read, after its severity, as a pattern.
    """

    kind: IncidentKind
    of: str
    headline: str
    begin: Callable[[Path], Site]


def kill_worker(folder: Path) -> Site:
    """Worker and supervisor die at once, and nothing starts them again."""
    site = Site(folder, LISTENS, worker_lost='{ missing = "8s" }')
    up = site.up("worker")
    worker = site.one_of("worker")
    site.up("watcher")
    site.one_of("watcher")
    for pid in (up, worker):
        os.kill(pid, signal.SIGKILL)
    return site.wait_for_notice()


def block_worker(folder: Path) -> Site:
    """A step holds the loop of each process that takes it up."""
    site = Site(folder, BLOCKS)
    site.up("worker,watcher")
    site.one_of("worker")
    done = site.call("run", "blocks", "--detach")
    assert done.returncode == 0, done.stderr
    return site.wait_for_notice()


def deploy_badly(folder: Path) -> Site:
    """What the module imports is not there any more; then it is fixed."""
    site = Site(folder, HOURLY)
    site.up("worker,watcher")
    worker = site.one_of("worker")
    site.until(lambda: site.rows("select 1 from automations"), "nothing is announced")
    (folder / "a.py").write_text("import gone_with_the_deploy\n" + HOURLY)
    os.kill(worker, signal.SIGTERM)
    site.wait_for_notice()
    (folder / "a.py").write_text(HOURLY)
    os.kill(site.one_of("worker"), signal.SIGTERM)
    return site.until_over()


def deploy_broken_file(folder: Path) -> Site:
    """No automation of the file was ever known; then it is fixed."""
    site = Site(folder, "import never_installed\n" + HOURLY)
    site.up("worker,watcher")
    site.wait_for_notice()
    (folder / "a.py").write_text(HOURLY)
    os.kill(site.one_of("worker"), signal.SIGTERM)
    return site.until_over()


def refuse_writes(folder: Path) -> Site:
    """No file may grow any more: each commit is an I/O error, by which all processes end; others may write again."""
    site = Site(folder, HOURLY)
    up = site.up("worker,watcher")
    pids = [up, site.one_of("worker"), site.one_of("watcher")]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the first one may have taken the others with it
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (LONGEST_FILE, LONGEST_FILE))
    site.wait_for_notice()
    assert site.ups[0].wait(WITHIN_S) != 0
    site.up("worker,watcher")
    return site.until_over()


def stop_broker(folder: Path) -> Site:
    """It is killed while a consumer reads from it."""
    nats = start_broker("nats")
    site = Site(folder, BOOKS.format(url=asyncio.run(nats.new_queue())), source_unreachable='{ away = "2s" }')
    site.servers.append(nats)
    site.up("worker,scheduler,watcher")
    site.until(lambda: _is_read(site), "no consumer reads from the broker")
    nats.kill()
    return site.wait_for_notice()


def _is_read(site: Site) -> bool:
    with contextlib.suppress(Exception):
        return bool(site.rows("select 1 from consumers where connected_at is not null and unreachable_at is null"))
    return False


def kill_each_watcher(folder: Path) -> Site:
    """Whatever watcher comes is killed as soon as it has come, until someone was notified."""
    site = Site(folder, worker_lost='{ missing = "8s" }')
    site.up("scheduler,watcher")
    killed: set[int] = set()

    def kill() -> bool:
        for pid in site.live("watcher"):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        return bool(site.notices())

    site.until(kill, "no one is notified of it")
    assert len(killed) > 1
    return site


def break_watcher(folder: Path) -> Site:
    """Something in the environment ends each watcher before its first line."""
    site = Site(folder, worker_lost='{ missing = "8s" }')
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(NO_WATCHER)
    site.env["PYTHONPATH"] = f"{folder}/hook:{ROOT}/src"
    site.up("scheduler,watcher")
    return site.wait_for_notice()


def stop_scheduler(folder: Path) -> Site:
    """Its process is there and does not move; then it continues."""
    site = Site(folder, worker_lost='{ missing = "10s", silent = "10s" }')
    site.up("scheduler,watcher")
    site.one_of("watcher")
    scheduler = site.one_of("scheduler")
    os.kill(scheduler, signal.SIGSTOP)
    assert f"pid {scheduler} of" in site.wait_for_notice().opened
    os.kill(scheduler, signal.SIGCONT)
    site.until_over()
    assert site.live("scheduler") == [scheduler]
    return site


K = IncidentKind
_FOR = r"for [\d.]+s"
CASES = {
    "a worker is killed and not started again": Way(
        K.WORKER_LOST,
        "worker",
        # Whether its death is on record yet, or is only seen.
        rf"mainspring: no worker (has sent a heartbeat|stays running) {_FOR}.* \(report needs one\)",
        kill_worker,
    ),
    "a step blocks its worker": Way(
        K.NEEDS_ATTENTION,
        "blocks885ef76ef711",  # the fingerprint of how its worker ended
        "blocks: needs a person: crashes worker: its loop was blocked in step blocks",
        block_worker,
    ),
    "a module fails to import": Way(
        K.DEFINITION_LOST,
        "report",
        "report: it fails to load: ModuleNotFoundError: No module named 'gone_with_the_deploy'",
        deploy_badly,
    ),
    "a new file fails to import": Way(
        K.DEFINITION_LOST,
        "a.py",
        r"mainspring: .*/a\.py:1: failed to load: ModuleNotFoundError: No module named 'never_installed'",
        deploy_broken_file,
    ),
    "a broker is gone": Way(
        K.SOURCE_UNREACHABLE, "book", rf"book: book/queue has not reached its source {_FOR}: .*", stop_broker
    ),
    "a watcher dies as soon as it lives": Way(
        K.WORKER_LOST,
        "watcher",
        rf"mainspring: no watcher stays running {_FOR}: the last one died .* ago .*",
        kill_each_watcher,
    ),
    "a watcher never begins": Way(
        K.WORKER_LOST,
        "watcher",
        rf"mainspring: no watcher has sent a heartbeat {_FOR} \(pid \d+ of .* needs one\)",
        break_watcher,
    ),
    "a scheduler is stopped": Way(
        K.WORKER_LOST,
        "scheduler",
        rf"mainspring: no scheduler has sent a heartbeat {_FOR}: pid \d+ of .* is stopped or blocked .*",
        stop_scheduler,
    ),
    "the store refuses each write": Way(
        K.STORE_LOST, "", "mainspring: the store cannot be read or written: the disk reports an error", refuse_writes
    ),
}
