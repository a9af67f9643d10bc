"""Heartbeats of real processes: workers of `mainspring up`, their child processes and threads, scripts, and `mainspring exec`."""

import json
from pathlib import Path

import pytest

from tests.acceptance.works import Works
from tests.acceptance.wrapping import Place

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

SILENT = """
import os, time
from pathlib import Path
import mainspring as ms

def begin() -> int:
    with open("begun", "a", encoding="utf-8") as file:
        print(os.getpid(), file=file)
    return ms.attempt()

def first_process_ended() -> bool:
    try:
        stat = Path(f"/proc/{Path('begun').read_text().split()[0]}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"

@ms.task(heartbeat="2s", retry=ms.Retry(3, initial="10ms"), {options})
def work() -> str:
    if begin() == 1:
        time.sleep(3600)
    ended = first_process_ended()
    for _ in range(15):  # longer than the heartbeat
        time.sleep(0.2)
        ms.heartbeat()
    return "alone" if ended else "beside the first attempt"
"""


@pytest.mark.slow
@pytest.mark.parametrize("isolate", ["process", "thread"])
def test_silent_attempt_ends_before_the_next_one_begins(works: Works, isolate: str) -> None:
    """A child process is killed; a thread ends with its worker, which is replaced. The next attempt lives on its heartbeats."""
    works.up(SILENT.replace("{options}", f"isolate={isolate!r}"))
    (first_worker,) = works.workers()
    run = works.start("work")
    works.until_state(run, "succeeded", "the run")
    assert works.place.rows("select output, attempt from journal where run = ?", run) == [(b'"alone"', 2)]
    pids = [int(pid) for pid in (works.place.folder / "begun").read_text().split()]
    assert len(set(pids)) == 2
    assert (first_worker in pids) == (isolate == "thread")
    ((failure,),) = works.place.rows("select failure from attempts where run = ? and attempt = 1", run)
    assert b"gave no sign of life for its heartbeat of 2s since its start" in failure
    logs = works.place.call("runs", "logs", run).stdout
    assert b"gave no sign of life for its heartbeat of 2s since its start" in logs
    assert (b"the next attempt begins when it has ended" in logs) == (isolate == "thread")


def test_exec_ends_a_command_that_writes_nothing(place: Place) -> None:
    """With the exit code of a time-out, and a failure that names the limit; output restarts the span."""
    silent = place.call("exec", "-n", "silent", "--heartbeat", "1s", "--", "sh", "-c", "echo begin; exec sleep 60")
    assert (silent.returncode, silent.stdout) == (124, b"begin\n")
    beats = "for n in 1 2 3 4 5 6 7 8; do sleep 0.4; printf .; done"
    busy = place.call("exec", "-n", "busy", "--heartbeat", "2s", "--", "sh", "-c", beats)
    assert (busy.returncode, busy.stdout) == (0, b"........")
    (run,) = json.loads(place.call("runs", "list", "--name", "silent", "--json").stdout)
    page = place.call("runs", "show", run["id"])
    assert b"sh gave no sign of life for its heartbeat of 1s: its last output came " in page.stdout
