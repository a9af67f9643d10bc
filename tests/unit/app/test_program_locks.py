"""`ms.lock` in plain programs: locks of scripts, of threads and loops, of killed holders and of sessions that were declared dead."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.app.program_locks import ProgramLocks
from mainspring.app.program_session import ProgramSession
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import DefinitionError, FencedError, StoreUnavailableError
from mainspring.resources.locks import LockHeldError, LockLostError, LockSlotsError, LockSpec
from mainspring.store.commands.automations import BreakLock
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.status.status import locks
from tests.polling import polls

pytestmark = pytest.mark.timeout(120)


def line(session: ProgramSession) -> list[str]:
    """Return the states of all rows, in their order."""
    return [view.state for view in locks(session._store.reader)]


def until(fact: Callable[[], bool]) -> None:
    assert any(fact() for _ in polls(60))


def test_scripts_and_loops_take_locks(tmp_path: Path, url: str) -> None:
    """In the order of their requests, and a killed holder has none."""
    code = """
import asyncio, os, signal, sys
import mainspring as ms
with ms.lock("l") as lock:
    print(lock.token, lock.slot, lock.is_lost)
async def main():
    async with ms.lock("l") as lock:
        print(lock.token)
asyncio.run(main())
sys.stdout.flush()
with ms.lock("l"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"MAINSPRING_STORE_URL": url}
    for first in (1, 4):
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )  # fmt: skip
        assert (ended.returncode, ended.stdout) == (-9, f"{first} 1 False\n{first + 1}\n"), ended.stderr


HOLDER = """
import os, signal, sys
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.store.commands.automations import AcquireLock
stores = [make_store(os.environ["MAINSPRING_STORE_URL"], clock=SystemClock()) for _ in sys.argv[1:]]
for store, role in zip(stores, sys.argv[1:]):
    store.open()
    store.open_session(role)
stores[-1].apply(AcquireLock("l", "the dead one", None, 1, 0))
os.kill(os.getpid(), signal.SIGKILL)
"""


def take_lock_and_die(url: str, *roles: str) -> None:
    """Take lock `l` in a process with sessions of these roles, in the last one, and kill the process."""
    environment = os.environ | {"MAINSPRING_STORE_URL": url}
    ended = subprocess.run([sys.executable, "-c", HOLDER, *roles], env=environment, check=False, timeout=60)
    assert ended.returncode == -9


@pytest.mark.parametrize("roles", [("exec",), ("run",), ("supervisor", "worker")])
def test_lock_of_a_killed_process_is_free_at_once(program: ProgramSession, url: str, roles: tuple[str, ...]) -> None:
    """Whatever its role, without a wait, and with another number of slots."""
    take_lock_and_die(url, *roles)
    assert line(program) == ["left"]
    with ms.lock("l", "0s") as lock:
        assert lock.token == 2
    take_lock_and_die(url, *roles)
    with ms.lock("l", "0s", slots=2) as lock:
        assert lock.token == 4


def test_lock_of_a_dead_worker_is_left_to_its_supervisor(program: ProgramSession, url: str) -> None:
    """A supervisor that is alive knows how its worker died, so no program declares that worker dead."""
    supervisor = make_store(url, clock=SystemClock())
    supervisor.open()
    supervisor.open_session("supervisor")
    take_lock_and_die(url, "worker")
    with pytest.raises(LockHeldError, match="held by the dead one"), ms.lock("l", "0s"):
        pass
    supervisor.close()


def test_waiters_of_two_processes_get_the_lock_in_their_order(program: ProgramSession, other: ProgramSession) -> None:
    """A release in one process wakes the first waiter, in whichever process it is."""
    other_locks, entered = ProgramLocks(other), []
    held = other_locks.lock(LockSpec("l", 60))
    held.wait()

    def wait_here(number: int) -> None:
        with ms.lock("l"):
            entered.append(number)

    threads = []
    for number in range(2):
        threads.append(threading.Thread(target=wait_here, args=(number,)))
        threads[-1].start()
        until(lambda: line(other).count("waiting") == len(threads))
    last = other_locks.lock(LockSpec("l", 60))
    until(lambda: line(other).count("waiting") == 3)
    released = other_locks.unlock(held.number)
    assert released is not None
    released.wait()
    assert last.wait().token == 4
    assert entered == [0, 1]
    other_locks.unlock(last.number)
    for thread in threads:
        thread.join(60)


def test_wait_that_ends_leaves_no_place_in_line(program: ProgramSession, other: ProgramSession) -> None:
    """By its time, by a cancel, or by another number of slots."""
    ProgramLocks(other).lock(LockSpec("l", 60)).wait()
    with pytest.raises(LockHeldError, match=r"lock 'l' is held by other\.py of .*, until released"), ms.lock("l", "0s"):
        pass
    with pytest.raises(LockHeldError), ms.lock("l", "50ms"):
        pass
    with pytest.raises(LockSlotsError, match="slots=2, but other"), ms.lock("l", slots=2):
        pass

    async def wait() -> None:
        async with ms.lock("l"):
            pass

    async def cancel() -> None:
        task = asyncio.create_task(wait())
        while line(other).count("waiting") == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(DefinitionError, match="would block the event loop"), ms.lock("l"):
            pass

    asyncio.run(cancel())
    until(lambda: line(other) == ["held"])


def test_lost_lock_is_an_error_at_the_end_of_the_block(program: ProgramSession, other: ProgramSession) -> None:
    """The session was declared dead (the process was stopped for long), or a person broke the lock. An error of the block wins."""
    number = program._store.session
    assert number is not None
    held = ms.lock("l")
    with pytest.raises(LockLostError, match="lock 'l' was lost during its block"), held:
        other._store.apply(DeclareSessionDead(number))
        with pytest.raises(FencedError):
            program._store.apply(BreakLock("another"))
        assert held.is_lost
    with pytest.raises(LockLostError, match="it was broken"), held:
        assert (held.token, held.is_lost) == (2, False)
        other._store.apply(BreakLock("l"))
    with pytest.raises(KeyError), held:
        other._store.apply(BreakLock("l"))
        raise KeyError


def test_lock_is_released_once_the_store_is_back(
    program: ProgramSession, other: ProgramSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its program lives on, so its session would hold the lock for ever. The same for a place in line."""
    apply_in = ProgramSession.apply_in

    def fail_once(session: ProgramSession, number: int, command: Any) -> Any:
        monkeypatch.setattr(ProgramSession, "apply_in", apply_in)
        raise StoreUnavailableError("gone away")

    monkeypatch.setattr(ProgramSession, "apply_in", fail_once)
    with pytest.raises(StoreUnavailableError), ms.lock("l"):
        pass
    until(lambda: line(other) == [])
    held = ms.lock("l")
    apply = ProgramSession.apply

    def lose_answer(session: ProgramSession, command: Any) -> Any:
        monkeypatch.setattr(ProgramSession, "apply", apply)
        apply(session, command)
        raise StoreUnavailableError("gone away")

    monkeypatch.setattr(ProgramSession, "apply", lose_answer)
    with pytest.raises(StoreUnavailableError), held:
        pass
    until(lambda: line(other) == [])
