"""Worker processes that can be had in a few milliseconds: forked from a warm template that has imported everything and started nothing.

The product never forks; what a life does from there on is what a worker process does: the real store, the real committing thread,
sessions, upkeep, children. A life ends when it is killed; it also dies with the template, and the template with the test.

    python -m tests.crash.lives        # the template: one JSON request a line on stdin, one answer a line on stdout
"""

import asyncio
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mainspring.app.processes.managed_process import STORE_LOST_EXIT_CODE
from mainspring.app.processes.worker_process import _exit_at_once
from mainspring.app.workers.upkeep import Upkeep
from mainspring.domain.clock import SystemClock
from mainspring.engine.attempts.processes.process_lifetime import set_death_signal
from mainspring.engine.definitions.middleware import declare_middleware
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store import failpoints
from mainspring.store.commands.journal import RecordProcessGroup
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.committer import Committer
from mainspring.store.write.command_handlers import HANDLERS
from tests.crash.effects import EXPERIMENT, HOLD, LIFE, ROOT, SOCKET
from tests.crash.stores import busy, take_the_fence_down, working_on

AUTOMATIONS = "tests.crash.workflows"
LETTERS = {
    "commit.before": b"b",
    "commit.after": b"a",
    "effect_commit.before": b"e",
    "effect_commit.after": b"f",
    "blob.before": b"p",
    "blob.after": b"q",
}
"""How a point that was passed is noted, just before whatever is ordered for it happens."""


class Life(msgspec.Struct, kw_only=True):
    """What one worker process is to do. `failpoint` as in failpoints.parse; `unfenced` breaks the proof of ownership on purpose."""

    folder: str
    store: str
    """The URL of its store."""
    experiment: str
    effects: str
    number: int = 1
    failpoint: str = ""
    change: str = ""
    """If set, the failpoint counts only while a group with this change is on its way to the store."""
    max_suspended: int = 2_000
    suspend_after_ms: int = 10
    concurrency: int = 64
    unfenced: bool = False
    beat_fast: bool = False
    """Beat and look after the dead 50 times as often, so that much of it happens in a short test."""
    ahead_ms: int = 0
    """How far this process's clock is ahead of the others'."""
    busy: tuple[int, int] = (0, 0)
    """From which commit to which the database takes none."""
    hold: str = ""
    """See effects.HOLD."""
    freeze_groups: bool = False
    """The commit that would put a script's process group on record hangs; the file `frozen` says so."""
    lease_ms: int | None = None
    """On a server: how long this process may be silent."""
    blind: bool = False
    """It does not see that its own lease is over: only the database can keep it from writing."""
    is_surrounded: bool = False
    """Its runs and steps are called through middleware."""
    act: str = ""
    """start, publish, answer, fork or once: this life is no worker but a program that does this one act and ends."""

    @property
    def hits(self) -> Path:
        """One byte for each point that this life passed: see LETTERS."""
        return Path(self.folder, f"hits.{self.number}")

    @property
    def groups(self) -> Path:
        """One JSON list for each group of commands that this life took to the store: what it changes, in words."""
        return Path(self.folder, f"groups.{self.number}")

    @property
    def log(self) -> Path:
        """What it wrote to its log."""
        return Path(self.folder, f"log.{self.number}")


# -- in the life -------------------------------------------------------------------------------------------------------


def live(life: Life, registry: Registry) -> None:
    """Be a worker until killed, or do one act."""
    set_death_signal(signal.SIGKILL)
    log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    faulthandler.register(signal.SIGUSR2)  # a test that waits in vain asks where it stands
    os.environ |= {SOCKET: life.effects, EXPERIMENT: life.experiment, LIFE: str(life.number), HOLD: life.hold}
    os.environ["CRASH_FOLDER"] = life.folder
    os.environ |= {"AWS_ACCESS_KEY_ID": "crash", "AWS_SECRET_ACCESS_KEY": "crash"}  # of a server in this machine
    group: list[str] = []
    failpoints.install(_counting(life, failpoints.parse(life.failpoint), group))
    _note_groups(life, group)
    if life.unfenced:
        take_the_fence_down()
    if life.blind or life.unfenced:
        from mainspring.store.postgres.lease import Lease

        Lease.is_over = property(lambda _lease: False)  # type: ignore[method-assign, assignment]
    if life.beat_fast:
        from mainspring.app.workers import upkeep
        from mainspring.engine.worker import worker

        worker._ROUND_S = upkeep._ROUND_INTERVAL_S = 0.01
    if life.freeze_groups:
        HANDLERS[RecordProcessGroup] = _freeze(life)
    if life.is_surrounded:
        registry = _surround(registry)
    if life.act:
        _do(life, registry)
    else:
        asyncio.run(_work(life, registry))


def _surround(registry: Registry) -> Registry:
    from tests.crash.workflows import Surrounding

    surrounded = registry.derive()
    code = Surrounding.around_run.__code__
    declare_middleware(Surrounding, surrounded, f"{code.co_filename}:{code.co_firstlineno}", code)
    return surrounded


def _freeze(life: Life) -> Callable[[Any, Any], Any]:
    def hang(_transaction: Any, _command: Any) -> Any:
        Path(life.folder, "frozen").touch()
        while True:
            signal.pause()

    return hang


def _do(life: Life, registry: Registry) -> None:
    from tests.crash.clients import Client

    if life.act.startswith("once "):
        _perform_once(life)
    client = Client(life.store, registry)
    match life.act.split():
        case ["start", automation]:
            client.start(automation)
        case ["start", automation, text]:
            client.start(automation, json.dumps({"text": text}).encode(), command="newer")
        case ["publish", name]:
            client.publish(name, {"id": 7, "amount": 12})
        case ["answer", run]:
            assert client.answer(run, "yes")
        case ["fork", run, step]:
            client.fork(run, step)
    os._exit(0)


def _perform_once(life: Life) -> None:
    """Be a plain program with one effect, and end with 3 if it is in doubt."""
    from mainspring.app.program_session import program_session
    from mainspring.domain.effects.errors import EffectInDoubtError
    from tests.crash.workflows import perform_once

    os.chdir(life.folder)
    os.environ["MAINSPRING_STORE_URL"] = life.store
    code = 0
    try:
        perform_once(life.act.split()[1], "x")
    except EffectInDoubtError:
        code = 3
    program_session().close()
    os._exit(code)


async def _work(life: Life, registry: Registry) -> None:
    working = working_on(
        life.store,
        registry,
        clock=ShiftedClock(life.ahead_ms),
        settings=WorkerOptions(
            concurrency=life.concurrency,
            threads=8,
            max_suspended=life.max_suspended,
            suspend_after_ms=life.suspend_after_ms,
        ),
        processes=1,
        databases={"default": Path(life.folder, "own.db")},
        upkeep=Upkeep(),
        lease_ms=life.lease_ms,
    )
    working.on_fatal = lambda _error: _exit_at_once(working, STORE_LOST_EXIT_CODE)
    await working.open()
    await asyncio.Event().wait()


class ShiftedClock(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, ahead_ms: int) -> None:
        super().__init__()
        self._ahead_ms = ahead_ms

    def now(self) -> int:
        return super().now() + self._ahead_ms


def _counting(life: Life, order: Callable[[str], None], group: list[str]) -> Callable[[str], None]:
    """Return a hook that notes each commit point before it does what is ordered. `group` = what the current group changes."""
    hits = os.open(life.hits, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    tries = 0

    def hook(place: str) -> None:
        nonlocal tries
        if place in LETTERS:
            os.write(hits, LETTERS[place])
        if not life.change or life.change in group:
            order(place)
        if place == "commit.before":
            tries += 1
            if life.busy[0] <= tries <= life.busy[1]:
                raise busy(life.store)

    return hook


def _note_groups(life: Life, group: list[str]) -> None:
    """Note what each group changes before it goes to the store, in a file and in `group`."""
    groups = os.open(life.groups, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    original = Committer._commit_group

    def until_known(self: Committer) -> Any:
        group[:] = [_in_words(command) for command, _ in self._group if _is_of_a_run(command)]
        os.write(groups, json.dumps(group).encode() + b"\n")
        return original(self)

    Committer._commit_group = until_known  # type: ignore[method-assign]


def _is_of_a_run(command: Any) -> bool:
    return isinstance(command, ClaimRuns) or hasattr(command, "run")


def _in_words(command: Any) -> str:
    """Return what a command changes, in words that are the same in each life."""
    values = (getattr(command, name, None) for name in ("kind", "ident", "state"))
    return " ".join([type(command).__name__, *(str(value) for value in values if value is not None)])


# -- the template ------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Fork a life for each request; tell how each ended when asked."""
    set_death_signal(signal.SIGKILL)
    registry = Registry.load([AUTOMATIONS], ROOT)
    assert not registry.problems, registry.problems
    answers = os.dup(1)
    os.write(answers, b"ready\n")
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "reap" in request:
            answer: dict[str, Any] = {"status": os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])}
        else:
            life = msgspec.convert(request, Life)
            pid = os.fork()
            if pid == 0:
                os.setsid()
                os.close(answers)
                os.close(0)
                code = 70
                try:
                    live(life, registry)
                except BaseException:
                    import traceback

                    traceback.print_exc()
                finally:
                    os._exit(code)
            answer = {"pid": pid}
        os.write(answers, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    serve()
