"""Starting small: many processes on one file, locks that can be seen and broken."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service import lock
from mainspring.store.commands.automations import AcquireLock
from mainspring.store.read.status.status import locks
from tests.acceptance.engine_world import World
from tests.service_calls import call_service

pytestmark = pytest.mark.asyncio

PROGRAM = """
import sys
import mainspring as ms

@ms.task(name=f"double_{sys.argv[2]}")
def double(n: int) -> int:
    return n * 2

app = ms.App(sys.argv[1])
print([app.run(double, n) for n in range(5)])
"""


async def test_peer_prefect_18934_eight_processes_on_one_file_meet_no_lock_error(tmp_path):
    """PEERS 21: the getting-started example, eight at once, on a file that none of them has made yet."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    async def go(number: int) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(program), str(tmp_path / "state.db"), str(number)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode().strip(), err.decode()

    found = await asyncio.gather(*[go(number) for number in range(8)])
    assert [(code, out) for code, out, _ in found] == [(0, "[0, 2, 4, 6, 8]")] * 8, found
    assert not any("lock" in err for _, _, err in found)


async def test_peer_procrastinate_1543_lock_displays_its_owner_and_can_be_broken_with_a_trace(tmp_path):
    """PEERS 23: each lock has an owner and an age; `break` frees it, raises the token and is in the audit log."""
    async with World(tmp_path).engine(Registry()) as engine:
        first = await engine.working.apply(AcquireLock("nightly", "run r1", "backup"))
        (held,) = locks(engine.working.store.reader)
        assert (held.owner, held.note, held.live) == ("run r1", "backup", 1)
        assert held.acquired_at > 0
        await call_service(
            engine.app, lambda store, act: lock.break_lock(store, "nightly", act=act), "stuck since noon"
        )
        assert locks(engine.working.store.reader) == []
        second = await engine.working.apply(AcquireLock("nightly", "run r2"))
        assert second.token > first.token
        (row,) = engine.reads.audit_rows()
    assert (row.verb, row.subject, row.reason) == ("break", "lock:nightly", "stuck since noon")


ONE_RUN = """
import mainspring as ms

@ms.workflow
async def pay(run: ms.Run) -> None:
    await run.options(delivery="at_most_once").step(charge)

async def charge() -> None: ...

@ms.task
def packed(name: str) -> str:
    return name

@ms.workflow
async def quick(run: ms.Run) -> list[str]:
    shared = run.options(run_key="shared").child(packed, "shared")
    return [await run.child(packed, "mine"), await shared]
"""


@pytest.mark.slow
async def test_run_without_a_worker_executes_only_its_own_run(tmp_path):
    """What other people queued is not begun by a process that soon leaves; children, also one found by its key, are its own work."""
    (tmp_path / "auto.py").write_text(ONE_RUN)
    (tmp_path / "mainspring.toml").write_text('[project]\nautomations = ["auto.py"]\n[store]\nurl = "state.db"\n')

    source = str(Path(ms.__file__).parent.parent)

    async def call(*args: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mainspring", *args),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": source},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode()

    for args in (("pay",), ("pay",), ("packed", "name=shared", "--key", "shared"), ("packed", "name=other")):
        assert (await call("run", *args, "--detach"))[0] == 0
    code, out = await call("run", "quick", "--json")
    assert (code, json.loads(out)["result"]) == (0, ["mine", "shared"]), out
    _, listed = await call("runs", "list", "--json")
    assert sorted((row["automation"], row["state"]) for row in json.loads(listed)) == [
        *(("packed", "queued"), ("packed", "succeeded"), ("packed", "succeeded")),
        *(("pay", "queued"), ("pay", "queued"), ("quick", "succeeded")),
    ]


async def test_app_run_executes_no_other_queued_run(tmp_path):
    """`app.run()` is a worker for one call."""
    started = []
    with Registry() as registry:

        @ms.task
        def note(name: str) -> str:
            started.append(name)
            return name

    app = ms.App(tmp_path / "state.db", registry=registry)
    other = await app.start(note, "other")
    assert await asyncio.to_thread(app.run, note, "mine") == "mine"
    assert started == ["mine"]
    assert await other.status() == RunState.QUEUED
    app.close()
