"""The trace of a wrapped command on its way: to a collector that takes it, refuses it, is away, or is not named."""

import os

import pytest

from mainspring.app.exec import trace_export
from mainspring.app.exec.trace_export import export_own_trace
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.runs.trace_span import trace_id_of
from mainspring.engine.commands.exec_run import ExecRun
from mainspring.engine.commands.exec_run_record import build_start
from tests.otlp_collector import OtlpCollector
from tests.unit.alerting.traces.test_exec_spans import WRAPPING


@pytest.fixture
def collector():
    made = OtlpCollector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def run():
    clock = SystemClock()
    return build_start(WRAPPING, "r_1", clock.now(), "exec"), ExecRun(WRAPPING, run="r_1", key="k", clock=clock).run()


def settings(folder, endpoint):
    env = {} if endpoint is None else {"MAINSPRING_OTEL_ENDPOINT": endpoint}
    return load(env=env, cwd=folder, uid=os.getuid(), flags={})


def test_run_reaches_the_collector(tmp_path, collector, run):
    """With all its spans."""
    assert export_own_trace(settings(tmp_path, collector.endpoint), *run) is None
    assert {span.trace for span in collector.spans} == {trace_id_of("r_1").hex()}
    assert collector.names()["backup attempt"] == 2


def test_reason_of_a_failed_export_is_returned(tmp_path, collector, run):
    """Whatever it is, nothing is raised."""
    collector.status = 400
    assert export_own_trace(settings(tmp_path, collector.endpoint), *run) == "it answers 400"
    assert export_own_trace(settings(tmp_path, "http://127.0.0.1:9"), *run)
    assert export_own_trace(settings(tmp_path, None), *run) is None


def test_slow_collector_is_not_waited_for(tmp_path, collector, run, monkeypatch):
    """But for as long as is said, whether the sending abandons first or who waits for it."""
    monkeypatch.setattr(trace_export, "EXPORT_TIMEOUT_S", 0.01)
    collector.slow_s = 30.0
    assert export_own_trace(settings(tmp_path, collector.endpoint), *run) is not None
