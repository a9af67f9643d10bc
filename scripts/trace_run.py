"""Count the files and functions that one run passes through: `python scripts/trace_run.py [-v]` (Python 3.12 or newer).

Each trace is repeated: a task and a workflow of one step from `app.start` to the result; a failure from the exception to its record, and
from the watcher that reads the record to the Slack message. A function that each of the faster repetitions enters belongs to the path.
What only some enter is background work of the process (upkeep, polls), and is listed apart. A hop is a function on the way to a row or a
message: it is on the stack when the row is written or the message arrives, or waits for that in another thread or task. `-v` lists every
function.
"""

import asyncio
import contextlib
import gc
import os
import platform
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import apsw

import mainspring as ms
from mainspring.app.alerting.watcher import evaluate_and_notify
from mainspring.config import load
from mainspring.engine.definitions.registry import Registry

SOURCE = str(Path(ms.__file__).parent) + "/"
MONITORING: Any = getattr(sys, "monitoring", None)
REPETITIONS = int(os.environ.get("TRACE_REPETITIONS", "40"))
FEW = 5
RUNS_TABLE = "runs"
INCIDENTS_TABLE = "incidents"
MESSAGE = "message"
_INSERT = re.compile(r"\s*insert (?:or \w+ )?into (\w+)", re.IGNORECASE)
_TOOL = 3  # an id of sys.monitoring that no tool of Python's own has


def name_of(code: CodeType) -> str:
    """Return file and function of a piece of code."""
    return f"{code.co_filename.removeprefix(SOURCE)}:{code.co_qualname}"


@dataclass
class Trace:
    """What was entered since the trace began, in all threads, and the hops at each mark."""

    entered: dict[str, None] = field(default_factory=dict)
    codes: set[CodeType] = field(default_factory=set)
    hops: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def with_(self, later: "Trace") -> "Trace":
        """Return this trace and a later one as one."""
        return Trace(self.entered | later.entered)

    def mark(self, name: str) -> None:
        """Note the hops to this instant, the first time."""
        if name in self.hops:
            return
        codes = [*self._blocked_threads(), *self._suspended_tasks(), *reversed(list(codes_of(sys._getframe())))]
        self.hops[name] = list(dict.fromkeys(name_of(code) for code in codes))

    def _blocked_threads(self) -> Iterator[CodeType]:
        """Yield the code on the stacks of other threads, outermost first, if their work began in this trace."""
        for thread, frame in sys._current_frames().items():
            stack = list(codes_of(frame))
            if thread != threading.get_ident() and stack and stack[-1] in self.codes:
                yield from reversed(stack)

    def _suspended_tasks(self) -> Iterator[CodeType]:
        """Yield the code of tasks that wait, if it was entered in this trace."""
        loops = [found for found in gc.get_objects() if isinstance(found, asyncio.BaseEventLoop) and found.is_running()]
        for task in (task for loop in loops for task in asyncio.all_tasks(loop)):
            waited: Any = task.get_coro()
            while waited is not None:
                frame = getattr(waited, "cr_frame", None)
                if frame is not None and frame.f_code in self.codes:
                    yield frame.f_code
                waited = getattr(waited, "cr_await", None)


def codes_of(frame: FrameType | None) -> Iterator[CodeType]:
    """Yield our code on a stack, innermost first."""
    while frame is not None:
        if is_ours(frame.f_code):
            yield frame.f_code
        frame = frame.f_back


def is_ours(code: CodeType) -> bool:
    """Whether code is a function of the package; bodies of modules and parts of an expression are none."""
    return code.co_filename.startswith(SOURCE) and code.co_name not in {"<module>", "<genexpr>"}


class Tracer:
    """Traces one piece of work at a time; marks rows as they are inserted, by table."""

    def __init__(self) -> None:
        self.trace: Trace | None = None
        MONITORING.use_tool_id(_TOOL, "mainspring-trace")
        MONITORING.register_callback(_TOOL, MONITORING.events.PY_START, self._started)
        apsw.connection_hooks.append(self._connected)

    def begin(self) -> Trace:
        """Begin a trace."""
        self.trace = Trace()
        MONITORING.restart_events()
        MONITORING.set_events(_TOOL, MONITORING.events.PY_START)
        return self.trace

    def end(self) -> None:
        """End it."""
        MONITORING.set_events(_TOOL, 0)
        self.trace = None

    def mark(self, name: str) -> None:
        """Note the hops of the present trace."""
        trace = self.trace
        if trace is not None:
            trace.mark(name)

    def _started(self, code: CodeType, _offset: int) -> object:
        trace = self.trace
        if trace is not None and is_ours(code):
            trace.codes.add(code)
            trace.entered[name_of(code)] = None
        return MONITORING.DISABLE  # once is enough

    def _connected(self, connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, self._statement, id=self)

    def _statement(self, event: dict[str, Any]) -> None:
        if inserted := _INSERT.match(event["sql"]):
            self.mark(inserted[1])


def common(lists: list[list[str]]) -> list[str]:
    """Return what all lists have, in the order of the first."""
    return [item for item in lists[0] if all(item in other for other in lists[1:])]


def report(title: str, traces: list[Trace], marks: dict[str, str]) -> None:
    """Print the figures of one trace, repeated."""
    path = common([list(trace.entered) for trace in traces])
    background = {name for trace in traces for name in trace.entered} - set(path)
    files, others = files_of(path), files_of(background) - files_of(path)
    print(f"\n{title}: {len(files)} files, {len(path)} functions")
    print(f"  in the background: {len(others)} other files, {len(background)} functions")
    for mark, text in marks.items():
        hops = common([trace.hops.get(mark, []) for trace in traces])
        print(f"  {text}: {len(hops)} hops")
        if "-v" in sys.argv:
            print("".join(f"    {hop}\n" for hop in hops), end="")
    if "-v" in sys.argv:
        print("".join(f"  {name}\n" for name in path), end="")
        print("  in the background:")
        print("".join(f"    {name}\n" for name in sorted(background)), end="")


def files_of(names: Any) -> set[str]:
    """Return the files of functions."""
    return {name.partition(":")[0] for name in names}


def declared(begin: Callable[[], object] = lambda: None) -> Registry:
    """Return the automations that are traced; those that fail first `begin` a trace."""

    def fails(number: int) -> None:
        @ms.task(name=f"fail{number}")
        def fail() -> None:
            begin()
            raise ms.Permanent("the file has no header")

    with Registry() as registry:

        @ms.task(name="task")
        def add(a: int, b: int) -> int:
            return a + b

        def plus(a: int, b: int) -> int:
            return a + b

        for number in range(FEW + 1):
            fails(number)

        @ms.workflow(name="workflow")
        async def add_durably(run: ms.Run, a: int, b: int) -> int:
            return await run.step(plus, a, b)

    return registry


async def trace_runs(tracer: Tracer, folder: Path) -> None:
    """Trace a task and a workflow, from the call of `app.start` to the result."""
    app = ms.App(store=folder / "runs.db", registry=declared())
    async with app.running():
        for title in ("task", "workflow"):
            traces = [await traced_run(tracer, app, title) for _ in range(REPETITIONS)][
                2:
            ]  # the first ones fill caches
            report(f"{title}, from app.start to its result", traces, {RUNS_TABLE: "to the row written"})


async def traced_run(tracer: Tracer, app: ms.App, name: str) -> Trace:
    """Trace one run."""
    trace = tracer.begin()
    began = time.perf_counter()
    try:
        handle = await app.start(name, 1, 2)
        await handle.result()
    finally:
        tracer.end()
        trace.seconds = time.perf_counter() - began
    await asyncio.sleep(0.05)
    return trace


class Slack(BaseHTTPRequestHandler):
    """Takes messages as the API of Slack does."""

    on_message: Callable[[], None] = staticmethod(lambda: None)

    def do_POST(self) -> None:
        """Answer that all is well."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("chat.postMessage"):
            self.on_message()
        body = b'{"ok": true, "channel": "C1", "ts": "1.1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Print nothing."""


async def trace_failures(tracer: Tracer, folder: Path) -> None:
    """Trace failures, from the exception to the message that the API of Slack receives."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = folder / "mainspring.toml"
    config.write_text(
        f'[store]\nurl = "{folder}/failures.db"\n[secrets]\ndir = "{folder}"\n[notify.channels]\n'
        f'ops = "slack://secret:BOT/C0123ABC?api=http://127.0.0.1:{server.server_port}/api"\n'
    )
    settings = load(env={"MAINSPRING_SECRET_BOT": "xoxb-1"}, cwd=folder, uid=os.getuid(), flags={}, config=config)
    os.environ["MAINSPRING_SECRET_BOT"] = "xoxb-1"
    failures: list[Trace] = []
    notices: list[Trace] = []
    app = ms.App(store=folder / "failures.db", registry=declared(lambda: failures.append(tracer.begin())))

    def look() -> None:
        notices.append(tracer.begin())
        evaluate_and_notify(settings, app.open_store(), within_s=20.0)

    def arrived() -> None:
        tracer.mark(MESSAGE)
        tracer.end()

    Slack.on_message = staticmethod(arrived)
    async with app.running():
        for number in range(FEW + 1):
            with contextlib.suppress(ms.RunFailed):
                await (await app.start(f"fail{number}")).result()
            tracer.end()
            await asyncio.to_thread(look)
    server.shutdown()
    # The first of each fills caches.
    report("failure, from the exception to its record", failures[1:], {})
    marks = {INCIDENTS_TABLE: "to the incident written", MESSAGE: "from there to its message"}
    report("failure, from its record to the Slack message", notices[1:], marks)
    both = [before.with_(after) for before, after in zip(failures, notices, strict=True)]
    report("failure, both together", both[1:], {})


def main() -> int:
    """Print the figures."""
    print(f"Python {platform.python_version()}; the faster half of {REPETITIONS} runs of each kind, {FEW} failures")
    tracer = Tracer()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(trace_runs(tracer, Path(folder)))
        asyncio.run(trace_failures(tracer, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
