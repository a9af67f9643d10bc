"""The poller: restarts with what it carries, survives kill -9, ends only when it is cancelled."""

import json

from tests.examples.lab import Lab, await_that

ORDER = ("endless_poller.py", "endless-poller", "inbox=inbox", "done=done", "every=0.1", "rounds=5")


def test_poller_restarts_repeatedly_and_survives_kill_9(lab: Lab) -> None:
    """What it carries on goes from run to run, each with a short journal; killed, it continues; cancelled, it ends."""
    (lab.folder / "inbox").mkdir()
    (lab.folder / "inbox" / "first.txt").touch()
    poller = lab.begin(*ORDER)
    await_that(lambda: (lab.folder / "done" / "first.txt").exists(), "the first file")
    poller.kill()
    poller.wait()
    (lab.folder / "inbox" / "second.txt").touch()
    poller = lab.begin(*ORDER)
    await_that(lambda: (lab.folder / "done" / "second.txt").exists(), "the second file")
    await_that(lambda: lab.show()["input"]["handled"] == 2, "a run that begins with both")
    runs = json.loads(lab.call("runs", "list", "--json", "--limit", "1000"))
    assert len(runs) >= 2
    assert sum(run["state"] != "succeeded" for run in runs) <= 1
    assert max(run["steps"] for run in runs) <= 12
    cancel = ("-m", "mainspring", "runs", "cancel", "@last", "--reason", "the test is over", "-y")
    await_that(lambda: lab.start(*cancel).wait() == 0, "a cancel before the next run began")
    poller.wait(60)
    assert lab.show()["state"] == "cancelled"
