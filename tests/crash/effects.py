"""The effect server: the world outside the crash domain, and how steps call it.

A process of its own behind a unix socket. Each call is one line appended to a file and fsynced before it is answered, so that
whatever was acknowledged to a step is on record, no matter who dies next. Keyed effects are applied once a key. A call can be answered
"503, come back later", and its answer can be withheld until it is released.

    python -m tests.crash.effects SOCKET RECORD        # serves until its stdin is closed
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOCKET, EXPERIMENT, LIFE, HOLD = "CRASH_EFFECTS", "CRASH_TRIAL", "CRASH_LIFE", "CRASH_HOLD"
"""Environment of a worker: where the server is, which experiment it belongs to, which process of that experiment it is (1, 2, ...), and
"NAME" or "NAME=EFFECT": its calls, or those for one effect, are answered only when NAME is released."""


@dataclass(frozen=True)
class Call:
    """One line of the record. `what` is the effect as a person would name it; `applied` tells whether the world changed."""

    experiment: str
    what: str
    kind: str
    key: str
    run: str
    step: str
    attempt: int
    life: int
    pid: int
    status: int
    applied: bool
    at: float


# -- the client: what steps call ---------------------------------------------------------------------------------------


def ask(request: dict[str, Any], path: str | None = None) -> dict[str, Any]:
    """Send one request and return its answer; blocking."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(path or os.environ[SOCKET])
        line.sendall(json.dumps(request).encode() + b"\n")
        with line.makefile("rb") as reader:
            answer = reader.readline()
    if not answer:
        raise ConnectionResetError("the effect server hung up")
    found: dict[str, Any] = json.loads(answer)
    return found


def effect(
    effect_name: str, *, kind: str = "keyed", hold: str | None = None, refuse: int = 0, retry_after: float = 0.0
) -> dict[str, Any]:
    """Call the world from inside a step. `refuse` = how many calls of this key get a 503; `hold` = withhold the answer until released."""
    from mainspring.engine.attempts.step_context import current_step
    from mainspring.store import failpoints

    step = current_step("effect()")
    name, _, only = os.environ.get(HOLD, "").partition("=")
    if name and only in ("", effect_name):
        hold = name
    failpoints.hit("effect.before")
    answer = ask(
        {
            "op": "call",
            "experiment": os.environ.get(EXPERIMENT, ""),
            "what": effect_name,
            "kind": kind,
            "key": f"{step.key}/{effect_name}" if kind == "part" else step.key,
            "run": step.run_id,
            "step": step.name,
            "attempt": step.attempt,
            "life": int(os.environ.get(LIFE, "0")),
            "pid": os.getpid(),
            "hold": hold,
            "refuse": refuse,
            "retry_after": retry_after,
        }
    )
    failpoints.hit("effect.after")
    return answer


def send(effect_name: str, kind: str) -> str:
    """Call the world inside of `ms.once`, from a step or a program, under the key of the effect."""
    from mainspring.engine.attempts.step_context import CURRENT_STEP, idempotency_key
    from mainspring.store import failpoints

    step = CURRENT_STEP.get()
    failpoints.hit("effect.before")
    ask(
        {
            "op": "call",
            "experiment": os.environ.get(EXPERIMENT, ""),
            "what": effect_name,
            "kind": kind,
            "key": idempotency_key(),
            "run": "" if step is None else step.run_id,
            "step": "" if step is None else step.name,
            "attempt": 0 if step is None else step.attempt,
            "life": int(os.environ.get(LIFE, "0")),
            "pid": os.getpid(),
            "hold": os.environ.get(HOLD) or None,
            "refuse": 0,
            "retry_after": 0.0,
        }
    )
    failpoints.hit("effect.after")
    return effect_name


def find_effect(effect_name: str, _kind: str) -> str | None:
    """Ask the world whether it has an effect; return its result, None if it has none."""
    request = {"op": "find", "experiment": os.environ.get(EXPERIMENT, ""), "what": effect_name}
    return effect_name if ask(request)["found"] else None


# -- the server --------------------------------------------------------------------------------------------------------


class Server:
    """All state that is outside the crash domain."""

    def __init__(self, record: Path) -> None:
        self._file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._applied: set[tuple[str, str]] = set()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._found: set[tuple[str, str]] = set()
        self._released: set[str] = set()
        self._news = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                request = json.loads(line)
                answer = await getattr(self, f"on_{request['op']}")(request)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def on_call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Record a call, apply it if it is to be applied, answer when it may be answered."""
        experiment, key = request["experiment"], request["key"]
        self._calls[experiment, key] += 1
        refused = self._calls[experiment, key] <= request["refuse"]
        applied = not refused and (request["kind"] == "raw" or (experiment, key) not in self._applied)
        if applied:
            self._applied.add((experiment, key))
            self._found.add((experiment, request["what"]))
        status = 503 if refused else 200
        names = ("experiment", "what", "kind", "key", "run", "step", "attempt", "life", "pid")
        call = {name: request[name] for name in names} | {"status": status, "applied": applied, "at": time.time()}
        os.write(self._file, json.dumps(call).encode() + b"\n")
        os.fsync(self._file)
        async with self._news:
            self._news.notify_all()
            if request["hold"] is not None:
                await self._news.wait_for(lambda: request["hold"] in self._released)
        return {"status": status, "retry_after": request["retry_after"], "applied": applied}

    async def on_find(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say whether an effect was applied."""
        return {"found": (request["experiment"], request["what"]) in self._found}

    async def on_release(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer anyone who is held, now and from now on."""
        async with self._news:
            self._released.add(request["hold"])
            self._news.notify_all()
        return {}

    async def on_ping(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say that the server is there."""
        return {}


async def main(path: str, record: str) -> None:
    """Serve until stdin is closed, so that the server ends with anyone who started it."""
    server = Server(Path(record))
    listening = await asyncio.start_unix_server(server.serve, path, backlog=512)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with listening:
        await ended.wait()
        os._exit(0)  # held clients are not waited for, as the end of this block would do


# -- what tests use ----------------------------------------------------------------------------------------------------


class Effects:
    """A running effect server and its record."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "effects.sock")
        self.record = folder / "effects.jsonl"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.effects", self.path, str(self.record)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def mark(self) -> int:
        """Return where the record ends now."""
        return self.record.stat().st_size

    def calls(self, since: int = 0, experiment: str | None = None) -> list[Call]:
        """Return what was recorded from a mark on, in order. The file is read at once, because a line may still grow."""
        with self.record.open("rb") as file:
            file.seek(since)
            *lines, _ = file.read().split(b"\n")
        found = [Call(**json.loads(line)) for line in lines]
        return [call for call in found if experiment in (None, call.experiment)]

    def release(self, hold: str) -> None:
        """Let the calls that are held under this name be answered, now and from now on."""
        ask({"op": "release", "hold": hold}, self.path)

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
