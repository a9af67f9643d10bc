"""The pool of daemon threads."""

import threading
from queue import SimpleQueue

from mainspring.engine.attempts.thread_pool import DaemonThreadPool


def test_pool_uses_threads_again_and_no_more_than_it_may():
    """Work goes to an idle thread before a new one is started, and never to more than the size."""
    pool, done = DaemonThreadPool(2), SimpleQueue()

    def work():
        done.put(threading.get_ident())
        return False

    used = set()
    for _ in range(50):
        pool.submit(work)
        used.add(done.get(timeout=10))
    assert len(used) <= 2
    pool.close()


def test_pool_starts_no_thread_that_waits_for_another():
    """With every thread busy, work waits its turn and loses none."""
    pool, go, done = DaemonThreadPool(2), threading.Event(), SimpleQueue()

    def work():
        go.wait(10)
        done.put(threading.get_ident())
        return False

    for _ in range(10):
        pool.submit(work)
    go.set()
    assert len({done.get(timeout=10) for _ in range(10)}) <= 2
    pool.close()


def test_abandoned_thread_is_made_up_for_and_ends_when_it_returns():
    """A hung thread costs no place; when it comes back after all, it ends and the size is as before."""
    pool, hang, done = DaemonThreadPool(1), threading.Event(), SimpleQueue()
    hung = []

    def hangs():
        hung.append(threading.current_thread())
        done.put(None)
        hang.wait(10)
        return True

    def work():
        done.put(threading.current_thread())
        return False

    pool.submit(hangs)
    done.get(timeout=10)
    pool.submit(work)
    pool.replace_hung_thread()
    assert done.get(timeout=10) is not hung[0]
    hang.set()
    hung[0].join(10)
    assert not hung[0].is_alive()
    pool.submit(work)
    assert done.get(timeout=10) is not hung[0]
    pool.close()
