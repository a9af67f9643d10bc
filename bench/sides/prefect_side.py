"""`.venv-prefect/bin/python prefect_side.py FOLDER RUNS TIMES`: Prefect's own server on SQLite with so many flow runs, and its list of the
newest fifty asked for so many times. Prints JSON. It runs in an environment of its own and imports nothing of ours.

The first runs come by its API, the others are copies of one of them, with its state: by the API it takes some thirty a second.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

_STARTS_WITHIN_S = 120
_BY_API, _BUSY, _PATIENCE_S = 50, 503, 60
_PAGE = {"sort": "EXPECTED_START_TIME_DESC", "limit": 50, "offset": 0}


def ask(port: int, path: str, body: Any = None) -> Any:
    """Ask the server; while its database is locked it says 503, and is asked again."""
    data = None if body is None else json.dumps(body).encode()
    until = time.perf_counter() + _PATIENCE_S
    while True:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            if refused.code != _BUSY or time.perf_counter() > until:
                raise
            time.sleep(0.1)


def main(folder: str, runs: int, times: int) -> None:
    """Start it, fill it, ask for the list as its pages do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PREFECT_HOME": folder, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    with (Path(folder) / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        _wait(server, port, Path(folder) / "log")
        _fill(port, Path(folder) / "prefect.db", runs)
        took = []
        for _ in range(times):
            began = time.perf_counter()
            found = ask(port, "/flow_runs/filter", _PAGE)
            took.append((time.perf_counter() - began) * 1_000)
            assert len(found) == _PAGE["limit"]
        took.sort()
        print(json.dumps({"runs": runs, "p50": took[len(took) // 2], "p95": took[int(len(took) * 0.95)]}))
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _fill(port: int, database: Path, runs: int) -> None:
    flow = ask(port, "/flows/", {"name": "load"})["id"]
    state = {"type": "SCHEDULED", "name": "Scheduled"}
    for n in range(_BY_API):
        ask(port, "/flow_runs/", {"flow_id": flow, "name": f"first-{n}", "state": state, "parameters": {"x": 1}})
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.row_factory = sqlite3.Row
        run = dict(connection.execute("select * from flow_run where state_id is not null limit 1").fetchone())
        of = dict(connection.execute("select * from flow_run_state where id = ?", (run["state_id"],)).fetchone())
        at = datetime.fromisoformat(run["created"])
        for n in range(runs - _BY_API):
            ids = {"id": str(uuid4()), "state_id": str(uuid4()), "name": f"copy-{n}"}
            instant = (at - timedelta(seconds=n)).isoformat(sep=" ")
            times = dict.fromkeys(("created", "expected_start_time", "next_scheduled_start_time"), instant)
            _insert(
                connection,
                "flow_run_state",
                {**of, "id": ids["state_id"], "flow_run_id": ids["id"], "timestamp": instant},
            )
            _insert(connection, "flow_run", {**run, **ids, **times})


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    text = f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})"
    connection.execute(text, tuple(row.values()))


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.perf_counter() + _STARTS_WITHIN_S
    while time.perf_counter() < until and server.poll() is None:
        try:
            ask(port, "/health")
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    sys.exit(f"the server does not answer: {log.read_text(errors='replace')[-800:]}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
