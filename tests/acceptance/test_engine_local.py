"""Starting small: many processes on one file, locks that can be seen and broken."""

import asyncio
import sys

import pytest

from mainspring.engine.registry import Registry
from mainspring.service import lock
from mainspring.store.commands.automations import TakeLock
from mainspring.store.reads.status import locks
from tests.acceptance.engine_world import World

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


async def test_peer_procrastinate_1543_lock_shows_its_owner_and_can_be_broken_with_a_trace(tmp_path):
    """PEERS 23: each lock has an owner and an age; `break` frees it, raises the token and is in the audit log."""
    async with World(tmp_path).engine(Registry()) as engine:
        first = await engine.working.apply(TakeLock("nightly", "run r1", "backup"))
        (held,) = locks(engine.working.store.reader)
        assert (held.owner, held.note, held.live) == ("run r1", "backup", 1)
        assert held.taken_at > 0
        await engine.app.do(lambda store, act: lock.break_lock(store, "nightly", act=act), "stuck since noon")
        assert locks(engine.working.store.reader) == []
        second = await engine.working.apply(TakeLock("nightly", "run r2"))
        assert second.number > first.number
        (row,) = engine.reads.audit_rows()
    assert (row.verb, row.subject, row.reason) == ("break", "lock:nightly", "stuck since noon")
