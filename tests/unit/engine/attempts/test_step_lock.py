"""`ms.lock(name)` before there is a lock: names, tokens, and places where none can be had."""

import pytest

from mainspring.domain.errors import ArgumentError, ConflictError, OptionError
from mainspring.engine.attempts.attempt_reports import UnlockReport
from mainspring.engine.attempts.step_context import CURRENT_STEP, LockRequest, NotInStepError, StepContext
from mainspring.engine.attempts.step_lock import lock


class Granting:
    """A channel that gives each lock at once."""

    def __init__(self):
        self.requests = []
        self.signs = []

    def lock(self, name, within_s):
        self.requests.append((name, within_s))
        grant = LockRequest(len(self.requests))
        grant.answer(5)
        return grant

    def post(self, sign):
        self.signs.append(sign)


@pytest.fixture
def channel():
    made = Granting()
    token = CURRENT_STEP.set(StepContext(made, run_id="r", name="s", key="k", attempt=1))
    yield made
    CURRENT_STEP.reset(token)


def test_lock_has_its_token_inside_and_none_outside(channel):
    """It may be taken again later, by the same object."""
    held = lock("l", within="2m")
    for _ in range(2):
        with pytest.raises(ConflictError, match="not held"):
            _ = held.token
        with held as same:
            assert (same is held, held.token, "token 5" in repr(held)) == (True, 5, True)
    assert channel.requests == [("l", 120.0)] * 2
    assert channel.signs == [UnlockReport(1), UnlockReport(2)]


@pytest.mark.parametrize("name", ["", "x" * 501, "two\nlines", 7])
def test_name_must_be_one_that_people_can_read(channel, name):
    """It stands in lists and is typed for `locks break`."""
    with pytest.raises(ArgumentError, match="name of a lock"):
        lock(name)


def test_span_must_be_one(channel):
    """It is said at the call, before anything waits."""
    with pytest.raises(OptionError):
        lock("l", within="soon")


def test_lock_outside_a_step_is_refused():
    """There is no attempt that could hold it."""
    with pytest.raises(NotInStepError, match=r"ms\.lock\(\) was called outside a step"):
        lock("l")
