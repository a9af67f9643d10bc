"""A worker whose runs fail, and a watcher that tells of them, each killed at a chosen point; forked from a warm template (see lives.py).

    python -m tests.crash.alerting     # one JSON request a line on stdin, one answer {code, points} a line on stdout

Real store, real sessions, real looks, real Notifier, real HTTP. `die_at` counts each statement of a group that ends a run, writes a look or
takes and settles alerts, what stands before and after its commit, and what stands before and after each request to a channel; 0 = it lives.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

import mainspring as ms
from mainspring.alerting.evaluation import Evaluator
from mainspring.alerting.notices import NoticeRenderer
from mainspring.alerting.notifier import Notifier
from mainspring.app.stores.store_factory import make_store
from mainspring.app.workers.upkeep import Upkeep
from mainspring.domain.clock import SystemClock
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.rendering import NotificationContext
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.engine.attempts.processes.process_lifetime import set_death_signal
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelLink
from mainspring.integrations.notifiers import read_channel_address
from mainspring.integrations.slack import SlackLink
from mainspring.integrations.standard_webhooks import WebhookLink
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.store import failpoints
from mainspring.store.commands.alerts import LeaseChannels, SettleAlerts
from mainspring.store.commands.incidents import RecordEvaluation
from mainspring.store.commands.runs import CompleteRun, FinishRun
from mainspring.store.committer import Committer
from mainspring.store.postgres import transaction
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents
from mainspring.store.sqlite.transaction import SqliteTransaction
from tests.crash.clients import Client
from tests.crash.stores import working_on

FAILURES = {"broken": 2, "flaky": 1}
"""Automations and how often each fails."""
LEASE_MS = 1_000
_WITHIN_S = 20.0
_COUNTED = (FinishRun, CompleteRun, RecordEvaluation, LeaseChannels, SettleAlerts)
_FAILURES = (IncidentKind.PERMANENT_ERROR, IncidentKind.RETRIES_EXHAUSTED)
_TUNINGS = {kind: msgspec.structs.replace(tuning, on=kind in _FAILURES) for kind, tuning in DEFAULT_TUNINGS.items()}


class Order(msgspec.Struct):
    """What one process is to do: `role` = worker or watcher; `channels` = address by name, `secrets` = their variables."""

    role: str
    url: str
    die_at: int = 0
    channels: dict[str, str] = {}
    secrets: dict[str, str] = {}


class Points:
    """Counts what is passed, and dies where it is asked to."""

    def __init__(self, die_at: int) -> None:
        self.passed = 0
        self._die_at = die_at
        self._is_counted = False

    def hit(self) -> None:
        self.passed += 1
        if self.passed == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Pass here before each statement of both databases, at the commits, and around each request."""
        failpoints.install(self._place)
        for name in ("first", "all", "change"):
            setattr(SqliteTransaction, name, self._counted(getattr(SqliteTransaction, name)))
        transaction.run = self._counted(transaction.run)
        until_known, post = Committer._commit_group, HttpClient.post

        def noting(committer: Committer) -> Any:
            self._is_counted = any(isinstance(command, _COUNTED) for command, _ in committer._group)
            try:
                return until_known(committer)
            finally:
                self._is_counted = False

        async def posting(http: HttpClient, *args: Any, **options: Any) -> Any:
            self.hit()
            answer = await post(http, *args, **options)
            self.hit()
            return answer

        Committer._commit_group = noting  # type: ignore[method-assign, assignment]
        HttpClient.post = posting  # type: ignore[method-assign, assignment]

    def _place(self, place: str) -> None:
        if self._is_counted or place.startswith("notifier."):
            self.hit()

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            if self._is_counted:
                self.hit()
            return function(*args)

        return counted


def declared() -> Registry:
    """Return what fails: at once for good, and after a second try."""
    with Registry() as registry:

        @ms.task
        def broken() -> None:
            raise ValueError("the file has no header")

        @ms.task(retry=ms.Retry(attempts=2, initial="1ms"))
        def flaky() -> None:
            raise ms.Transient("no answer")

    return registry


async def _work(order: Order) -> None:
    """Start what fails, under ids that make it once, and work until all have failed."""
    registry = declared()
    client = Client(order.url, registry)
    working = working_on(order.url, registry, upkeep=Upkeep(), lease_ms=LEASE_MS)
    await working.open()
    for name, number in FAILURES.items():
        for index in range(number):
            await asyncio.to_thread(client.start, name, b"{}", f"{name}-{index}")
    text = "select count(*) from runs where state = 'failed'"
    await _until(lambda: client.rows(text) == [(sum(FAILURES.values()),)])


async def _watch(order: Order) -> None:
    """Look and tell until nothing is left to be reported."""
    loop, clock = asyncio.get_running_loop(), SystemClock()

    def deliver(answers: list[tuple[Callable[[Any], object], Any]]) -> None:
        for done, result in answers:
            loop.call_soon_threadsafe(done, result)

    store = make_store(order.url, clock=clock, deliver=deliver, lease_ms=LEASE_MS)
    store.open()
    store.open_session("watcher")
    watch = Evaluator(store, clock, tunings=_TUNINGS, redact=str, routing=routing_to(order.channels))
    upkeep, faults = Upkeep(), ErrorText(SecretStore.of(None, order.secrets))
    links = {name: link_to(address, faults) for name, address in order.channels.items()}
    notices = NoticeRenderer(
        lambda _automation: None, lambda _definition, _incident: None, tuple, NotificationContext()
    )
    notifier = Notifier(store, lambda: incidents.is_alert_due(store.reader, clock.now()), links, notices, clock, faults)
    notifier.start()
    until = time.monotonic() + _WITHIN_S
    while _has_open_alert(store):
        await asyncio.to_thread(upkeep.run_once, store, clock.now())
        await asyncio.to_thread(watch.evaluate_once)
        notifier.changed()
        await asyncio.sleep(0.01)
        assert time.monotonic() < until, "it is not all told"
    await notifier.close()
    await asyncio.to_thread(store.close)


def routing_to(channels: dict[str, str]) -> NotificationRouting:
    """Return routes by which all channels hear at once."""
    return NotificationRouting(channels=tuple(channels), group_wait_ms=0)


def link_to(address: str, faults: ErrorText) -> ChannelLink:
    """Return a link that need not spare anyone's server."""
    channel = read_channel_address(address)
    if address.startswith("slack"):
        return SlackLink(channel, faults, SystemClock(), gap_s=0.0)
    return WebhookLink(channel, faults, SystemClock())


def _has_open_alert(store: ProcessStore) -> bool:
    unsent = store.reader.read_text("select 1 from alerts where state = 'unsent' limit 1")
    return bool(unsent or incidents.ungrouped_failures(store.reader, 1))


async def _until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(_WITHIN_S):
        while True:
            started = time.monotonic()
            if await asyncio.to_thread(fact):
                return
            await asyncio.sleep(max(0.005, 2 * (time.monotonic() - started)))


def serve() -> None:
    """Fork a process for each order; answer once it has ended."""
    set_death_signal(signal.SIGKILL)
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            code = 70
            try:
                set_death_signal(signal.SIGKILL)
                points = Points(order.die_at)
                points.install()
                asyncio.run(_work(order) if order.role == "worker" else _watch(order))
                os.write(write_end, str(points.passed).encode())
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(write_end)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        passed = os.read(read_end, 100) or b"0"
        os.close(read_end)
        sys.stdout.write(json.dumps({"code": code, "points": int(passed)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
