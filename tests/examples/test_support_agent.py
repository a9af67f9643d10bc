"""The support agent: approved, denied, and killed while it waits."""

import importlib.util
import os

import pytest

from tests.examples.lab import Lab, await_that

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pydantic_ai") is None and not os.environ.get("CI"), reason="pydantic_ai: make setup"
)
AGENT = ("support_agent.py", "support-agent", "question=Where is my money?", "--key", "customer:7")


def has_question(lab: Lab) -> bool:
    """Return whether the run waits for its answer; it may not have started."""
    try:
        return bool(lab.show()["waiting_for"])
    except AssertionError:
        return False


def ask_and_kill(lab: Lab) -> None:
    """Begin the run, wait for its question, and kill the worker that holds it."""
    process = lab.begin(*AGENT)
    await_that(lambda: has_question(lab), "the question")
    process.kill()
    process.wait()


def test_approved_refund_continues_after_a_kill(lab: Lab) -> None:
    """Killed while it waits, approved while nothing runs: the agent continues with what it knew."""
    ask_and_kill(lab)
    lab.call("runs", "answer", "@last", "approve")
    assert lab.run(*AGENT) == '{"find_order":"order 0: paid 129.00, delivered","refund":"order 0 is refunded"}'


def test_denied_refund_is_not_made(lab: Lab) -> None:
    """The model learns that a person denied the call."""
    ask_and_kill(lab)
    lab.call("runs", "answer", "@last", "deny")
    assert "A person denied this call." in str(lab.run(*AGENT))
