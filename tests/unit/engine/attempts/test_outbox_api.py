"""What is recorded to be sent, and what is refused."""

from typing import cast

import pytest

from mainspring.domain.errors import ArgumentError, ValueRefusedError
from mainspring.domain.runs.outbox import outbox_entry_id
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.outbox_api import publish, send
from mainspring.engine.attempts.step_context import CURRENT_STEP, NotInStepError, StepContext


class Recorded(list):
    record = list.append


@pytest.fixture
def recorded():
    channel = Recorded()
    token = CURRENT_STEP.set(StepContext(channel, run_id="r", name="s", key="k", attempt=1))
    yield channel
    CURRENT_STEP.reset(token)


def test_message_id_has_its_number(recorded):
    """The id is that of the step's key and of the call's number, and is returned."""
    assert send("orders/eu", 1) == outbox_entry_id("k", 1)
    assert publish("paid") == outbox_entry_id("k", 2)
    assert [entry.id for entry in recorded] == [outbox_entry_id("k", 1), outbox_entry_id("k", 2)]


def test_refused_message_takes_no_number(recorded):
    """A call that raised sent nothing, so the next has its id."""
    with pytest.raises(ValueRefusedError, match="message to orders/eu"):
        send("orders/eu", float("nan"))
    with pytest.raises(ValueRefusedError, match="event paid"):
        publish("paid", object())
    assert send("orders/eu", 1) == outbox_entry_id("k", 1)


def test_all_together_is_bounded(recorded):
    """Messages that are each small enough are refused where together they take more than 16 MiB."""
    CURRENT_STEP.get().payload_max = 6 * 1024 * 1024
    for _ in range(2):
        send("orders/eu", "x" * 6_000_000)
    with pytest.raises(ValueRefusedError, match="the limit is 16,777,216"):
        send("orders/eu", "x" * 6_000_000)
    assert len(recorded) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: send("orders", 1),
        lambda: send("orders/eu", 1, key=""),
        lambda: send("orders/eu", 1, key="a\nb"),
        lambda: send("orders/eu", 1, headers={"a b": "c"}),
        lambda: send("orders/eu", 1, headers={"a": "b\r\nc: d"}),
        lambda: send("orders/eu", 1, headers=cast("dict[str, str]", {"a": 1})),
        lambda: publish(""),
        lambda: publish("paid", key="x" * 1_001),
    ],
)
def test_call_that_cannot_be_meant_is_refused(recorded, call):
    """Names, keys and headers are plain text in one line; nothing is recorded."""
    with pytest.raises(ArgumentError):
        call()
    assert recorded == []


def test_call_in_a_body_has_a_hint_to_use_a_step():
    """In a body of a workflow the error shows the way, and outside of a run that of the app."""
    token = IN_BODY.set(True)
    try:
        with pytest.raises(NotInStepError, match=r"run\.step"):
            publish("paid")
    finally:
        IN_BODY.reset(token)
    with pytest.raises(NotInStepError, match=r"await app\.publish"):
        publish("paid")
