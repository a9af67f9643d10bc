"""`ms.lock(name)`, the named lock before there is a lock: names, tokens, and places where there can be none."""

import pytest

from mainspring.app.lock import lock
from mainspring.domain.errors import ArgumentError, ConflictError, OptionError
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, LockRequest, NotInStepError, StepContext
from mainspring.resources.locks import LockSpec
from mainspring.store.commands.results import LockGranted


class Granting:
    """A channel that gives each lock at once."""

    def __init__(self):
        self.requests = []
        self.released = []

    def lock(self, spec):
        self.requests.append(spec)
        request = LockRequest(len(self.requests))
        request.answer(LockGranted(5, 2))
        return request

    def unlock(self, number):
        self.released.append(number)

    def has_lost_lock(self, number):
        return number in self.released


@pytest.fixture
def channel():
    made = Granting()
    token = CURRENT_STEP.set(StepContext(made, run_id="r", name="s", key="k", attempt=1))
    yield made
    CURRENT_STEP.reset(token)


def test_lock_has_its_token_inside_and_none_outside(channel):
    """It may be taken again later, by the same object."""
    held = lock("l", within="2m", slots=3)
    for _ in range(2):
        with pytest.raises(ConflictError, match="not held"):
            _ = held.token
        with held as same:
            assert (same is held, held.token, held.slot, held.is_lost, repr(held)) == (
                True,
                5,
                2,
                False,
                "<lock 'l', token 5>",
            )
    assert channel.requests == [LockSpec("l", 120.0, 3)] * 2
    assert channel.released == [1, 2]


def test_error_of_a_signal_handler_ends_the_wait(channel, monkeypatch):
    """As a cancel does: otherwise the lock would be passed on to code that no longer waits."""

    def wait(_request):
        raise TimeoutError("alarm")

    monkeypatch.setattr(LockRequest, "wait", wait)
    with pytest.raises(TimeoutError, match="alarm"), lock("l"):
        pass
    assert channel.released == [1]


@pytest.mark.parametrize("slots", [0, -1, True, 1.5, "2", 1001])
def test_slots_must_be_a_number_of_holders(channel, slots):
    """The error comes at the call, before anything waits."""
    with pytest.raises(ArgumentError, match="whole number from 1 to 1000"):
        lock("l", slots=slots)


@pytest.mark.parametrize("name", ["", "x" * 501, "two\nlines", 7])
def test_name_must_be_one_that_people_can_read(channel, name):
    """It stands in lists and is typed for `locks break`."""
    with pytest.raises(ArgumentError, match="name of a lock"):
        lock(name)


def test_span_must_be_one(channel):
    """The error comes at the call, before anything waits."""
    with pytest.raises(OptionError):
        lock("l", within="soon")


def test_lock_in_the_body_of_a_workflow_is_refused():
    """A body may sleep for days."""
    token = IN_BODY.set(True)
    try:
        with pytest.raises(NotInStepError, match=r"ms\.lock\(\) was called outside a step"):
            lock("l")
    finally:
        IN_BODY.reset(token)
