"""The attempts of a wrapped command, without a store."""

import os
import signal
from datetime import timedelta

import msgspec
import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.runs.journal import AttemptRecord
from mainspring.domain.runs.log_chunk import LogChunk, unpack_lines
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.domain.time.schedule import Schedule
from mainspring.engine.commands import exec_run_record
from mainspring.engine.commands.command import CommandEnd, CommandFailed
from mainspring.engine.commands.command_result import CommandRecord
from mainspring.engine.commands.exec_run import MAX_STORED_ATTEMPTS, ExecRun, ExecRunSpec, exit_code_of
from mainspring.engine.commands.output_file_check import NotProduced


def at_once(attempts: int) -> Retry:
    return Retry(attempts, initial="0ms", max="0ms")


def wrapping(script: str, **more) -> ExecRunSpec:
    definition = Definition(kind=DefinitionKind.EXEC, name="x", command=["sh"], fingerprint="f")
    return ExecRunSpec(definition=definition, words=["sh", "-c", script], **more)


def run(script: str, **more) -> tuple[ExecRun, list[AttemptRecord]]:
    attempts: list[AttemptRecord] = []
    return ExecRun(
        wrapping(script, **more), run="r", key="k", clock=SystemClock(), on_attempt=attempts.append
    ), attempts


@pytest.mark.parametrize(
    ("end", "error", "code"),
    [
        (CommandEnd(code=0, timed_out=False, stopped=False, tail="", duration_us=0), None, 0),
        (CommandEnd(code=0, timed_out=False, stopped=False, tail="", duration_us=0), NotProduced("no"), 1),
        (CommandEnd(code=200, timed_out=False, stopped=False, tail="", duration_us=0), CommandFailed("no", 200), 200),
        (CommandEnd(code=-9, timed_out=False, stopped=False, tail="", duration_us=0), CommandFailed("no", -9), 137),
        (CommandEnd(code=-15, timed_out=True, stopped=False, tail="", duration_us=0), CommandFailed("late", 124), 124),
        (
            CommandEnd(code=0, timed_out=False, stopped=False, tail="", duration_us=0),
            CommandFailed("no start", 126),
            126,
        ),
    ],
)
def test_exit_code_has_one_table(end: CommandEnd, error: MainspringError | None, code: int) -> None:
    """Time-out, start that failed, signal, missing product and the command's own code."""
    assert exit_code_of(end, error) == code


def test_each_attempt_is_recorded_and_the_last_one_is_the_outcome() -> None:
    """Failed attempts that are followed by another one are reported with its time, and each later attempt as begun."""
    wrapped, attempts = run("exit $((3 - MAINSPRING_ATTEMPT))", retry=at_once(5))
    end = wrapped.run()
    assert [(attempt.attempt, attempt.state) for attempt in attempts] == [
        (1, AttemptState.FAILED),
        (2, AttemptState.STARTED),
        (2, AttemptState.FAILED),
        (3, AttemptState.STARTED),
    ]
    assert [attempt.attempt for attempt in end.attempts] == [1, 2]
    assert (end.state, end.exit_code, end.outcome.attempt, end.outcome.state) == (
        RunState.SUCCEEDED,
        0,
        3,
        OutcomeState.SUCCEEDED,
    )
    assert end.started_at == attempts[0].started_at


def test_last_failure_is_the_runs() -> None:
    """When attempts are used up the run fails with what the last one said, and its exit code."""
    wrapped, attempts = run("echo try $MAINSPRING_ATTEMPT; exit 4", retry=at_once(2))
    end = wrapped.run()
    assert (end.state, end.reason, end.exit_code, len(attempts)) == (
        RunState.FAILED,
        FailureReason.RETRIES_EXHAUSTED,
        4,
        2,
    )
    assert end.failure is not None
    assert end.failure.data == {"exit_code": 4, "tail": "try 2\n"}
    assert end.failure.frames == []
    assert end.outcome.failure == end.failure


def test_without_retry_there_is_one_attempt() -> None:
    """A crontab line is never repeated unless that was asked for, not even for a failure that may pass."""
    wrapped, attempts = run("exit 75")
    assert (wrapped.run().exit_code, attempts) == (75, [])


def test_result_is_that_of_a_script() -> None:
    """What is saved of a success has the same form as a script's."""
    end = run("echo done")[0].run()
    assert end.result is not None
    result = msgspec.json.decode(end.result, type=CommandRecord)
    assert (result.exit_code, result.tail, result.output_bytes) == (0, "done\n", 5)
    assert end.output_size == 5
    assert run("echo no; exit 1")[0].run().output_size is None


def test_signal_while_waiting_ends_the_attempts() -> None:
    """Between two attempts a signal is no failure of the command: the run is cancelled at once."""
    definition = wrapping("exit 1", retry=Retry(5, initial="1h", max="1h", jitter=False))
    made: list[ExecRun] = []
    wrapped = ExecRun(
        definition,
        run="r",
        key="k",
        clock=SystemClock(),
        on_attempt=lambda record: made[0].signalled(signal.SIGTERM),
    )
    made.append(wrapped)
    end = wrapped.run()
    assert (end.state, end.reason, end.exit_code) == (RunState.CANCELLED, None, 128 + signal.SIGTERM)


def test_signal_before_the_start_runs_nothing() -> None:
    """A signal that came first keeps the command from starting."""
    wrapped, _ = run("echo x >&2; exit 9")
    wrapped.signalled(signal.SIGINT)
    end = wrapped.run()
    assert (end.state, end.exit_code, end.outcome.duration_us) == (RunState.CANCELLED, 130, 0)


def test_attempts_that_are_kept_are_bounded() -> None:
    """However often it is tried, the story stays small: the newest attempts."""
    wrapped, _ = run("exit 1", retry=at_once(MAX_STORED_ATTEMPTS + 5))
    end = wrapped.run()
    assert len(end.attempts) == MAX_STORED_ATTEMPTS
    assert end.attempts[-1].attempt == end.outcome.attempt - 1 == MAX_STORED_ATTEMPTS + 4
    assert end.started_at < end.attempts[0].started_at


def test_environment_names_the_attempt_and_hides_secrets() -> None:
    """The command knows its run and key, and not our secrets."""
    env = {**os.environ, "MAINSPRING_SECRET_X": "hidden", "MAINSPRING_RUN_ID": "outer", "KEPT": "yes"}
    script = 'echo "$MAINSPRING_RUN_ID $MAINSPRING_IDEMPOTENCY_KEY $MAINSPRING_SLOT $KEPT $MAINSPRING_SECRET_X"'
    end = ExecRun(wrapping(script), run="r", key="k", clock=SystemClock(), env=env, slot_at=0).run()
    assert b"r k 1970-01-01T00:00:00Z yes \\n" in (end.result or b"")


def test_time_out_is_per_attempt() -> None:
    """Each attempt has the whole time; a time-out may be tried again."""
    script = "test $MAINSPRING_ATTEMPT = 2 || sleep 100"
    wrapped, attempts = run(script, timeout=timedelta(seconds=3), retry=at_once(2))
    assert wrapped.run().exit_code == 0
    assert attempts[0].failure is not None
    assert attempts[0].failure.code == "timeout"


def test_heartbeat_is_per_attempt_and_output_is_its_sign() -> None:
    """A silent attempt may be tried again; one that writes lives longer than its heartbeat."""
    script = "test $MAINSPRING_ATTEMPT = 1 && sleep 100; for n in 1 2 3 4 5 6 7 8; do sleep 0.4; printf .; done"
    wrapped, attempts = run(script, heartbeat=timedelta(seconds=2), retry=at_once(2))
    assert wrapped.run().exit_code == 0
    assert attempts[0].failure is not None
    assert attempts[0].failure.code == "timeout"
    assert attempts[0].failure.message.endswith("gave no sign of life for its heartbeat of 2s: it wrote no output")


def test_key_of_one_key_is_one_for_all_runs() -> None:
    """Runs under one --key share the idempotency key, for only one of them may succeed; others have their own."""
    keyed, plain = wrapping("", key="k"), wrapping("")
    assert exec_run_record.idempotency_key_of(keyed, "r_1") == exec_run_record.idempotency_key_of(keyed, "r_2")
    assert exec_run_record.idempotency_key_of(plain, "r_1") != exec_run_record.idempotency_key_of(plain, "r_2")
    assert exec_run_record.idempotency_key_of(plain, "r_1") != exec_run_record.idempotency_key_of(keyed, "r_1")


def test_slot_is_the_minute_just_started() -> None:
    """Near a time of --cron the run serves that slot; a call by hand at another time serves none."""
    definition = Definition(kind=DefinitionKind.EXEC, name="x", schedules=(Schedule.parse(cron="0 3 * * *"),))
    three = 3 * 3_600_000
    assert exec_run_record.find_slot(definition, three + 900) == three
    assert exec_run_record.find_slot(definition, three - 1) is None
    assert exec_run_record.find_slot(definition, three + 3_600_000) is None


def test_description_is_data_of_any_words() -> None:
    """Words that are no text are escaped in what is kept, and a cadence is marked as only expected."""
    schedules = (Schedule.parse(every="1h"), Schedule.parse(cron="0 3 * * *"))
    definition = Definition(kind=DefinitionKind.EXEC, name="x", command=["a\udcff"], schedules=schedules)
    command = exec_run_record.build_description(definition)
    assert b"a\\\\udcff" in (command.automation.definition or b"")
    assert [(row.name, row.next_slot_at, b'"expected":true' in row.spec) for row in command.schedules] == [
        ("x#1", None, True),
        ("x#2", None, True),
    ]


def lines_of(script: str, **more) -> list[tuple[int, int, str]]:
    parts: list[LogChunk] = []
    ExecRun(wrapping(script, **more), run="r", key="k", clock=SystemClock(), on_part=parts.append).run()
    return [(part.attempt, part.skipped, line.text) for part in parts for line in unpack_lines(part.body)]


def test_lines_of_each_attempt_are_reported() -> None:
    """What each attempt printed is reported with its number, the last line without an end too."""
    lines = lines_of("echo try $MAINSPRING_ATTEMPT; printf end; exit $((2 - MAINSPRING_ATTEMPT))", retry=at_once(3))
    assert lines == [(1, 0, "try 1"), (1, 0, "end"), (2, 0, "try 2"), (2, 0, "end")]


def test_head_and_tail_of_large_output_are_stored() -> None:
    """Megabytes are not kept: a gap says that there was more, and no line is reported twice."""
    lines = lines_of("seq -f %099.0f 1 30000")
    texts = [text for _, _, text in lines]
    assert (int(texts[0]), int(texts[-1])) == (1, 30_000)
    assert sum(len(text) for text in texts) < 2_000_000
    assert len(set(texts)) == len(texts)
    missing = {skipped for _, skipped, _ in lines if skipped}
    assert len(missing) == 1
    assert abs(missing.pop() + len(texts) - 30_000) <= 2


def test_secret_that_a_command_prints_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its lines, in what is kept of its output, and in the failure."""
    monkeypatch.setenv("MAINSPRING_SECRET_KEY", "correct-horse")
    parts: list[LogChunk] = []
    script = "echo correct-horse; printf correct- >&2; printf 'horse\\n' >&2; exit 7"
    wrapped = ExecRun(wrapping(script), run="r", key="k", clock=SystemClock(), on_part=parts.append)
    end = wrapped.run()
    assert "correct-horse" not in repr(end)
    assert [line.text for part in parts for line in unpack_lines(part.body)] == ["***", "***"]
