"""`ms.once` in plain programs: scripts that run again, forked children, and sessions that others declared dead."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.app import program_session
from mainspring.app.program_session import ProgramSession
from mainspring.app.project import Project
from mainspring.domain.effects.errors import EffectConflictError, EffectInDoubtError
from mainspring.domain.errors import BusyError, ConfigError, StoreUnavailableError
from mainspring.domain.states import EffectState
from mainspring.store.commands.effects import ForgetEffect, SettleEffect
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.effects import EffectFilter, list_effects, read_effect
from tests.polling import polls

pytestmark = pytest.mark.timeout(120)
KEY = "report:7"
SCRIPT = """
import asyncio, os, sys
from pathlib import Path
import mainspring as ms

def send(text):
    with Path("requests").open("a") as requests:
        requests.write(f"{text} {ms.idempotency_key()}\\n")
    return text

async def send_later(text):
    return send(text)
"""


def run_script(folder: Path, url: str, code: str) -> str:
    """Run a plain program; return what it printed."""
    environment = os.environ | {"MAINSPRING_STORE_URL": url}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT + code], cwd=folder, env=environment, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def requests(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "requests").read_text().splitlines()]


def test_script_that_runs_again_performs_its_effect_once(tmp_path: Path, url: str) -> None:
    """Plain, in an event loop, and from two of them at once."""
    code = f"print(ms.once({KEY!r}, send, 'x'))"
    assert [run_script(tmp_path, url, code) for _ in range(2)] == ["x", "x"]
    in_loop = "async def main():\n    print(await ms.once('later', send_later, 'y'))\n"
    in_loop += (
        "    print(await asyncio.gather(*(ms.once('both', send_later, 'z') for _ in range(2))))\nasyncio.run(main())"
    )
    assert run_script(tmp_path, url, in_loop) == "y\n['z', 'z']"
    assert requests(tmp_path) == ["x", "y", "z"]


def test_forked_child_has_effects_of_its_own(tmp_path: Path, url: str) -> None:
    """It ends as programs do, and leaves the session of its parent alone."""
    code = """
ms.once("before", send, "parent")
if os.fork() == 0:
    ms.once("before", send, "parent")
    ms.once("child", send, "child")
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
ms.once("after", send, "parent")
with ms.once("open") as effect:
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    effect.done(1)
print(ms.once("open").key)
"""
    assert run_script(tmp_path, url, code) == "0\nopen"
    assert requests(tmp_path) == ["parent", "child", "parent"]


def state(program: ProgramSession, key: str = KEY) -> EffectState | None:
    found = read_effect(program._store.reader, key)
    return None if found is None else found.state


def test_outcome_counts_although_the_session_was_declared_dead(program: ProgramSession, other: ProgramSession) -> None:
    """The program was stopped for long, or had no contact: its outcome settles the doubt, in a session of its own."""
    session = program._store.session
    assert session is not None
    with ms.once(KEY) as effect:
        other._store.apply(DeclareSessionDead(session))
        assert state(other) is EffectState.IN_DOUBT
        effect.done("x")
    assert state(other) is EffectState.DONE
    assert ms.once("next", lambda: "y") == "y"
    assert program._store.session not in (None, session)


def test_outcome_that_the_store_did_not_accept_is_sent_again(
    program: ProgramSession, other: ProgramSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its effect would be pending for as long as the program lives."""
    apply = program._store.apply

    def fail(command: Any) -> Any:
        if isinstance(command, SettleEffect):
            raise StoreUnavailableError("away")
        return apply(command)

    monkeypatch.setattr(program._store, "apply", fail)
    with pytest.raises(StoreUnavailableError):
        ms.once(KEY, lambda: "x")
    assert state(other) is EffectState.PENDING
    with pytest.raises(StoreUnavailableError):
        ms.once("next", lambda: "y")
    assert state(other, "next") is None
    monkeypatch.undo()
    monkeypatch.setattr(program_session, "_program", program)
    assert ms.once(KEY, lambda: "not called") == "x"


def test_holder_is_waited_for_in_any_thread(program: ProgramSession, other: ProgramSession) -> None:
    """A call in another thread or process gets the result of the first one."""
    entered, leave = threading.Event(), threading.Event()
    results: list[Any] = []

    def perform() -> str:
        entered.set()
        assert leave.wait(60)
        return "x"

    threads = [threading.Thread(target=lambda: results.append(ms.once(KEY, perform))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    with pytest.raises(BusyError, match="is performing effect"):
        ms.once(KEY, perform, wait=0)
    leave.set()
    for thread in threads:
        thread.join(60)
    assert results == ["x", "x"]


def test_program_that_ends_inside_of_its_effect_leaves_a_doubt(program: ProgramSession, other: ProgramSession) -> None:
    """Its session ends in order, and the outcome is unknown, unless the code still says it."""
    with ms.once(KEY) as effect:
        program.close()
        assert state(other) is EffectState.IN_DOUBT
        effect.done("x")
    assert state(other) is EffectState.DONE


def name(text: str) -> str:
    return text


def test_error_of_a_program_is_the_answer_to_its_call(program: ProgramSession) -> None:
    """A conflict, and a doubt that hides the error of the code behind it."""
    ms.once(KEY, name, "x")
    with pytest.raises(EffectConflictError, match='on record: \\["x"\\]'):
        ms.once(KEY, name, "y")
    with pytest.raises(EffectInDoubtError, match="KeyError") as caught, ms.once("other"):
        raise KeyError("id")
    assert isinstance(caught.value.__cause__, KeyError)


def test_cancelled_wait_of_a_program_leaves_nothing_pending(program: ProgramSession, other: ProgramSession) -> None:
    """Whenever the cancel comes, the intent that was on its way is released."""

    async def perform(number: int) -> None:
        async with ms.once(f"{KEY}:{number}") as effect:
            effect.done()

    async def main() -> None:
        tasks = [asyncio.create_task(perform(number)) for number in range(20)]
        for task in tasks:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())

    def states() -> set[EffectState]:
        return {effect.state for effect in list_effects(other._store.reader, EffectFilter(), 50).effects}

    assert any(states() <= {EffectState.DONE} for _ in polls(60)), states()
    assert any(not of_effects() for _ in polls(60)), of_effects()


def of_effects() -> list[threading.Thread]:
    """Return the threads of calls that are not over."""
    return [thread for thread in threading.enumerate() if thread.name == "mainspring-effect"]


def test_outcome_of_a_cancelled_program_is_saved_before_it_ends(tmp_path: Path, url: str) -> None:
    """No code waits for the commit, but the end of the program does."""
    code = """
async def perform():
    async with ms.once("k") as effect:
        Path("requests").write_text("x")
        effect.done("x")
        await asyncio.sleep(600)

async def main():
    task = asyncio.create_task(perform())
    while not Path("requests").exists():
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])

asyncio.run(main())
"""
    run_script(tmp_path, url, code)
    assert run_script(tmp_path, url, 'print(ms.once("k", identity=None).__enter__().result)') == "x"


@pytest.mark.parametrize("address", ["mysql://nowhere/db", "stat.db"])
def test_program_without_a_store_has_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """It fails closed: a new store, by a typing error, would know no effect."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAINSPRING_STORE_URL", address)
    monkeypatch.setattr(program_session, "_program", None)
    monkeypatch.setattr(Project, "_newest", None)
    performed: list[int] = []
    with pytest.raises(ConfigError):
        ms.once(KEY, performed.append, 1)
    assert (performed, list(tmp_path.iterdir())) == ([], [])


def test_part_that_a_program_has_performed_is_not_performed_again(
    program: ProgramSession, other: ProgramSession
) -> None:
    """A later part was refused. The next call of the outer effect continues with it, and with other arguments it is an error."""
    done: list[str] = []

    @ms.action(wait="1ms")
    def send(name: str) -> None:
        if name == "second" and name not in done:
            done.append(name)
            raise ms.NotSent("busy")
        done.append(f"{name} {ms.idempotency_key()}")

    def send_both(first: str = "first") -> None:
        with ms.once("both") as effect:
            if effect.needed:
                send(first)
                send("second")
                effect.done()

    with pytest.raises(ms.NotSent):
        send_both()
    with pytest.raises(EffectConflictError, match="action 'send' had other arguments"):
        send_both("first, later")
    assert [text.partition(" ")[0] for text in done] == ["first", "second"]
    other._store.apply(ForgetEffect("both"))
    send_both()
    assert [text.partition(" ")[0] for text in done] == ["first", "second", "first", "second"]
