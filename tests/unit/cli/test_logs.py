"""runs logs, logs, and the last lines in runs show: what was written is found again, in order, and gaps are reported."""

import msgspec

from mainspring.domain.runs.log_chunk import LogChunk, pack_lines
from mainspring.domain.runs.log_line import Level, LogLine, encode_json
from mainspring.store.commands.logs import SaveLogs
from tests.contract.store.process import fail, finish, suspend


def log_line(at, text, level=Level.INFO, step="dump", **more):
    return LogLine(at=at, level=level, text=text, step=step, **more)


def part(*lines, ident="dump#1", attempt=1, skipped=0):
    data = [encode_json(line) for line in lines]
    return LogChunk(
        ident=ident,
        attempt=attempt,
        first_at=lines[0].at,
        last_at=lines[-1].at,
        lines=len(lines),
        size=sum(map(len, data)),
        body=pack_lines(data),
        skipped=skipped,
    )


def two_steps(stage):
    run = stage.begin()
    now = stage.now
    first = part(log_line(now, "one", fields={"rows": 3}), log_line(now + 20, "three\nand more", Level.ERROR))
    other = part(log_line(now + 10, "two \x1b[31m", step="send"), ident="send#1", attempt=2)
    stage.do(SaveLogs(run.id, (first, other, part(log_line(now + 30, "four"), skipped=7))))
    return run


def test_lines_of_a_run_are_printed_in_their_order(cli, stage):
    """Lines of steps side by side come in the order of time; fields, more lines and other attempts are shown, and what is missing."""
    run = two_steps(stage)
    lines = [line.split(" ", 1)[-1] for line in cli("runs", "logs", run.id).out.splitlines()]
    assert lines[1] == "INFO    dump: one  rows=3"
    assert lines[2] == "INFO    send (2): two \\x1b[31m"
    assert lines[3] == "ERROR   dump: three"
    assert lines[4].strip() == "and more"
    assert "7 lines are missing here" in lines[5]
    assert lines[6] == "INFO    dump: four"


def test_lines_are_chosen_by_step_attempt_level_and_tail(cli, stage):
    """Each narrows what is printed; together they narrow further."""
    run = two_steps(stage)

    def texts(*options):
        out = cli("runs", "logs", run.id, "--json", *options).out
        return [msgspec.json.decode(line)["text"][:4] for line in out.splitlines()]

    assert texts("--step", "send") == ["two "]
    assert texts("--attempt", "2") == ["two "]
    assert texts("--level", "error") == ["thre"]
    assert texts("--step", "dump", "--tail", "1") == ["four"]
    assert texts("--tail", "0") == []


def test_json_is_one_object_a_line(cli, stage):
    """A collector gets each line with its run, workflow, step, attempt and time."""
    run = two_steps(stage)
    first = msgspec.json.decode(cli("runs", "logs", run.id, "--json").out.splitlines()[0])
    assert (first["run"], first["workflow"], first["step"], first["attempt"]) == (run.id, "backup", "dump", 1)
    assert first["time"].endswith("Z")


def test_run_that_wrote_nothing_is_reported(cli, stage):
    """No lines are no error."""
    run = stage.begin()
    found = cli("runs", "logs", run.id)
    assert (found.code, found.out) == (0, "")
    assert "no stored log lines" in found.err


def test_follow_ends_with_the_run(cli, stage):
    """A run that is over is printed once and not waited for."""
    run = two_steps(stage)
    stage.do(finish(run))
    assert "four" in cli("runs", "logs", run.id, "-f").out


def test_lines_of_all_runs_name_theirs(cli, stage):
    """Each line says automation and run; one automation's are found by its name, new ones by --since."""
    run = two_steps(stage)
    out = cli("logs").out
    assert f"backup {run.id} dump: one" in out
    assert "one" not in cli("logs", "--name", "order").out
    assert cli("logs", "--since", "2999-01-01").out == ""
    assert len(cli("logs", "--tail", "1").out.splitlines()) == 2


def test_logs_without_a_store_are_an_error(cli):
    """Nothing to print could be a mistyped store."""
    result = cli("logs")
    assert result.code == 2
    assert "there is no store" in result.err


def test_show_of_a_failed_run_ends_with_the_last_lines_of_the_step(cli, stage):
    """What is looked for first is there; the word on the attempt's end is left out, for the error stands above."""
    run = stage.begin()
    now = stage.now
    lines = [log_line(now + n, f"line {n}") for n in range(9)]
    stage.do(SaveLogs(run.id, (part(*lines, log_line(now + 10, "attempt 1 failed", Level.ERROR, state="failed")),)))
    stage.do(fail(run, "dump#1"))
    out = cli("runs", "show", run.id).out
    assert "line 4" in out
    assert "line 3" not in out
    assert "attempt 1 failed" not in out
    assert f"mainspring runs logs {run.id}" in out


def test_damaged_part_hides_no_other(cli, stage):
    """What cannot be read is said in its place."""
    run = stage.begin()
    bad = msgspec.structs.replace(part(log_line(stage.now, "lost")), body=b"garbage")
    stage.do(SaveLogs(run.id, (bad, part(log_line(stage.now + 1, "good")))))
    stage.do(suspend(run))
    out = cli("runs", "logs", run.id).out
    assert "cannot be read" in out
    assert "good" in out
