"""Counters of runs on a real store: they never go down, and their labels are bounded."""

from collections import Counter
from types import SimpleNamespace

import pytest

from mainspring.alerting.metrics.metrics_reader import OTHER, RunCounts
from mainspring.store.commands.automations import ApplyRetention, ScheduleRow
from mainspring.web.routes import ProbeRoutes
from mainspring.web.webhooks.request_counts import WebhookCounts
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import SqliteProcess, fail, finish, outcome
from tests.unit.web.test_web import HostChecks, ask

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path, clock):
    process = SqliteProcess(tmp_path / "s.db", clock).open()
    process.announce("a", "b")
    yield process
    process.close()


class Web:
    """A web process that is asked for its figures."""

    def __init__(self, store: SqliteProcess, most: int = 10) -> None:
        self.store = store
        self._counts = RunCounts(most)
        self.last: Counter[tuple[str, str]] = Counter()

    def ask(self, *names: str) -> Counter[tuple[str, str]]:
        found = self._counts.read(self.store.reader, list(names or ("a", "b")), self.store.clock.now())
        assert all(found[key] >= n for key, n in self.last.items() if key in found), "a counter went down"
        self.last = found
        return found


def end(store, automation="a", *, well=True):
    run = store.begin(automation=automation)
    store.clock.forward(5)
    store.do(outcome(run, 1), finish(run)) if well else store.do(fail(run))


def test_counts_never_decrease_during_rollup_and_pruning(store, clock):
    """Over 120 days of runs, each day asked, folded and pruned: they are all that ever was, for a new process too."""
    web = Web(store)
    for day in range(1, 121):
        end(store)
        if day % 12 == 0:
            end(store, "b", well=False)
        clock.forward(DAY)
        store.do(ApplyRetention(None, None, None, None, clock.now() - 40 * DAY))
        if day % 7 == 0:
            web.ask()
    found = web.ask()
    assert (found["a", "succeeded"], found["a", "steps"], found["a", "started"]) == (120, 120, 120)
    assert (found["b", "failed"], found["b", "reason:permanent_error"]) == (10, 10)
    assert found["a", "duration_ms"] == 600
    assert found["a", "ms<=2^3"] == 120
    assert Web(store).ask() == found
    assert store.read("sums_since", HOUR)[0].succeeded < 120, "something was pruned"


def test_counts_see_what_comes_between_two_questions(store, clock):
    """Each end is counted once, however the questions fall among the hours."""
    web = Web(store)
    for number in range(1, 60):
        end(store)
        assert web.ask()["a", "succeeded"] == number
        clock.forward(7 * 60_000 + number * 13_000)
        assert web.ask()["a", "succeeded"] == number


def test_counts_continue_under_a_new_name(store, clock):
    """The old name is reported no more; the new one begins with what can still be read, and only grows."""
    web = Web(store)
    end(store)
    web.ask()
    clock.forward(5 * HOUR)
    end(store)
    web.ask()
    store.announce("new", was="a")
    assert ("a", "succeeded") not in web.ask("new", "b")
    end(store, "new")
    assert web.ask("new", "b")["new", "succeeded"] == 2
    assert Web(store).ask("new", "b")["new", "succeeded"] == 3


def test_automations_beyond_the_most_are_reported_together(store, clock):
    """A name that once has its place keeps it, whatever comes before it in the alphabet."""
    web = Web(store, most=2)
    store.announce("a", "b", "c", "d", OTHER)
    for name in ("a", "b", "c", "d", OTHER):
        end(store, name)
    found = web.ask("b", "c", "d", OTHER)
    assert {name for name, _ in found} == {"b", "c", OTHER}
    assert found[OTHER, "succeeded"] == 3
    end(store, "a")
    found = web.ask("a", "b", "c", "d", OTHER)
    assert {name for name, _ in found} == {"b", "c", OTHER}
    assert found[OTHER, "succeeded"] == 4


def test_counts_are_what_they_were_when_the_store_did_not_answer(store, clock):
    """A question that fails changes nothing of what was added up."""
    web = Web(store)
    end(store)
    clock.forward(3 * HOUR)

    class Away:
        def snapshot(self):
            raise OSError

    counts = web._counts
    with pytest.raises(OSError):
        counts.read(Away(), ["a"], clock.now())
    assert web.ask()["a", "succeeded"] == 1


@pytest.mark.asyncio
async def test_metrics_of_a_real_store_are_answered(store, clock, tmp_path):
    """One failed run, a schedule that was due two minutes ago, and the store's own file stand in what /metrics answers."""
    store.announce("a", "b", schedules=(ScheduleRow("b", "b", b"{}", clock.now() + 1_000),))
    end(store, well=False)
    clock.forward(121_000)
    intake = SimpleNamespace(listen_error=None, table=[], counts=WebhookCounts())
    process = SimpleNamespace(store=SimpleNamespace(reader=store.reader, clock=clock))
    routes = ProbeRoutes(process, HostChecks(), None, is_open=True, intake=intake, file=tmp_path / "s.db")  # type: ignore[arg-type]
    status, headers, body = await ask(routes, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'mainspring_runs_total{automation="a",outcome="failed"} 1',
        'mainspring_runs_total{automation="b",outcome="failed"} 0',
        'mainspring_run_failures_total{automation="a",reason="permanent_error"} 1',
        'mainspring_run_duration_seconds_count{automation="a"} 1',
        "mainspring_slots_late 1",
        'mainspring_slot_late_seconds{automation="b"} 120.005',
        f"mainspring_store_file_bytes {(tmp_path / 's.db').stat().st_size}",
    ):
        assert f"{line}\n" in body
