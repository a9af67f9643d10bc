"""The disk of the server is full: workers say so, stay alive, and continue when there is room; anyone who acts is reported in seconds."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet, may_be_made
from tests.postgres_server import PostgresServer

LEASE_S = 6.0
CONFIG = f"""
[project]
automations = ["work.py"]
[worker]
lease = "{LEASE_S:.0f}s"
"""
AUTOMATIONS = """
import asyncio, os
from pathlib import Path
import mainspring as ms

@ms.workflow
async def collect(run: ms.Run) -> int:
    return len(await run.step(read)) + len(await run.step(read))

async def read() -> str:
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{os.environ['TEST_MACHINE']} {ms.idempotency_key()} read\\n")
    while not Path(os.environ["GATE"]).exists():
        await asyncio.sleep(0.02)
    return os.urandom(60_000).hex()

@ms.task
def keep(text: str) -> int:
    return len(text)
"""
LARGE = os.urandom(40_000).hex()
"""More than any page of the store has room for."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk that the server's user may write to."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk that this needs: the server's full disk is NOT tried")
    folder = tmp_path / "disk"
    folder.mkdir()
    for above in (folder, *folder.parents):  # as far as the server's user has to go
        if above.stat().st_uid == 0 and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here: the server's full disk is NOT tried")
    shutil.chown(folder, "nobody", "nogroup")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer, disk: Path) -> Iterator[Fleet]:
    """Machines whose store lies on that disk."""
    if not may_be_made():
        pytest.skip("no namespaces may be made here: the server's full disk is NOT tried")
    postgres.execute(f"create tablespace small location '{disk}'")
    postgres.execute("create database small tablespace small")
    url = postgres.new_store().replace("/postgres?", "/small?")
    made = Fleet(tmp_path, url, code=AUTOMATIONS, config=CONFIG)
    yield made
    made.close()
    postgres.execute("drop database small with (force)")
    postgres.execute("drop tablespace small")


def fill(disk: Path) -> None:
    """Take all the room there is."""
    with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_fleet_outlives_a_full_disk_of_its_server(fleet: Fleet, disk: Path) -> None:
    """Longer than a lease nothing fits: no session is lost, nothing is done twice, and with room again all ends well."""
    fleet.call("run", "collect", "--detach")
    machine = fleet.up("a")
    fleet.until(lambda: len(fleet.noted()) == 1)
    other = fleet.up("b")
    fleet.until(lambda: fleet.rows("select count(*) from sessions where role = 'worker' and state = 'alive'") == [(2,)])
    sessions = "select id, pid from sessions where role = 'worker' and state = 'alive' order by id"
    before = fleet.rows(sessions)
    fill(disk)
    fleet.blocker_file.touch()
    fleet.until(lambda: "the disk of the database is full" in machine.log.read_text())
    for started in range(20):  # noqa: B007 - counted afterwards: the server frees room now and then, and a run fits
        fill(disk)
        done = fleet.tried("run", "keep", f"text={LARGE}", "--detach")
        if done.returncode != 0:
            break
    assert done.returncode == 75, done
    assert "the disk of the database is full" in done.stderr
    assert "nothing was done" in done.stderr
    since = time.monotonic()
    fleet.until(lambda: time.monotonic() - since > LEASE_S * 1.5)
    assert [len(host.processes("worker_process")) for host in (machine, other)] == [1, 1]
    assert fleet.rows(sessions) == before
    assert len(fleet.noted()) == 1
    (disk / "filler").unlink()
    fleet.until(lambda: fleet.have_succeeded(1 + started))
    fleet.until(lambda: "the store accepts commits again" in machine.log.read_text())
    assert fleet.rows(sessions) == before
    assert fleet.rows("select claim from runs") == [(1,)] * (1 + started)
    assert len(fleet.noted()) == 2
