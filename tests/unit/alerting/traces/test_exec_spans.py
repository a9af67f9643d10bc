"""The trace of a wrapped command: a run with its step and attempts."""

import pytest

from mainspring.alerting.traces.exec_spans import make_exec_spans
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.failures.retry import Retry
from mainspring.domain.runs.trace_span import run_span_id, step_span_id, trace_id_of
from mainspring.engine.commands.exec_run import ExecRun, ExecRunSpec
from mainspring.engine.commands.exec_run_record import build_start

WRAPPING = ExecRunSpec(
    definition=Definition(kind=DefinitionKind.EXEC, name="backup", command=["sh"], fingerprint="f"),
    words=["sh", "-c", "echo canary; exit $((2 - MAINSPRING_ATTEMPT))"],
    retry=Retry(3, initial="0ms", max="0ms"),
)


@pytest.fixture(scope="module")
def spans():
    clock = SystemClock()
    begin = build_start(WRAPPING, "r_1", clock.now(), "exec:canary@host")
    return make_exec_spans(begin, ExecRun(WRAPPING, run="r_1", key="k", clock=clock).run())


def test_run_is_a_trace_with_its_attempts(spans):
    """As of a run of a worker; the first attempt is an error."""
    assert {span.trace_id for span in spans} == {trace_id_of("r_1")}
    assert [span.name for span in spans] == ["backup attempt", "backup", "backup attempt", "work", "backup"]
    assert [span.is_error for span in spans] == [True, False, False, False, False]
    whole, step = spans[-1], spans[1]
    assert (whole.parent_id, whole.span_id, whole.attributes["mainspring.state"]) == (
        None,
        run_span_id("r_1"),
        "succeeded",
    )
    assert (step.parent_id, step.span_id) == (run_span_id("r_1"), step_span_id("r_1", "backup#1", 0))
    assert all(whole.start_ns <= span.start_ns <= span.end_ns for span in spans)


def test_nothing_of_the_command_is_reported(spans):
    """Neither its words, nor what it printed, nor who called it."""
    assert "canary" not in repr(spans)
