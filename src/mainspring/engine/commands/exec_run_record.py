"""How a wrapped run becomes commands: its description, its start, its end, or the whole of it afterwards. Pure."""

from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.ids import hash_parts, make_idempotency_key
from mainspring.domain.runs.journal import AttemptRecord
from mainspring.domain.states import AttemptState, RunState
from mainspring.domain.text.escaping import escape
from mainspring.domain.time.schedule import Schedule
from mainspring.engine.commands.exec_run import ExecRunEnd, ExecRunSpec
from mainspring.engine.definitions.run_start import StartOptions, build_start_command
from mainspring.store.commands.automations import AutomationRow, ScheduleRow
from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.commands.journal import SaveAttempt, SaveOutcome
from mainspring.store.commands.runs import FinishRun, RunKey, StartRun

CLAIM = 1
"""The claim of a run that was started `here`."""
NO_INPUT = b"{}"
_SLOT_TOLERANCE_MS = 120_000


def build_description(definition: Definition) -> DescribeExecAutomation:
    """Return the command that writes what is wrapped, and when it is expected to succeed."""
    several = len(definition.schedules) > 1
    rows = [
        ScheduleRow(
            f"{definition.name}#{number}" if several else definition.name, definition.name, _describe_spec(one), None
        )
        for number, one in enumerate(definition.schedules, start=1)
    ]
    data = msgspec.json.encode(_printable(definition.to_data()), order="deterministic")
    row = AutomationRow(definition.name, str(definition.kind), definition.version, definition.fingerprint, data)
    return DescribeExecAutomation(row, tuple(rows))


def _printable(value: Any) -> Any:
    """Return data with all its text escaped: words of a command may be any bytes."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {name: _printable(item) for name, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def _describe_spec(schedule: Schedule) -> bytes:
    """Return the spec; `expected` says that somebody else starts it."""
    return msgspec.json.encode({**schedule.to_data(), "expected": True}, order="deterministic")


def idempotency_key_of(wrapping: ExecRunSpec, run: str) -> str:
    """Return the idempotency key that the command gets: the same for all runs of one `--key`, since only one of them may succeed."""
    if wrapping.key is None:
        return make_idempotency_key(run, wrapping.ident, 0)
    return make_idempotency_key(f"{wrapping.definition.name}\x1f{wrapping.key}", wrapping.ident, 0)


def find_slot(definition: Definition, now_at: int) -> int | None:
    """Return the wall-clock slot that a run which starts now serves; None if none was due in the last two minutes."""
    slots = [
        slot
        for one in definition.schedules
        if one.cron is not None
        for slot in one.slots_between(now_at - _SLOT_TOLERANCE_MS, now_at)
    ]
    return max(slots, default=None)


def build_start(wrapping: ExecRunSpec, run: str, now_at: int, trigger: str) -> StartRun:
    """Return the command that starts the run in this process.

    Raises:
        OptionError: the key cannot be one.
    """
    options = StartOptions(key=wrapping.key, key_policy="restart")
    return build_start_command(
        wrapping.definition, NO_INPUT, run=run, now_at=now_at, trigger=trigger, options=options, here=True
    )


def build_attempt(run: str, automation: str, record: AttemptRecord) -> SaveAttempt:
    """Return the command that keeps one attempt."""
    r = record
    return SaveAttempt(
        *(run, CLAIM, r.ident, r.name, r.generation, r.attempt, r.state, r.asked, r.started_at, automation),
        ended_at=r.ended_at,
        next_at=r.next_at,
        failure=r.failure,
    )


def build_start_mark(wrapping: ExecRunSpec, run: str, now_at: int) -> SaveAttempt:
    """Return the mark that the first attempt begins."""
    record = AttemptRecord(wrapping.ident, wrapping.definition.name, 0, 1, AttemptState.STARTED, 1, now_at)
    return build_attempt(run, wrapping.definition.name, record)


def build_end(run: str, automation: str, end: ExecRunEnd) -> tuple[SaveOutcome, FinishRun]:
    """Return the commands that end a run which is on record as running."""
    o = end.outcome
    saved = SaveOutcome(
        *(run, CLAIM, o.rank, o.ident, o.name, o.kind, o.state, o.asked, o.attempt, o.generation, o.started_at, o.at),
        *(o.took_us, automation),
        output=o.output,
        failure=o.failure,
        marked=True,
    )
    failed = o.ident if end.failure is not None else None
    finish = FinishRun(
        *(run, CLAIM, end.state, 1, end.result, end.failure, end.reason, failed), output_size=end.output_size
    )
    return saved, finish


def build_whole_run(begin: StartRun, end: ExecRunEnd, session: int | None) -> RecordExecRun:
    """Return the command that tells the whole run after its end."""
    return RecordExecRun(
        *(begin.id, begin.automation, begin.kind, begin.version, begin.title, begin.trigger, begin.codec, begin.input),
        state=end.state,
        started_at=end.started_at,
        finished_at=end.finished_at,
        result=end.result,
        failure=end.failure,
        reason=end.reason,
        run_key=_store_key(begin.run_key),
        outcome=end.outcome,
        attempts=end.attempts,
        session=session,
        output_size=end.output_size,
    )


def build_skipped_run(begin: StartRun, now_at: int, why: str) -> RecordExecRun:
    """Return the command that tells of a run that did not happen because another one holds its lock."""
    return RecordExecRun(
        *(begin.id, begin.automation, begin.kind, begin.version, begin.title, begin.trigger, begin.codec, begin.input),
        state=RunState.CANCELLED,
        started_at=now_at,
        finished_at=now_at,
        failure=Failure(type="LockHeld", code="lock_held", message=why, kind=FailureKind.TRANSIENT),
    )


def _store_key(key: RunKey | None) -> RunKey | None:
    """Return the key with the hash of the plain input, as a start would have it."""
    return None if key is None else RunKey(key.key, hash_parts(NO_INPUT), key.on_failed, key.expires_at)
