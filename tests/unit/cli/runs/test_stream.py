"""runs stream: records of a run as lines, from a number on, with the only stream as default."""

import json

from mainspring.domain.runs.stream import StreamLimits
from mainspring.store.commands.runs import ClaimRuns
from tests.contract.store.process import finish
from tests.contract.store.test_streams import write
from tests.unit.cli.conftest import ORDER


def begin(stage):
    """Return a run that a worker has."""
    stage.start(ORDER, b'{"customer": "a"}')
    (run,) = stage.do(ClaimRuns("claim", 10)).runs
    return run


def test_values_are_printed_a_line_each(cli, stage):
    """Text as it is, other values as JSON; the only stream needs no name."""
    run = begin(stage)
    stage.do(write(run, "hello", {"n": 1}))
    assert cli("runs", "stream", run.id).out == 'hello\n{"n":1}\n'
    assert cli("runs", "stream", run.id, "tokens", "--since", "1").out == '{"n":1}\n'
    rows = [json.loads(line) for line in cli("runs", "stream", run.id, "--json").out.splitlines()]
    assert [(row["seq"], row["value"], row["step"]) for row in rows] == [(1, "hello", "s"), (2, {"n": 1}, "s")]


def test_superseded_records_are_left_out(cli, stage):
    """Unless all are wanted."""
    run = begin(stage)
    stage.do(write(run, "old"))
    stage.do(write(run, "new", attempt=2))
    assert cli("runs", "stream", run.id).out == "new\n"
    every = cli("runs", "stream", run.id, "--all")
    assert (every.out, "attempt 2 of s makes these again" in every.err) == ("old\nnew\n", True)


def test_control_characters_are_escaped(cli, stage):
    """A record may come from anywhere, and the terminal obeys it."""
    run = begin(stage)
    stage.do(write(run, "\x1b[31mred"))
    assert "\x1b" not in cli("runs", "stream", run.id).out


def test_several_streams_are_named(cli, stage):
    """None is a hint; a run that is not there is an error."""
    run = begin(stage)
    assert "written to no stream" in cli("runs", "stream", run.id).err
    assert "no records in stream 'x'" in cli("runs", "stream", run.id, "x").err
    stage.do(write(run, "a"))
    stage.do(write(run, "b", stream="other"))
    failed = cli("runs", "stream", run.id)
    assert (failed.code, "has 2 streams: other, tokens" in failed.err) == (2, True)
    assert cli("runs", "stream", "r_none").code == 3


def test_deleted_records_are_named(cli, stage):
    """With the option that continues."""
    run = begin(stage)
    stage.do(write(run, "a"))
    stage.do(write(run, "b", n=2, limits=StreamLimits(records=1)))
    failed = cli("runs", "stream", run.id)
    assert (failed.code, "--since 1" in failed.err) == (2, True)
    assert cli("runs", "stream", run.id, "--since", "1").out == "b\n"


def test_follow_ends_with_the_run(cli, stage):
    """After its last record."""
    run = begin(stage)
    stage.do(write(run, "a"))
    stage.do(finish(run))
    assert cli("runs", "stream", run.id, "--follow").out == "a\n"
