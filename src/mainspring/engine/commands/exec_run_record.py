"""The record of an exec run as commands: its description, its start, its end, or the whole run afterwards. Pure."""

from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.ids import hash_parts, make_idempotency_key
from mainspring.domain.runs.journal import AttemptRecord
from mainspring.domain.states import AttemptState, RunState
from mainspring.domain.text.escaping import escape
from mainspring.domain.time.schedule import Schedule
from mainspring.engine.commands.exec_run import ExecRunEnd, ExecRunSpec
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.commands.automations import AutomationRow, ScheduleRow
from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.commands.journal import SaveAttempt, SaveOutcome
from mainspring.store.commands.runs import FinishRun, RunKey, StartRun

CLAIM = 1
"""The claim of a run that started in this process."""
NO_INPUT = b"{}"
_SLOT_TOLERANCE_MS = 120_000


def build_description(definition: Definition, *, has_settings: bool = True) -> DescribeExecAutomation:
    """Return the command that records the automation, and when it is expected to succeed.

    Without settings it has no schedules, because their zone is a guess: those on record stay.
    """
    several = len(definition.schedules) > 1
    rows = [
        ScheduleRow(
            f"{definition.name}#{number}" if several else definition.name,
            definition.name,
            _describe_spec(schedule),
            None,
        )
        for number, schedule in enumerate(definition.schedules, start=1)
    ]
    data = msgspec.json.encode(_printable(definition.to_data()), order="deterministic")
    row = AutomationRow(definition.name, str(definition.kind), definition.version, definition.fingerprint, data)
    return DescribeExecAutomation(row, tuple(rows) if has_settings else ())


def _printable(value: Any) -> Any:
    """Return data with all text escaped: words of a command may be any bytes."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {name: _printable(item) for name, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def _describe_spec(schedule: Schedule) -> bytes:
    """Return the spec of a schedule; `expected` means that another program starts the runs."""
    return msgspec.json.encode({**schedule.to_data(), "expected": True}, order="deterministic")


def idempotency_key_of(spec: ExecRunSpec, run: str) -> str:
    """Return the idempotency key of the command: the same for all runs of one `--key`, because only one of them may succeed."""
    if spec.key is None:
        return make_idempotency_key(run, spec.ident, 0)
    return make_idempotency_key(f"{spec.definition.name}\x1f{spec.key}", spec.ident, 0)


def find_slot(definition: Definition, now_at: int) -> int | None:
    """Return the cron slot of a run that starts now; None if none was due in the last two minutes."""
    slots = [
        slot
        for schedule in definition.schedules
        if schedule.cron is not None
        for slot in schedule.slots_between(now_at - _SLOT_TOLERANCE_MS, now_at)
    ]
    return max(slots, default=None)


def build_start(spec: ExecRunSpec, run: str, now_at: int, trigger: str) -> StartRun:
    """Return the command that starts the run in this process.

    Raises:
        OptionError: the key cannot be one.
    """
    options = StartOptions(key=spec.key, key_policy="reuse" if spec.key is None else "restart")
    return build_start_command(
        spec.definition, NO_INPUT, run=run, now_at=now_at, trigger=trigger, options=options, here=True
    )


def build_attempt(run: str, automation: str, record: AttemptRecord) -> SaveAttempt:
    """Return the command that saves one attempt."""
    r = record
    return SaveAttempt(
        *(run, CLAIM, r.ident, r.name, r.generation, r.attempt, r.state, r.request_number, r.started_at, automation),
        ended_at=r.ended_at,
        next_at=r.next_at,
        failure=r.failure,
    )


def build_start_mark(spec: ExecRunSpec, run: str, now_at: int) -> SaveAttempt:
    """Return the start mark of the first attempt."""
    record = AttemptRecord(spec.ident, spec.definition.name, 0, 1, AttemptState.STARTED, 1, now_at)
    return build_attempt(run, spec.definition.name, record)


def build_end(run: str, automation: str, end: ExecRunEnd) -> tuple[SaveOutcome, FinishRun]:
    """Return the commands that end a run that is recorded as running."""
    o = end.outcome
    saved = SaveOutcome(
        *(
            run,
            CLAIM,
            o.rank,
            o.ident,
            o.name,
            o.kind,
            o.state,
            o.request_number,
            o.attempt,
            o.generation,
            o.started_at,
            o.at,
        ),
        *(o.duration_us, automation),
        output=o.output,
        failure=o.failure,
        marked=True,
    )
    failed = o.ident if end.failure is not None else None
    finish = FinishRun(
        *(run, CLAIM, end.state, 1, end.result, end.failure, end.reason, failed), output_size=end.output_size
    )
    return saved, finish


def build_whole_run(start: StartRun, end: ExecRunEnd, session: int | None) -> RecordExecRun:
    """Return the command that records the whole run after its end."""
    return RecordExecRun(
        *(start.id, start.automation, start.kind, start.version, start.title, start.trigger, start.codec, start.input),
        state=end.state,
        started_at=end.started_at,
        finished_at=end.finished_at,
        result=end.result,
        failure=end.failure,
        reason=end.reason,
        run_key=_store_key(start.run_key),
        outcome=end.outcome,
        attempts=end.attempts,
        session=session,
        output_size=end.output_size,
        healthy=start.healthy,
        item=start.item,
    )


def build_skipped_run(start: StartRun, now_at: int, reason: str) -> RecordExecRun:
    """Return the command that records a skipped run: another one holds its lock."""
    return RecordExecRun(
        *(start.id, start.automation, start.kind, start.version, start.title, start.trigger, start.codec, start.input),
        state=RunState.CANCELLED,
        started_at=now_at,
        finished_at=now_at,
        failure=Failure(type="LockHeld", code="lock_held", message=reason, kind=FailureKind.TRANSIENT),
    )


def _store_key(key: RunKey | None) -> RunKey | None:
    """Return the key with the hash of the plain input, as for any start."""
    return None if key is None else RunKey(key.key, hash_parts(NO_INPUT), key.policy, key.expires_at)
