"""One suite of middleware around steps and of headers, for every place where a step can run: the loop, a thread, a child process."""

import asyncio

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.runs.run_headers import encode_headers
from mainspring.engine.attempts.step_middleware import RegisteredMiddleware, instance_of
from tests.contract import middleware_steps as steps
from tests.contract.test_isolation import Bench


class SurroundedBench(Bench):
    """Attempts with middleware around them, of a run with headers."""

    def __init__(self, isolate, loop, kinds, headers):
        super().__init__(isolate, loop)
        self.headers = headers
        self.attempts._host.middleware = [RegisteredMiddleware(kind, instance_of(kind), "here:1") for kind in kinds]
        start = self.attempts.start
        self.attempts.start = lambda spec, on_end: start(msgspec.structs.replace(spec, headers=headers), on_end)


def run_step(isolate, kinds, fn, *args, headers=None, **options):
    """Return the end of one attempt."""
    encoded = None if headers is None else encode_headers(headers)

    async def scenario():
        bench = SurroundedBench(isolate, asyncio.get_running_loop(), kinds, encoded)
        try:
            return await bench.run(fn, *args, **options)
        finally:
            bench.attempts.close()

    return asyncio.run(scenario())


@pytest.fixture(params=["loop", "thread", "process"])
def isolate(request):
    return request.param


def test_step_sees_its_headers_and_what_middleware_has_set(isolate):
    """The middleware runs where the step runs, the first one outermost, and gets attempt, key and arguments."""
    end = run_step(
        isolate,
        [steps.Outer, steps.Inner],
        steps.report_context,
        "a",
        tag="t",
        attempt=2,
        headers={"Tenant": "acme"},
    )
    assert end.ok, end
    tenant, headers, *trace, words, tag, attempt = end.value["result"]
    assert (tenant, headers, words, tag, attempt) == ("acme", {"tenant": "acme"}, ["a"], "t", 2)
    assert trace == ["outer  report_context 2 key-1 ('a',) {'tag': 't'}", "inner"]
    assert end.value["trace"] == [*trace, "left"]


def test_headers_are_read_without_middleware(isolate):
    """A step of a run without headers has none."""
    assert run_step(isolate, [], steps.report_context, headers={"a": "b"}).value[1] == {"a": "b"}
    assert run_step(isolate, [], steps.report_context).value[:2] == ["none", {}]


def test_middleware_may_await(isolate):
    """It may also await its own input and output around a plain function, which still sees no loop."""
    end = run_step(isolate, [steps.Awaits], steps.report_context, "a")
    assert end.ok, end
    assert end.value[2] == ["a"]


def test_middleware_may_limit_the_time_of_a_step(isolate, tmp_path):
    """The step is cancelled, and what the middleware makes of it counts."""
    record = tmp_path / "record"
    end = run_step(isolate, [steps.Limits], steps.sleeps, str(record))
    assert (end.ok, end.value) == (True, "fallback"), end
    end = run_step(isolate, [steps.WaitsFor], steps.sleeps, str(record))
    assert not end.ok
    assert end.failure.type == "TimeoutError"
    assert record.read_text() == "cancelled" * 2


def test_middleware_that_returns_before_its_step_fails_the_step(isolate, tmp_path):
    """Its result would be lost. The step does not continue by itself."""
    record = tmp_path / "record"
    end = run_step(isolate, [steps.Detaches], steps.sleeps, str(record))
    assert not end.ok
    assert "returned before proceed() had ended" in end.failure.message
    assert record.read_text() == "cancelled"


@pytest.mark.parametrize("isolate", ["thread", "process"])
def test_plain_function_may_run_a_loop_of_its_own(isolate):
    """It is called as without middleware: no loop runs in its thread, and no task is current."""
    end = run_step(isolate, [steps.Awaits], steps.runs_a_loop)
    assert end.ok, end
    assert end.value.startswith("Task-")


def test_middleware_sees_and_changes_errors(isolate):
    """Its own error is that of the attempt; a result that it returns in place of an error counts."""
    end = run_step(isolate, [steps.Translates], steps.raises, "key")
    assert (end.ok, end.failure.message) == (False, "translated 'x'")
    assert run_step(isolate, [steps.Translates], steps.raises, "zero").value == "recovered"
    assert run_step(isolate, [steps.Skips], steps.runs_a_loop).value == "instead of runs_a_loop"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Repeats", "called proceed() twice"),
        ("Forgets", "returned None instead"),
        ("DoesNotAwait", "returned a coroutine instead"),
    ],
)
def test_middleware_that_repeats_or_loses_the_call_fails_the_attempt(isolate, kind, text):
    """The function is called once in an attempt; the error names the middleware and the fix."""
    steps.CALLS.clear()
    end = run_step(isolate, [getattr(steps, kind)], steps.counts)
    assert not end.ok
    assert f"middleware {kind}.around_step {text}" in end.failure.message
    assert end.failure.code == "middleware"
    assert "proceed()" in end.failure.hint or "retry=" in end.failure.hint
    assert isolate == "process" or len(steps.CALLS) == (kind != "DoesNotAwait")


def test_no_middleware_swallows_the_end_of_an_attempt(isolate):
    """An exit of the step is its failure, whatever a middleware returns."""
    end = run_step(isolate, [steps.Swallows], steps.raises, "exit")
    assert not end.ok
    assert end.failure.type == "SystemExit"


@pytest.mark.parametrize("isolate", ["loop"])
def test_no_middleware_swallows_a_time_out(isolate):
    """The cancel of a late coroutine goes through it."""
    end = run_step(isolate, [steps.Swallows], steps.waits_for_ever, timeout=0.05)
    assert not end.ok
    assert end.timed_out


def test_events_and_messages_of_a_step_carry_the_headers(isolate):
    """A message has them in one header of its own, beside those that the step gives it."""
    end = run_step(isolate, [], steps.sends, headers={"tenant": "acme"})
    message, event = end.records
    assert msgspec.json.decode(message.headers) == {"mainspring-headers": '{"tenant":"acme"}', "own": "x"}
    assert event.headers == b'{"tenant":"acme"}'
    message, event = run_step(isolate, [], steps.sends).records
    assert msgspec.json.decode(message.headers) == {"own": "x"}
    assert event.headers is None


def test_baggage_is_that_of_the_run(isolate):
    """The header `baggage` is attached as the baggage of OpenTelemetry."""
    pytest.importorskip("opentelemetry.baggage")
    end = run_step(isolate, [], steps.reads_baggage, headers={"baggage": "user=7,region=eu%20west"})
    assert end.value == {"user": "7", "region": "eu west"}
    assert run_step(isolate, [], steps.reads_baggage).value == {}


def test_local_class_cannot_be_used_by_a_child_process():
    """The error names the class and the fix, when the step starts."""

    class Local:
        async def around_step(self, step, proceed):
            return await proceed()

    with pytest.raises(ms.MainspringError, match="Local cannot run in a child process") as raised:
        run_step("process", [Local], steps.report_context)
    assert "top level" in raised.value.hint
