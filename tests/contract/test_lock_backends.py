"""One suite for the lock backends, on real servers: PostgreSQL and Valkey."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import mainspring as ms
from mainspring.app import program_session
from mainspring.app.project import Project
from mainspring.domain.errors import ConfigError, OptionError
from mainspring.engine.attempts.named_lock import NamedLock
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations import redis_lock
from mainspring.integrations.base.lock_backend import LockBackendError
from mainspring.resources.lock_backends import LOCK_BACKENDS, LockAddress, LockBackends
from mainspring.resources.locks import LockHeldError, LockLostError
from tests.brokers.server import BrokerServer
from tests.brokers.servers import start_broker
from tests.pgbouncer import Pooler, program
from tests.polling import polls
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.timeout(120)
BACKEND = "shared"


@pytest.fixture(scope="session")
def valkey() -> Iterator[BrokerServer]:
    server = start_broker("valkey")
    yield server
    server.remove()


@pytest.fixture(params=["redis", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of a backend."""
    if request.param == "redis":
        return f"redis://127.0.0.1:{request.getfixturevalue('valkey').port}/0"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url("postgres")


@pytest.fixture
def backend(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A project with this backend; return the name of a lock that no other test uses."""
    (tmp_path / "mainspring.toml").write_text(
        f'[store]\nurl = "sqlite:///state.db"\n[locks.shared]\nurl = "{url}"\nlease = "3s"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Project, "_newest", None)
    monkeypatch.setattr(program_session, "_program", None)
    Project.find().open_store().close()
    yield f"lock of {tmp_path.name}"
    program_session.program_session().close()


def lock(name: str, within: str = "20s") -> NamedLock:
    return ms.lock(name, within, backend=BACKEND)


def test_lock_has_one_holder_and_growing_tokens(backend: str) -> None:
    """The next waiter gets it at the release, in a thread or a loop; a request that does not wait names the holder."""
    tokens, entered = [], threading.Event()

    def wait() -> None:
        with lock(backend) as held:
            tokens.append(held.token)

    with lock(backend) as held:
        entered.set()
        tokens.append(held.token)
        assert not held.is_lost
        with (
            pytest.raises(LockHeldError, match=rf"lock '{backend}' of backend 'shared' is held by .* since 20"),
            lock(backend, "0s"),
        ):
            pass
        with pytest.raises(LockHeldError), lock(backend, "50ms"):
            pass
        (holder,) = [holder for holder in LOCK_BACKENDS.list_holders(BACKEND, str) if holder.name == backend]
        assert holder.token in (None, held.token)
        thread = threading.Thread(target=wait)
        thread.start()
    thread.join(60)

    async def in_loop() -> None:
        async with lock(backend) as held:
            tokens.append(held.token)

    asyncio.run(in_loop())
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 3


def requests() -> int:
    """Return how many requests and releases are on their way."""
    return sum(thread.name == "mainspring-lock" for thread in threading.enumerate())


def test_cancelled_wait_leaves_no_lock(backend: str) -> None:
    """Neither at once nor later, and its request ends while another one has the lock."""

    async def main() -> None:
        async def wait() -> None:
            async with lock(backend):
                pass

        async with lock(backend):
            tasks = [asyncio.create_task(wait()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.sleep(0.05)
            tasks[1].cancel()
            while requests() > 1:
                await asyncio.sleep(0.01)
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, True, False]
        await tasks[2]

    asyncio.run(main())
    assert any(not requests() for _ in polls(60))
    with lock(backend, "0s"):
        pass


def test_broken_lock_is_reported_to_its_holder(backend: str) -> None:
    """By `is_lost`, and by an error at the end of the block, unless the block raised one."""
    with pytest.raises(LockLostError, match="was lost during its block"), lock(backend) as held:
        assert LOCK_BACKENDS.break_lock(BACKEND, backend, str)
        assert any(held.is_lost for _ in polls(60))
    with pytest.raises(KeyError), lock(backend):
        LOCK_BACKENDS.break_lock(BACKEND, backend, str)
        raise KeyError
    assert not LOCK_BACKENDS.break_lock(BACKEND, backend, str)


HOLDER = """
import sys, time
import mainspring as ms
with ms.lock(sys.argv[1], backend="shared") as held:
    print(held.token, flush=True)
    sys.stdin.readline()
    print(held.is_lost, flush=True)
"""


def test_stopped_holder_loses_a_lease_and_keeps_a_connection(backend: str, url: str) -> None:
    """A lease ends with its time; an advisory lock belongs to a session of the server, and stays with it until that is ended."""
    words = [sys.executable, "-c", HOLDER, backend]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            token = int(process.stdout.readline())
            process.send_signal(signal.SIGSTOP)
            if url.startswith("postgresql"):
                with pytest.raises(LockHeldError), lock(backend, "4s"):
                    pass
                assert LOCK_BACKENDS.break_lock(BACKEND, backend, str)
            with lock(backend) as held:
                assert held.token > token
                process.send_signal(signal.SIGCONT)
                process.stdin.write("\n")
                process.stdin.flush()
                assert process.stdout.readline() == "True\n"
                assert process.wait(60) == 1
                assert not held.is_lost
        finally:
            process.kill()


def test_step_takes_a_lock_of_a_backend_wherever_it_runs(backend: str) -> None:
    """The end of the attempt releases it, also if its code forgets to."""
    from tests.contract import locking_steps

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, name: str) -> list[int]:
            steps = [run.options(isolate="thread"), run.options(isolate="process")]
            return [await step.step(locking_steps.forget_backend_lock, name) for step in steps for _ in range(2)]

    app = ms.App("app.db", registry=registry)
    first, *later = app.run(work, backend)
    app.close()
    assert later == [first + 1, first + 2, first + 3]


def test_pooler_is_refused(postgres: PostgresServer) -> None:
    """It would give the session of a lock to other programs."""
    if program() is None:
        pytest.skip("pgbouncer is not installed here")
    pooler = Pooler(postgres)
    backends = LockBackends()
    backends.add({"pooled": LockAddress(pooler.url(postgres.url("postgres")), 10)})
    held = backends.open_lock("pooled", "l", "me", str)
    with pytest.raises(ConfigError, match="behind a pooler"):
        held.acquire(0)
    held.release()
    pooler.close()


def test_backend_that_cannot_be_used_is_named(url: str) -> None:
    """Unknown, away, or with slots."""
    backends = LockBackends()
    scheme = url.partition("://")[0]
    backends.add({"legacy": LockAddress(f"{scheme}://127.0.0.1:1/0", 10)})
    with pytest.raises(ConfigError, match="unknown lock backend 'legcy'") as caught:
        backends.open_lock("legcy", "l", "me", str)
    assert "legacy" in str(caught.value)
    with pytest.raises(LockBackendError, match=r"at 127\.0\.0\.1:1 failed") as away:
        backends.open_lock("legacy", "l", "me", str).acquire(0)
    assert away.value.code == "lock_backend_away"
    with pytest.raises(OptionError, match="one slot"):
        ms.lock("l", slots=2, backend="legacy")


def test_parameters_of_an_address_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them a connection that has to be encrypted would not be."""
    addresses = []

    def refuse(address: str, **_settings: object) -> None:
        addresses.append(address)
        raise psycopg.OperationalError("refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    backends = LockBackends()
    backends.add({"legacy": LockAddress("postgresql://{secret:ME}@h/d?sslmode=verify-full", 10)})
    with pytest.raises(LockBackendError, match="refused"):
        backends.open_lock("legacy", "l", "me", str.lower).acquire(0)
    assert addresses == ["postgresql://me@h/d?sslmode=verify-full"]


@pytest.mark.parametrize("use", ["open_lock", "list_holders", "break_lock"])
def test_missing_library_is_named(url: str, use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a lock of a backend is used."""
    library = "redis" if url.startswith("redis") else "psycopg"
    monkeypatch.setitem(sys.modules, library, None)
    backends = LockBackends()
    backends.add({"legacy": LockAddress(url, 10)})
    arguments = {"open_lock": ("l", "me"), "break_lock": ("l",)}.get(use, ())
    with pytest.raises(ConfigError, match=f"lock backend 'legacy' needs {library}"):
        getattr(backends, use)("legacy", *arguments, str)


def test_release_without_the_server_is_no_loss(valkey: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease covered the whole block: a step that is done must not fail because its lock ends later."""
    backends = LockBackends()
    backends.add({"legacy": LockAddress(f"redis://127.0.0.1:{valkey.port}/0", 10)})
    held = backends.open_lock("legacy", "no server", "me", str)
    held.acquire(0)

    def fail(_server: object, _call: object) -> None:
        raise LockBackendError("away")

    monkeypatch.setattr(redis_lock, "_call", fail)
    assert held.release()


def test_locks_of_a_backend_are_listed_and_broken(backend: str) -> None:
    """By the command line; the audit log has who broke what."""
    with pytest.raises(LockLostError), lock(backend):
        listed = run_command("locks", "list", "--backend", BACKEND, "--json")
        assert [row["name"] for row in json.loads(listed.stdout)].count(backend) == 1
        broken = run_command("locks", "break", backend, "--backend", BACKEND, "--reason", "stuck", "-y")
        assert (broken.returncode, broken.stdout) == (0, f"Broken: lock {backend} of {BACKEND}.\n"), broken.stderr
    again = run_command("locks", "break", backend, "--backend", BACKEND, "-y")
    assert (again.returncode, "is not held" in again.stderr) == (3, True)
    log = json.loads(run_command("audit-log", "list", "--json").stdout)
    assert [row["reason"] for row in log if row["subject"] == f"lock:{BACKEND}/{backend}"] == [None, "stuck"]


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mainspring", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
