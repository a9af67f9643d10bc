"""Who starts the runs and what was acknowledged to it: outside the crash domain, in the process of the test."""

import threading
import time
from pathlib import Path

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.engine.definitions.registry import Registry
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs import run_start
from mainspring.service.triggers import event

WORK = Path(__file__).with_name("work.py")


class Load:
    """Orders that are started one after the other, `a_second` at most, and what each of them waits for."""

    def __init__(self, url: str, *, count: int, a_second: float, threads: int = 4) -> None:
        self._registry = Registry.load([WORK])
        self._clock = SystemClock()
        self._store = make_store(url, clock=self._clock)
        self._store.open()
        self._count = count
        self._pause = threads / a_second
        self.acknowledged: list[str] = []
        self.errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(hand, threads), daemon=True) for hand in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self, thread: int, threads: int) -> None:
        try:
            for number in range(thread, self._count, threads):
                self._start("order", number)
                if number % 6 == 0:
                    act = operation_context(Actor("app", "load"), self._clock, command=f"paid-{number}")
                    event.publish(self._store, self._clock, "paid", {"number": number}, act=act)
                if number % 10 == 0:
                    self._start("partitioned", number % 3, f"lane-{number}")
                if number % 2 == 0:
                    self._start("ticket", number)
                if number % 5 == 1:
                    self._start("stub", number)
                if number % 6 == 5:
                    self._start("sale", number)
                if number % 3 == 1:
                    self._start("payment", number)
                time.sleep(self._pause)
        except BaseException as error:
            self.errors.append(error)

    def _start(self, automation: str, number: int, command: str = "") -> None:
        definition = self._registry.get(automation).definition
        act = operation_context(Actor("app", "load"), self._clock, command=command or f"{automation}-{number}")
        run = run_start.start(self._store, self._clock, definition, b'{"number":%d}' % number, act=act).run
        self.acknowledged.append(run)

    @property
    def is_over(self) -> bool:
        """Whether all is started."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """End."""
        self._store.close()
