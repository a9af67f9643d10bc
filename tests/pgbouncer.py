"""A real pgbouncer in transaction mode before a PostgreSQL server, for tests."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.free_port import free_port
from tests.postgres_server import PostgresServer

_SETTINGS = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "trust",
    "pool_mode": "transaction",
    "max_client_conn": "200",
    "stats_period": "3600",
}


def program() -> str | None:
    """Return where pgbouncer is; None = nowhere."""
    return shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")


class Pooler:
    """Started when it is made. `url` puts it before an address of the server."""

    def __init__(self, server: PostgresServer, **settings: str) -> None:
        found = program()
        assert found is not None
        self._server = server
        self._folder = Path(tempfile.mkdtemp(prefix="mainspring-pgbouncer-"))
        self.port = free_port()
        chosen = {**_SETTINGS, "listen_port": str(self.port), "auth_file": str(self._folder / "users"), **settings}
        (self._folder / "users").write_text('"mainspring" ""\n')
        lines = ["[databases]", f"* = host=127.0.0.1 port={server.port}", "[pgbouncer]"]
        (self._folder / "pgbouncer.ini").write_text("\n".join([*lines, *(f"{k} = {v}" for k, v in chosen.items()), ""]))
        user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        for path in (self._folder, *self._folder.iterdir()):
            path.chmod(0o755)
        self._command, self._user = [found, str(self._folder / "pgbouncer.ini")], user
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, **self._user)
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, with all its connections."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(self._server.url("postgres"))).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, address: str) -> str:
        """Return the address by which the same store is reached through it."""
        return address.replace(f":{self._server.port}/", f":{self.port}/")

    def close(self) -> None:
        """End it."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
