"""`ms.*` outside a step, and what a log line keeps."""

import pytest

import mainspring.engine.attempts.step_context as ms
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.outbox_api import publish, send
from mainspring.engine.attempts.step_context import CURRENT_STEP, NotInStepError, StepContext

CALLS = {
    "idempotency_key()": ms.idempotency_key,
    "attempt()": ms.attempt,
    "checkpoint()": lambda: ms.checkpoint(1),
    "last_checkpoint()": ms.last_checkpoint,
    "progress()": lambda: ms.progress(1),
    "log.info": lambda: ms.log.info("x"),
    "publish()": lambda: publish("paid"),
    "send()": lambda: send("orders/eu", 1),
}


class Reports:
    def __init__(self):
        self.signs = []

    def post(self, sign):
        self.signs.append(sign)

    def save(self, data):
        self.signs.append(data)
        return ms.SAVED_CHECKPOINT


@pytest.fixture
def report():
    channel = Reports()
    token = CURRENT_STEP.set(StepContext(channel, run_id="r", name="s", key="k", attempt=1))
    yield channel
    CURRENT_STEP.reset(token)


@pytest.mark.parametrize("name", CALLS)
def test_call_outside_a_step_is_refused(name):
    """Each call outside a step says its name and what to do."""
    with pytest.raises(NotInStepError, match="outside a step") as caught:
        CALLS[name]()
    assert f"ms.{name}" in str(caught.value)


@pytest.mark.parametrize("name", CALLS)
def test_call_in_a_body_is_refused(report, name):
    """A body that inherited a step's variables is still no step."""
    token = IN_BODY.set(True)
    try:
        with pytest.raises(NotInStepError, match="body of a workflow") as caught:
            CALLS[name]()
    finally:
        IN_BODY.reset(token)
    assert report.signs == []
    assert ("run.log" in str(caught.value)) == (name == "log.info")


def test_log_keeps_odd_values_as_text(report):
    """Objects that cannot be printed, wide numbers and NaN never make a log line fail."""

    class Silent:
        def __str__(self):
            raise ValueError("no")

    ms.log.warning(Silent(), big=2**70, ok=1, flag=True, nan=float("nan"), silent=Silent())
    (sign,) = report.signs
    assert "Silent that cannot be printed: ValueError" in sign.text
    assert sign.fields["big"] == str(2**70)
    assert (sign.fields["ok"], sign.fields["flag"], sign.fields["nan"]) == (1, True, "nan")
    ms.log.debug("x" * 100_000)
    assert len(report.signs[1].text) <= 16 * 1024


@pytest.mark.parametrize("args", [(-1,), (1, -2), (True,), (1.5,), ("1",), (2**63,)])
def test_progress_takes_whole_numbers_only(report, args):
    """Anything but whole numbers of at least 0 is refused."""
    with pytest.raises(ms.ArgumentError, match="whole numbers"):
        ms.progress(*args)
    assert report.signs == []


def test_cancel_stops_each_block_from_the_inside_to_the_outside(report):
    """A program that an action runs is stopped, and then the action around it, which may have files to remove."""
    step, stopped = CURRENT_STEP.get(), []
    with step.stoppable(lambda: stopped.append("action")):
        with step.stoppable(lambda: stopped.append("program")):
            step.stopper()
        assert stopped == ["program", "action"]
        step.stopper()
    assert stopped == ["program", "action", "action"]
    assert step.stopper is None
