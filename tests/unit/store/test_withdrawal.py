"""A full disk keeps commands waiting: a caller with little patience takes its own back, and no one else's."""

import threading

import pytest

from mainspring.domain.errors import StoreFullError, StoreUnavailableError
from mainspring.store.base import CommitChanges, CommitReport
from mainspring.store.committer import Committer


class Disk:
    """A database that refuses all commits with a fault, while it has one; it keeps what was committed."""

    hints = None
    meanwhile = None
    warning = None
    poll_in = 1.0

    def __init__(self, fault):
        self.fault = fault
        self.committed = []
        self.tries = 0
        self.is_tried = threading.Event()

    def commit(self, commands, *, again=False):
        self.tries += 1
        if self.fault is not None:
            self.is_tried.set()
            raise self.fault
        self.committed += commands
        return CommitReport([f"did {command}" for command in commands], CommitChanges())

    def poll(self):
        return False


@pytest.fixture
def committer(request):
    made = Committer(Disk(request.param), lambda answers: [done(result) for done, result in answers])
    made.start()
    yield made
    made.stop(drain=False)


FULL = StoreFullError("the disk of the store is full")


@pytest.mark.parametrize("committer", [FULL], indirect=True)
def test_caller_with_a_short_timeout_gets_the_error_and_nothing_is_done(committer):
    """Also later, when there is room: what others wait for is committed then, and it is not."""
    disk, answers, is_done = committer._database, [], threading.Event()
    committer.submit("kept", lambda result: (answers.append(result), is_done.set()))
    with pytest.raises(StoreFullError, match="nothing was done: the disk of the store is full"):
        committer.apply("withdrawn", timeout_s=0.01)
    disk.fault = None
    assert is_done.wait(30)
    assert (disk.committed, answers) == (["kept"], ["did kept"])
    assert committer.apply("after", timeout_s=0.01) == "did after"


@pytest.mark.parametrize("committer", [StoreUnavailableError("the server is away")], indirect=True)
def test_command_whose_commit_is_unknown_cannot_be_withdrawn(committer):
    """It may have taken place: its caller waits until that is known."""
    disk, results = committer._database, []
    caller = threading.Thread(target=lambda: results.append(committer.apply("unknown", timeout_s=0.01)))
    caller.start()
    assert disk.is_tried.wait(30)
    tries = disk.tries
    while disk.tries < tries + 5:
        disk.is_tried.clear()
        assert disk.is_tried.wait(30)
    assert results == []
    disk.fault = None
    caller.join(30)
    assert results == ["did unknown"]


@pytest.mark.parametrize("committer", [FULL], indirect=True)
def test_commands_in_order_wait_once_for_a_full_disk(committer):
    """One timeout for all of them; with room they are committed in their order."""
    disk = committer._database
    results = committer.apply_in_order([f"withdrawn {number}" for number in range(3)], timeout_s=0.01)
    assert [type(result) for result in results] == [StoreFullError] * 3
    disk.fault = None
    assert committer.apply_in_order(["one", "two", "three"]) == ["did one", "did two", "did three"]
    assert disk.committed == ["one", "two", "three"]
