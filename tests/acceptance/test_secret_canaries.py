"""A secret of the encrypted file that a step lets out in every form: real processes, and nothing that people or programs get has it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mainspring.alerting.metrics.metrics_reader import MetricsReader
from mainspring.domain.clock import SystemClock
from mainspring.web.exposition import render_exposition
from tests.acceptance.receiver import Receiver
from tests.acceptance.test_canaries import READ_COMMANDS
from tests.acceptance.wrapping import ROOT, Place
from tests.otlp_collector import OtlpCollector
from tests.polling import polls
from tests.secret_encodings import CANARY, leaks
from tests.unit.web.dashboard.page_world import PageWorld

JOBS = """
import ctypes, logging, resource, subprocess, sys
import mainspring as ms
from tests.secret_encodings import encodings

def protection():
    core = subprocess.run(["sh", "-c", "ulimit -c"], capture_output=True, text=True, check=True).stdout.strip()
    return [*resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), core]

@ms.task(isolate="thread")
def in_worker() -> list:
    return protection()

@ms.task(isolate="process")
def in_child() -> list:
    return protection()

@ms.task(isolate="process", retry=1, secrets=["CANARY"])
def leak() -> None:
    forms = encodings(ms.secret("CANARY").reveal())
    for form in forms.values():
        print(form, flush=True)
        print("to stderr", form, file=sys.stderr, flush=True)
        ms.log.warning("logged " + form, field=form)
    raise ms.Permanent("it failed with " + " and ".join(forms.values()), data={"forms": list(forms.values())})

def tell(value):
    pass

@ms.task(isolate="thread", retry=1, secrets=["CANARY"])
def leak_in_thread() -> None:
    value = ms.secret("CANARY").reveal()
    logging.getLogger("other").warning("logged %s", value)
    for form in encodings(value).values():
        print("in two writes", form[:9], end="", flush=True)
        print(form[9:])
        print(form[:4], form[4:], sep="\\n", file=sys.stderr)
        print(form)
    ms.once("told", tell, value)
    try:
        ms.once("key " + value, tell, 1)
    except ms.MainspringError as error:
        print("refused:", error)
    raise ms.Permanent("it failed with " + value)
"""
PAGES = ("/", "/runs", "/failed", "/incidents", "/secrets", "/audit-log", "/runs?format=csv")


@pytest.mark.timeout(180)
@pytest.mark.asyncio
async def test_secret_of_a_step_is_in_no_sink(place: Place, receiver: Receiver, collector: OtlpCollector) -> None:
    """Terminal, logs, journal, store, messages, metrics, traces, exports, commands, API and pages; worker and child write no core file."""
    (place.folder / "mainspring.toml").write_text(
        f'[project]\nautomations = ["jobs.py"]\n[otel]\nendpoint = "{collector.endpoint}"\n'
    )
    (place.folder / "jobs.py").write_text(JOBS)
    place.env |= {**receiver.settings, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "MAINSPRING_NOTIFY_GROUP_WAIT": "0s"}
    assert place.call("secrets", "init").returncode == 0
    assert place.call("secrets", "set", "CANARY", input=CANARY.encode()).returncode == 0
    with (place.folder / "terminal").open("wb") as terminal:
        up = place.start("up", stdout=terminal, stderr=terminal)
        for _ in polls(60):
            if place.rows("select 1 from sessions where role = 'worker' and state = 'alive'"):
                break
        results = [json.loads(place.call("run", name, "--json").stdout)["result"] for name in ("in_worker", "in_child")]
        failed = place.call("run", "leak")
        collector.until("leak")
        place.call("down")
        up.wait(30)
    assert results == [[0, 0, 0, "0"]] * 2
    assert failed.returncode == 5
    sinks = {"run": (failed.stdout + failed.stderr).decode()}
    assert "to stderr ***" in place.call("runs", "logs", "@last").stdout.decode()
    here = place.call("run", "leak_in_thread")
    assert here.returncode == 5
    assert b"in two writes ***" in here.stderr
    assert b"refused: the key of an effect contains a secret" in here.stderr
    sinks["run in this process"] = (here.stdout + here.stderr).decode()
    assert json.loads(place.call("run", "in_worker", "--json").stdout)["result"] == [0, 0, 0, "0"]
    collector.until("leak_in_thread")
    sinks["traces"] = b"\n".join(collector.bodies).decode("utf-8", "replace")
    for _ in polls(60):  # another process may have the channel for a moment
        place.watch()
        if receiver.messages:
            break
    sinks["message"] = json.dumps(receiver.messages, ensure_ascii=False)
    assert "leak" in sinks["message"]
    for words in (*READ_COMMANDS, "secrets list", "secrets log --json", "secrets check"):
        printed = place.call(*words.split())
        sinks[words] = (printed.stdout + printed.stderr).decode()
    world = PageWorld(place.store)
    try:
        (run,) = [row[0] for row in place.rows("select id from runs where automation = 'leak'")]
        for path in (*PAGES, f"/r/{run}", f"/api/v1/runs/{run}", f"/api/v1/runs/{run}/logs", "/api/v1/secrets"):
            sinks[path] = (await (await world.browser()).get(path)).text
        sinks["metrics"] = render_exposition(
            MetricsReader(place.store, {}).read(world.store.reader, SystemClock().now())
        )
    finally:
        world.close()
    files = [path for path in place.folder.rglob("*") if path.is_file() and not path.name.endswith((".py", ".pyc"))]
    sinks |= {str(path): path.read_bytes().decode("utf-8", "replace") for path in files}
    assert {name: leaks(text) for name, text in sinks.items() if leaks(text)} == {}
    assert Path(place.folder / "terminal").read_text().count("***") > 0
    assert "CANARY" in sinks["/secrets"] + sinks["secrets log --json"]


OUTPUT_JOBS = """
import logging, logging.config, sys, threading
import mainspring as ms

handler = {"class": "logging.StreamHandler"}
own_file = {"class": "logging.FileHandler", "filename": "own.log"}
logging.config.dictConfig({
    "version": 1, "disable_existing_loggers": False, "handlers": {"terminal": handler, "file": own_file},
    "loggers": {"lib": {"handlers": ["terminal", "file"], "level": "INFO"}},
})
kept = sys.stderr

@ms.task(isolate="thread")
def leak_past_the_step() -> None:
    value = ms.secret("CANARY").reveal()
    logging.getLogger("lib").info("named log %s", value)
    print("kept", value, file=kept)
    print("original", value, file=sys.__stderr__)
    print("long", value)

    def fail() -> None:
        print("thread", value, flush=True)
        print("in pieces", value[:9], end="", file=sys.stderr)
        print(value[9:], file=sys.stderr)
        logging.warning("logged by a thread %s", value)
        raise ValueError("thread failed " + value)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

class Noisy:
    def __del__(self):
        raise ValueError("finalizer " + ms.secret("CANARY").reveal())

if __name__ == "__main__":
    ms.App.from_config().run(leak_past_the_step)
    Noisy()
    print("after the run", ms.secret("CANARY").reveal())
    raise SystemExit("exit " + ms.secret("CANARY").reveal())
"""


@pytest.mark.timeout(120)
def test_secret_of_a_step_is_hidden_in_all_output_of_its_process(place: Place) -> None:
    """Handlers of named loggers, kept streams and plain threads write through the redactor, in a worker, in a command and in a program."""
    (place.folder / "mainspring.toml").write_text('[project]\nautomations = ["jobs.py"]\n')
    (place.folder / "jobs.py").write_text(OUTPUT_JOBS)
    assert place.call("secrets", "init").returncode == 0
    assert place.call("secrets", "set", "CANARY", input=CANARY.encode()).returncode == 0
    with (place.folder / "terminal").open("wb") as terminal:
        up = place.start("up", stdout=terminal, stderr=terminal)
        for _ in polls(60):
            if place.rows("select 1 from sessions where role = 'worker' and state = 'alive'"):
                break
        assert place.call("run", "leak_past_the_step").returncode == 0
        place.call("down")
        up.wait(30)
    in_command = place.call("run", "leak_past_the_step")
    program = subprocess.run(
        [sys.executable, "jobs.py"], cwd=place.folder, env=place.env, capture_output=True, timeout=60, check=False
    )
    sinks = {
        "up": (place.folder / "terminal").read_text(),
        "run": (in_command.stdout + in_command.stderr).decode(),
        "program": (program.stdout + program.stderr).decode(),
        "log file": (place.folder / "own.log").read_text(),
    }
    assert {name: leaks(text) for name, text in sinks.items() if leaks(text)} == {}
    for name in ("up", "run", "program"):
        for text in ("named log", "kept", "original", "thread", "in pieces", "ValueError: thread failed"):
            assert f"{text} ***\n" in sinks[name], (name, text)
    for text in ("ValueError: finalizer", "after the run", "exit"):
        assert f"{text} ***\n" in sinks["program"]
