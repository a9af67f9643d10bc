"""A step that gives no sign of life, as `explain` and `runs show` tell it."""

from mainspring.domain.states import AttemptState
from mainspring.store.commands.journal import ClearStalledAttempt, RecordStalledAttempt, SaveAttempt

STACK = ("/srv/shop.py:7 charge", "/usr/lib/python3.13/socket.py:719 SocketIO.readinto")


def test_hanging_step_is_reported_with_its_place(cli, stage):
    """Since when, the innermost first, and what may help; no longer once it gave a sign."""
    run = stage.begin()
    mark = (run.id, run.claim, "dump", "dump", 0, 2, AttemptState.STARTED, 1, stage.now, "backup")
    stage.do(SaveAttempt(*mark))
    stage.do(RecordStalledAttempt(run.id, run.claim, "dump", "dump", 2, 3_720_000, STACK))
    found = cli("explain", run.id, "--json").json
    place = found["what"].index(
        "Attempt 2 of step dump has reported no log, progress or checkpoint for 1h2m, and nothing ends it. Its stack"
    )
    assert found["what"][place + 1 : place + 3] == [f"at {STACK[1]}", f"at {STACK[0]}"]
    commands = [can["command"] for can in found["can"]]
    assert commands[0] == f"mainspring runs logs {run.id}"
    assert f"mainspring runs cancel {run.id}" in commands
    view = cli("runs", "show", run.id)
    assert "no log, progress or checkpoint for 1h2m" in view.out
    assert STACK[0] in view.out
    (stall,) = cli("runs", "show", run.id, "--json").json["stalls"]
    assert (stall["step"], stall["stack"]) == ("dump", list(STACK))
    stage.do(ClearStalledAttempt(run.id, run.claim, "dump", 2))
    assert "no log, progress or checkpoint" not in cli("explain", run.id).out
