"""The block of a lock of a backend: what the end of its attempt still has to release, and errors of a release."""

from collections.abc import Callable

import pytest

from mainspring.engine.attempts.backend_lock import BackendLockSource
from mainspring.engine.attempts.named_lock import NamedLock
from mainspring.integrations.base.lock_backend import BackendHolder, BackendLock, LockBackendError
from mainspring.resources.locks import LockHeldError, LockSpec
from tests.polling import polls

SPEC = LockSpec("l", 1)


class Lock(BackendLock):
    """A lock of a backend in memory: `answer` is what its request returns."""

    def __init__(self, answer: int | BackendHolder | Exception = 1) -> None:
        self.answer = answer
        self.releases = 0

    def acquire(self, wait_s: float) -> int | BackendHolder | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def cancel(self) -> None:
        pass

    def is_lost(self) -> bool:
        return False

    def release(self) -> bool:
        self.releases += 1
        return True


def source_of(lock: BackendLock, at_end: dict[Callable[[], None], None]) -> BackendLockSource:
    """Return a source that the end of an attempt releases."""
    source = BackendLockSource("shared", lambda: lock)
    at_end[source.end] = None
    source.forget = lambda: at_end.pop(source.end, None)
    return source


def test_attempt_forgets_a_lock_that_was_released() -> None:
    """A step may take thousands, and its end must not release each of them once more."""
    at_end: dict[Callable[[], None], None] = {}
    lock = Lock()
    for _ in range(3):
        with NamedLock(SPEC, lambda: source_of(lock, at_end)):
            assert len(at_end) == 1
    assert (lock.releases, at_end) == (3, {})
    for found, error in ((BackendHolder("l", "another"), LockHeldError), (LockBackendError("away"), LockBackendError)):
        refused = Lock(found)
        with pytest.raises(error), NamedLock(SPEC, lambda refused=refused: source_of(refused, at_end)):  # type: ignore[misc]
            pass
        assert any(refused.releases for _ in polls(60))
    assert at_end == {}


def test_error_of_a_release_ends_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code would wait for ever for a thread that is dead."""

    def fail(_lock: Lock) -> bool:
        raise ValueError("closed twice")

    monkeypatch.setattr(Lock, "release", fail)
    with pytest.raises(ValueError, match="closed twice"), NamedLock(SPEC, lambda: source_of(Lock(), {})):
        pass
