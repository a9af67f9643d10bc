"""The step that runs a script's command."""

import os
import sys

import msgspec
import pytest

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.domain.failures.failure import Failure
from mainspring.engine.attempts.attempt_reports import LogReport, ProcessReport
from mainspring.engine.attempts.process_exit import signal_name
from mainspring.engine.attempts.step_context import CURRENT_STEP, NotInStepError, StepContext
from mainspring.engine.commands.command import CommandFailed
from mainspring.engine.commands.command_result import CommandRecord, read_output_bytes
from mainspring.engine.commands.command_step import run_command
from mainspring.engine.commands.output_file_check import NotProduced
from mainspring.engine.commands.result_schema import ResultNotExpected


class Reports:
    def __init__(self):
        self.signs = []
        self.answer = None

    def post(self, sign):
        self.signs.append(sign)
        if isinstance(sign, ProcessReport) and sign.ack is not None:
            sign.ack(self.answer)


@pytest.fixture
def report():
    channel = Reports()
    token = CURRENT_STEP.set(
        StepContext(channel, run_id="r1", name="s", key="k1", attempt=2, slot_at=1_767_582_000_000)
    )
    yield channel
    CURRENT_STEP.reset(token)


def test_command_step_logs_lines_and_returns_the_tail(report, tmp_path):
    """Output becomes log lines between the two signs of the process group; folder and environment are as asked."""
    script = (
        "echo $MAINSPRING_RUN_ID $MAINSPRING_ATTEMPT $MAINSPRING_IDEMPOTENCY_KEY $MAINSPRING_SLOT $X; pwd; echo oh >&2"
    )
    result = run_command(["sh", "-c", script], cwd=str(tmp_path), env={"X": "y"})
    assert result.exit_code == 0
    lines = [sign for sign in report.signs if isinstance(sign, LogReport)]
    out = [sign.text for sign in lines if sign.stream == "stdout"]
    assert out == ["r1 2 k1 2026-01-05T03:00:00Z y", os.path.realpath(tmp_path)]
    assert LogReport("warning", "oh", stream="stderr") in lines
    assert [sign.ended for sign in report.signs if isinstance(sign, ProcessReport)] == [False, True]
    assert CURRENT_STEP.get().stopper is None


def test_command_step_fails_with_code_and_last_line(report):
    """The failure tells how it ended and what it said last."""
    with pytest.raises(CommandFailed, match=r"exit code 75\n.*too busy") as caught:
        run_command(["sh", "-c", "echo first; echo too busy; exit 75"])
    assert classify(caught.value).kind is FailureKind.TRANSIENT
    with pytest.raises(CommandFailed, match="ended by signal 9"):
        run_command(["sh", "-c", "kill -9 $$"])
    with pytest.raises(CommandFailed, match="longer than 50ms") as caught:
        run_command(["sleep", "60"], timeout_s=0.05)
    assert classify(caught.value).code == "timeout"


def test_command_step_reports_how_much_it_put_out(report, tmp_path):
    """Bytes on its standard output, not on the other; where files are promised, those that it made."""
    assert run_command(["sh", "-c", "head -c 300000 /dev/zero; echo oh >&2"]).output_bytes == 300_000
    assert run_command(["true"]).output_bytes == 0
    (tmp_path / "old.gz").write_text("xxx")
    os.utime(tmp_path / "old.gz", (1, 1))
    script = "echo told; head -c 70 /dev/zero > a.gz; mkdir d; head -c 5 /dev/zero > d/x; mkdir d/deeper"
    made = run_command(["sh", "-c", script], cwd=str(tmp_path), produces=["*.gz", "a.*", "d"])
    assert made.output_bytes == 75


def test_result_of_an_older_version_has_no_size():
    """What was saved before sizes were known is read as unknown."""
    assert read_output_bytes(b'{"exit_code":0,"tail":"","took_ms":1}') is None
    assert read_output_bytes(msgspec.json.encode(CommandRecord(0, "", 1, 7))) == 7


def test_command_step_checks_what_it_produces(report, tmp_path):
    """Success without the promised file is a failure that may pass; a relative pattern counts from the folder."""
    (tmp_path / "old.gz").write_text("x")
    os.utime(tmp_path / "old.gz", (1, 1))
    with pytest.raises(NotProduced, match="before the start") as caught:
        run_command(["true"], cwd=str(tmp_path), produces=["*.gz"])
    assert classify(caught.value).kind is FailureKind.TRANSIENT
    with pytest.raises(NotProduced, match="empty"):
        run_command(["mkdir", "new"], cwd=str(tmp_path), produces=["new"])
    assert run_command(["sh", "-c", "echo x > b.gz"], cwd=str(tmp_path), produces=["*.gz", f"{tmp_path}/b*"])


def test_command_starts_only_once_its_group_is_on_record(report, tmp_path):
    """A command whose process group cannot be put on record never begins: no one could end its children after a crash."""
    report.answer = StoreUnavailableError("the store was closed")
    with pytest.raises(StoreUnavailableError):
        run_command(["touch", "begun"], cwd=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_command_step_outside_a_step_is_refused():
    """It needs an attempt to name."""
    with pytest.raises(NotInStepError):
        run_command([sys.executable, "-V"])


def test_last_line_with_bad_bytes_is_escaped_once(report):
    """As a failure keeps it."""
    with pytest.raises(CommandFailed) as caught:
        run_command(["sh", "-c", r"printf 'bad \377 bytes\n'; exit 1"])
    assert Failure.of(caught.value, classify(caught.value)).hint == "Its last line: bad \\udcff bytes"


ROWS = {"type": "object", "properties": {"rows": {"type": "integer", "minimum": 1}}, "required": ["rows"]}


def test_command_that_prints_what_is_expected_ends_well(report):
    """Its standard output is the value; what it says for people on the other one is no part of it."""
    result = run_command(["sh", "-c", "echo 'at work' >&2; printf '{\"rows\":\\n 3}\\n'"], expect=ROWS)
    assert (result.exit_code, result.output_bytes) == (0, len('{"rows":\n 3}\n'))


@pytest.mark.parametrize(
    ("printed", "reason"),
    [('{"rows": 0}', r"\$\.rows: expected at least 1, got 0"), ("done", "not JSON"), ("", "not JSON")],
)
def test_command_that_prints_something_else_fails_for_good(report, printed, reason):
    """Where and why is reported; another try would print it again."""
    with pytest.raises(ResultNotExpected, match=reason) as caught:
        run_command(["printf", printed], expect=ROWS)
    assert classify(caught.value).kind is FailureKind.PERMANENT


def test_command_that_prints_too_much_for_a_value_fails(report):
    """What is kept of it has a bound."""
    with pytest.raises(ResultNotExpected, match="longer than"):
        run_command(["head", "-c", "1100000", "/dev/zero"], expect=ROWS)


@pytest.mark.parametrize(("number", "name"), [(11, "SIGSEGV"), (9, "SIGKILL"), (40, "signal 40")])
def test_signal_without_a_name_is_reported_by_its_number(number, name):
    """A real-time signal has none, and the supervisor that reads how a process ended must not fail of it."""
    assert signal_name(number) == name
