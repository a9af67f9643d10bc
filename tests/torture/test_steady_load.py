"""Hours of steady load: memory, descriptors, threads, write-ahead log and tables stay as large as they were."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer
from tests.torture.steady import SECRET, Sample, SteadyLoad, SteadyProject, growth, larger_than_before, watch

ALL = os.environ.get("TESTS_LONG") == "1"
MINUTES = float(os.environ.get("TESTS_STEADY_MINUTES", "12" if ALL else "0.3"))
"""The long run is TESTS_STEADY_MINUTES=120."""
A_SECOND = float(os.environ.get("A_SECOND", "8"))
SAMPLES = 120 if MINUTES > 1 else 12
RETENTION = "6m" if MINUTES >= 60 else "1m"
"""Finished runs are deleted after this span, so that the tables reach their size within the first quarter."""
MOST_LOG = 64 * 1024**2
WITHIN_S = 120.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if ALL or MINUTES > 1 else 240)]


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteadyProject]:
    monkeypatch.setenv("MAINSPRING_SECRET_STEADY", SECRET)
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    server = PostgresServer().start() if request.param == "postgres" else None
    made = SteadyProject(folder, url=server.new_store() if server else None, stored=RETENTION)
    yield made
    made.stop()
    if server is not None:
        server.remove()
    shutil.rmtree(folder, ignore_errors=True)


def test_steady_load_holds_no_more_after_hours(site: SteadyProject) -> None:
    """Nothing grows, each accepted order is done once, no incident is open but of the orders that fail for good."""
    load = SteadyLoad(site, a_second=A_SECOND)
    samples = watch(site, load, minutes=MINUTES, every_s=MINUTES * 60 / SAMPLES)
    load.close()
    assert load.errors == []
    print(_table(samples, load.accepted))
    site.project.until(lambda: _open_runs(site) == 0, timeout_s=WITHIN_S)
    assert _invalid_effects(site, load.accepted) == []
    kinds = {kind for (kind,) in site.read("select distinct kind from incidents")}
    assert kinds <= {"permanent_error", "too_often", "recurring"}
    assert max(sample.measures.get("store log", 0.0) for sample in samples) <= MOST_LOG
    if MINUTES > 1:
        assert larger_than_before(growth(samples), load.accepted // 2) == []


def _open_runs(site: SteadyProject) -> int:
    ((number,),) = site.read("select count(*) from runs where finished_at is null and automation <> 'tick'")
    return int(str(number))


def _invalid_effects(site: SteadyProject, accepted: int) -> list[str]:
    """Return the orders that were not charged, or under two keys, or not sent though they can be."""
    lines = {tuple(line.split(" ", 1)) for line in site.project.effects.read_text(encoding="ascii").splitlines()}
    keys = Counter(text for _, text in lines)
    due = [f"charge {n}" for n in range(accepted)] + [f"send {n}" for n in range(accepted) if n % 100 != 99]
    due += [f"parcel {n}" for n in range(0, accepted, 5)] + [f"pack {n}" for n in range(0, accepted, 4)]
    return [f"{text}: {keys[text]}" for text in due if keys[text] != 1]


def _table(samples: list[Sample], accepted: int) -> str:
    lines = [
        f"{accepted} orders in {samples[-1].at_s / 60:.0f} minutes",
        f"{'figure':28}{'2nd quarter':>16}{'last quarter':>16}",
    ]
    return "\n".join(lines + [f"{name:28}{was:16,.0f}{now:16,.0f}" for name, (was, now) in growth(samples).items()])


def test_growth_of_a_stat_is_found() -> None:
    """A leak of 1 MiB a minute, one descriptor that is not closed, and tables that are not pruned."""

    def sample(minute: int) -> Sample:
        measures = {
            "worker memory": (100 + minute) * 2.0**20,
            "web descriptors": 20.0 + minute // 10,
            "store file": 1e7 + minute * 1e6,
        }
        return Sample(minute * 60, {**measures, "web memory": 5e7, "store dead rows": minute % 7 * 1000.0})

    found = larger_than_before(growth([sample(minute) for minute in range(120)]), orders=1_000)
    assert [line.partition(":")[0] for line in found] == ["store file", "web descriptors", "worker memory"]
