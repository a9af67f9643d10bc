"""`python -m bench.sides.bare_intake intake SECONDS SENDERS`: a webhook receiver that has nothing to spare, same senders; prints JSON."""

import asyncio
import hashlib
import hmac
import json
import os
import sqlite3
import statistics
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench import intake as posting
from bench.project import SECRET, free_port


def _open() -> sqlite3.Connection:
    connection = sqlite3.connect(
        Path(os.environ["BENCH_FOLDER"]) / "bare.db", isolation_level=None, check_same_thread=False
    )
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table if not exists deliveries (id text primary key, body blob)")
    return connection


async def _serve(connection: sqlite3.Connection, port: int) -> uvicorn.Server:
    async def hook(request: Request) -> Response:
        body = await request.body()
        given = request.headers["x-signature"]
        if not hmac.compare_digest(given, hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()):
            return Response(status_code=401)
        json.loads(body)
        connection.execute("insert or ignore into deliveries values (?, ?)", (request.headers["idempotency-key"], body))
        return JSONResponse({"ok": True}, 202)

    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[Route("/hook", hook, methods=["POST"])]), port=port, log_level="error", http="h11"
        )
    )
    asyncio.get_running_loop().create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event for that
        await asyncio.sleep(0.01)
    return server


async def intake(seconds: int, senders: int) -> dict[str, Any]:
    """Receive in this process what a process of its own sends."""
    with closing(_open()) as connection:
        port = free_port()
        server = await _serve(connection, port)
        sender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.sides.bare_intake", "send", str(port), str(seconds), str(senders)),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await sender.communicate()
        server.should_exit = True
    found: dict[str, Any] = json.loads(said)
    return found


async def send(port: int, seconds: int, senders: int) -> dict[str, Any]:
    """Send to this port of the machine."""
    took, spent = await posting.post_all(f"127.0.0.1:{port}", seconds, senders, 1)
    cut = statistics.quantiles(took, n=100)
    return {"count": len(took), "took_s": spent, "p50": cut[49], "p99": cut[98]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))
