"""Wherever a process is killed between the failure of a run and the message about it: each is reported, once for each of its incidents.

On both databases. TESTS_LONG=1 kills at each point; without it at a sample of them.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from mainspring.domain.clock import SystemClock
from tests.acceptance.receiver import Receiver
from tests.crash.alerting import FAILURES, Order
from tests.crash.effects import ROOT
from tests.crash.experiments import World
from tests.crash.scenarios import ALL
from tests.crash.stores import open_store
from tests.sampling import sample_points
from tests.unit.alerting.peer import SlackPeer

pytestmark = pytest.mark.timeout(0 if ALL else 120)


class Template:
    """The process that workers and watchers are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.alerting"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def live(self, order: Order) -> dict[str, Any]:
        """Let one process do what is ordered, to its end or until it is killed; return how it ended and what it passed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer["code"] in (0, -9)
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)


class Slack:
    """A server like Slack's that shows each message as often as it is posted, in a thread of its own."""

    def __init__(self) -> None:
        self.peer = SlackPeer()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self.peer.start())

    def _do(self, condition: Any) -> None:
        asyncio.run_coroutine_threadsafe(condition, self._loop).result(60)

    def close(self) -> None:
        self._do(self.peer.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Site:
    """A store, and two channels that hear of what fails on it."""

    def __init__(self, world: World, template: Template, slack: Slack) -> None:
        self._world = world
        self._template = template
        self.folder = world.fresh()
        self._url = world.urls[self.folder.name]
        self.receiver = Receiver()
        self.slack = slack.peer
        self.slack.messages.clear()
        channels = self.receiver.settings
        self._methods = {
            "channels": {
                "ops": channels["MAINSPRING_NOTIFY_CHANNELS__OPS"],
                "slack": f"slack://secret:bot/#ops?api={self.slack.url}/api",
            },
            "secrets": {
                "MAINSPRING_SECRET_TOLD": channels["MAINSPRING_SECRET_TOLD"],
                "MAINSPRING_SECRET_BOT": "xoxb-right",
            },
        }

    def live(self, role: str, die_at: int = 0) -> dict[str, Any]:
        return self._template.live(self.order(role, die_at))

    def order(self, role: str, die_at: int = 0) -> Order:
        return Order(role, self._url, die_at, **self._methods)

    def faults(self) -> list[str]:
        """Return what is not as it must be once all is reported."""
        store = open_store(self._url, SystemClock())
        store.open()
        groups: dict[str, int] = dict(store.reader.read_text("select automation, number from error_groups"))
        incidents = store.reader.read_text("select id, automation, state, opened, number from incidents")
        store.close()
        errors = [] if groups == FAILURES else [f"failures are counted as {groups}"]
        if sorted(incident[1:] for incident in incidents) != [
            (name, "open", 1, n) for name, n in sorted(FAILURES.items())
        ]:
            errors.append(f"incidents are {incidents}")
        notified = Counter(message["data"]["key"] for message in self.receiver.messages)
        if notified != {f"mainspring:{id}:1": 1 for id, *_ in incidents}:
            errors.append(f"the webhook was notified of {notified}")
        displayed = Counter(name for text in self.slack.visible_messages for name in FAILURES if name in text)
        if displayed != dict.fromkeys(FAILURES, 1) or len(self.slack.threads) != len(FAILURES):
            errors.append(f"Slack shows {self.slack.messages}")
        return errors

    def close(self) -> None:
        self.receiver.close()
        self._world.drop(self.folder)


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    made = Template()
    yield made
    made.close()


@pytest.fixture(scope="module")
def slack() -> Iterator[Slack]:
    made = Slack()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "watcher"])
def test_failure_is_reported_once_wherever_its_notifier_is_killed(
    world: World, template: Template, slack: Slack, role: str
) -> None:
    """Killed before each statement, around each commit and each request; the next one tells what is not told yet, and nothing twice."""
    site = Site(world, template, slack)
    points = {name: site.live(name)["points"] for name in ("worker", "watcher")}[role]
    assert site.faults() == []
    site.close()
    assert points > 12, "so few points prove too little"
    one_in = min(34 if world.stores.is_dear else 18, points // 4)
    killed, tried = 0, sample_points(f"notifications of a {role}", points, one_in=one_in)
    for die_at in tried:
        site = Site(world, template, slack)
        for name in ("worker", "watcher"):
            if name == role:
                killed += site.live(name, die_at)["code"] == -9
            site.live(name)
        assert site.faults() == [], f"the {role} was killed at point {die_at} of {points}"
        site.close()
    print(f"{role}: {points} points, {killed} kills")
    assert killed >= len(tried) // 3, "groups differ from life to life, but not so much"


def test_two_watchers_at_once_report_once(world: World, template: Template, slack: Slack) -> None:
    """Both look, both group, both tell: each failure is counted once, and each message is seen once."""
    other = Template()
    try:
        for _ in range(5 if ALL else 2):
            site = Site(world, template, slack)
            site.live("worker")
            with ThreadPoolExecutor(2) as pool:
                order = site.order("watcher")
                list(pool.map(Template.live, (template, other), (order, order)))
            assert site.faults() == []
            site.close()
    finally:
        other.close()
