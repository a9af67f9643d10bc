"""`python -m bench.sides.flags WHAT NUMBER`: flags of plain programs, through `ms.flag` and the real command; prints JSON."""

import json
import os
import subprocess
import sys
import time
from typing import Any

os.environ.setdefault("MAINSPRING_STORE_URL", os.environ.get("BENCH_STORE") or f"{os.environ['BENCH_FOLDER']}/state.db")
COMMAND = [sys.executable, "-m", "mainspring", "flags"]
PROCESSES = 4


def evaluate(count: int) -> dict[str, Any]:
    """Microseconds of one question, in turn with the same of the SDK of OpenFeature with its provider in memory."""
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    import mainspring as ms

    subprocess.run([*COMMAND, "set", "mailer", "--share", "25%"], check=True, stdout=subprocess.DEVNULL)
    api.set_provider(InMemoryProvider({"mailer": InMemoryFlag("on", {"on": True, "off": False})}))
    client = api.get_client()
    spans: list[list[float]] = [[], []]
    for number in range(count + 100):
        key = f"customer-{number}"
        began = time.perf_counter()
        ms.flag("mailer", by=key)
        ours, began = time.perf_counter() - began, time.perf_counter()
        client.get_boolean_value("mailer", False, EvaluationContext(key))
        if number >= 100:
            spans[0].append(ours * 1e6)
            spans[1].append((time.perf_counter() - began) * 1e6)
    return {"ours_us": sorted(spans[0])[:: count // 100], "peer_us": sorted(spans[1])[:: count // 100]}


def kill(count: int) -> dict[str, Any]:
    """Milliseconds from the end of `flags kill` until the last of four processes has seen it; below 0: before its end."""
    subprocess.run([*COMMAND, "set", "mailer", "--share", "100%"], check=True, stdout=subprocess.DEVNULL)
    words = [sys.executable, "-m", "bench.sides.flags", "watch", "0"]
    watchers = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    spans = []
    for _ in range(count):
        _wait_for(watchers, "True")
        subprocess.run([*COMMAND, "kill", "mailer"], check=True, stdout=subprocess.DEVNULL)
        ended = time.monotonic()
        spans.append((max(_wait_for(watchers, "False")) - ended) * 1e3)
        subprocess.run([*COMMAND, "set", "mailer", "--resume"], check=True, stdout=subprocess.DEVNULL)
    for watcher in watchers:
        watcher.kill()
        watcher.wait()
    return {"ms": spans}


def _wait_for(watchers: list[Any], value: str) -> list[float]:
    """Return when each process saw the flag become this value."""
    seen = []
    for watcher in watchers:
        while (words := watcher.stdout.readline().split())[0] != value:
            pass
        seen.append(float(words[1]))
    return seen


def watch(_count: int) -> None:
    """Be one of the processes of `kill`: print each change, and when it was seen."""
    import mainspring as ms

    last = None
    while True:
        value = ms.flag("mailer")
        if value is not last:
            last = value
            print(value, time.monotonic(), flush=True)
        time.sleep(0.002)


if __name__ == "__main__":
    if sys.argv[1] != "watch":
        from mainspring.app.project import Project

        Project.find().open_store().close()  # a program uses a store, and makes none
    result = {"evaluate": evaluate, "kill": kill, "watch": watch}[sys.argv[1]](int(sys.argv[2]))
    if result is not None:
        print(json.dumps(result))
