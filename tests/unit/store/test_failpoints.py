"""Ordering a crash at a named place."""

import os
import signal

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.store import failpoints


@pytest.fixture(autouse=True)
def nothing_ordered():
    yield
    failpoints.install(None)


def test_a_place_calls_the_installed_hook_and_nothing_when_off():
    """A test may install a callable; taken away, the place is silent."""
    passed: list[str] = []
    failpoints.install(passed.append)
    failpoints.hit("commit.before")
    failpoints.install(None)
    failpoints.hit("commit.after")
    assert passed == ["commit.before"]


@pytest.mark.parametrize(
    ("order", "passes", "ending"),
    [
        ("a:kill@3", 3, -signal.SIGKILL),
        ("a:kill@3", 2, 0),
        ("a:exit", 1, 1),
        ("b:kill, a:exit@2", 2, 1),
        ("b:kill", 9, 0),
    ],
)
def test_an_order_ends_the_process_at_the_nth_pass(order, passes, ending):
    """Only the place that is named counts, and only its nth pass acts."""
    pid = os.fork()
    if pid == 0:
        failpoints.install(failpoints.parse(order))
        for _ in range(passes):
            failpoints.hit("a")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == ending


@pytest.mark.parametrize("order", ["a", "a:burn", ":kill", "a:kill@0", "a:kill@x"])
def test_an_unreadable_order_is_refused(order):
    """A typing mistake must not become a test that crashes nothing."""
    with pytest.raises(ConfigError, match="cannot be read"):
        failpoints.parse(order)
