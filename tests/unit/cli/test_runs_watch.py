"""runs watch: the end decides the exit code."""

import msgspec
import pytest

from mainspring.domain.states import RunState
from mainspring.store.commands.inbox import OpenWait
from tests.contract.store.process import fail, finish, halt, outcome, suspend


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (finish, 0),
        (fail, 5),
        (lambda run: finish(run, RunState.CANCELLED), 5),
        (lambda run: halt(run, "s1", rank=1), 6),
    ],
    ids=["succeeded", "failed", "cancelled", "needs_attention"],
)
def test_end_of_the_run_is_the_exit_code(cli, stage, end, code):
    """0 succeeded, 5 failed or cancelled, 6 needs a person; its steps were printed."""
    run = stage.begin()
    stage.do(outcome(run, 1, "dump"))
    stage.do(end(run))
    said = cli("runs", "watch", run.id)
    assert said.code == code
    assert "dump succeeded" in said.out


def test_open_question_ends_the_watch_where_nobody_can_answer(cli, stage):
    """Without a terminal it does not hang: 6, and the command that answers."""
    run = stage.begin()
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "Go?", question=b'{"text": "Go?", "choices": ["yes"]}'))
    stage.do(suspend(run))
    said = cli("runs", "watch", run.id)
    assert said.code == 6
    assert f"mainspring runs answer {run.id} yes" in said.err


def test_waiting_is_told_once_and_with_what_is_waited_for(cli, stage, monkeypatch):
    """No sentence without the one that it belongs to, and none again with each second that passes."""
    run = stage.begin()
    waiting = [{"kind": "signal", "name": "go", "ident": "go#1", "until_at": stage.now + 3_600_000}]
    stage.do(msgspec.structs.replace(suspend(run), waiting_for=msgspec.json.encode(waiting)))
    said = cli("runs", "watch", run.id, "--timeout", "1.2s")
    lines = [line.strip() for line in (said.out + said.err).splitlines()]
    (place,) = [number for number, line in enumerate(lines) if line.startswith("Meanwhile it holds")]
    assert lines[place - 1].startswith("It waits for signal go")


def test_timeout_ends_with_7(cli, stage):
    """The run goes on; only the wait is over."""
    run = stage.start()
    said = cli("runs", "watch", run, "--timeout", "0s")
    assert said.code == 7
    assert f"mainspring explain {run}" in said.err


def test_json_is_one_document_at_the_end(cli, stage):
    """Programs get the whole run once."""
    run = stage.begin()
    stage.do(finish(run))
    assert cli("runs", "watch", run.id, "--json").json["state"] == "succeeded"
