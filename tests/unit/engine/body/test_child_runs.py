"""The input of a step that is a run of its own: stored inputs of older versions stay equal to new ones."""

from datetime import timedelta

import msgspec
import pytest

from mainspring.domain.failures.retry import Retry
from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.body.child_runs import build_spread_call, read_step_run
from mainspring.engine.definitions.step_plan import StepPlan
from tests.acceptance import engine_steps

OLD = ["function", "call", "timeout_s", "isolate", "delivery"]


def build_input(plan: StepPlan) -> bytes:
    fn = engine_steps.double
    return build_spread_call(fn, read_signature(fn), b'{"number":2}', plan).input


@pytest.mark.parametrize(
    ("plan", "fields"),
    [
        (StepPlan(timeout=timedelta(seconds=5)), OLD),
        (StepPlan(retry=Retry(2)), [*OLD, "retry"]),
        (StepPlan(heartbeat=timedelta(seconds=5)), [*OLD, "retry", "heartbeat_s", "overlap_attempts"]),
        (StepPlan(overlap_attempts=True), [*OLD, "retry", "heartbeat_s", "overlap_attempts"]),
    ],
)
def test_input_has_only_the_fields_that_the_call_needs(plan: StepPlan, fields: list[str]) -> None:
    """A worker of an older version reads it, and a replay finds no drift."""
    assert list(msgspec.json.decode(build_input(plan))) == fields


def test_input_restores_the_limits_of_the_call() -> None:
    """In the process of any worker."""
    plan = StepPlan(heartbeat=timedelta(milliseconds=1500), overlap_attempts=True, timeout=timedelta(minutes=1))
    fn, _, args, kwargs, value = read_step_run(build_input(plan))
    assert fn(*args, **kwargs) == 4
    assert (value.timeout_s, value.heartbeat_s, value.overlap_attempts, value.retry) == (60.0, 1.5, True, None)
