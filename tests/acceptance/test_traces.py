"""A run as a tracing backend sees it: what a real collector receives from real workers; one is killed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.one_project import Project
from tests.otlp_collector import OtlpCollector

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

AUTOMATIONS = """
import asyncio, os
from pathlib import Path
import mainspring as ms

@ms.workflow
async def ship(run: ms.Run, number: int) -> int:
    return await run.step(book, number)

@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.step(charge, "canary-of-an-input")
    await asyncio.sleep(0.3)
    await run.options(retry=ms.Retry(attempts=3, initial="10ms")).step(gate)
    await run.child(ship, number)
    await asyncio.sleep(0.3)
    return "canary-of-a-result"

async def charge(text: str) -> str:
    return text

async def book(number: int) -> int:
    return number

async def gate() -> None:
    if ms.attempt() == 1:
        raise ms.Transient("canary-of-a-message")
    with open(os.environ["EFFECTS"], "a") as file:
        file.write("gate\\n")
    while not Path("open").exists():
        await asyncio.sleep(0.02)
"""


@pytest.fixture
def project(tmp_path: Path, collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("MAINSPRING_SECRET_OTLP", "authorization=Bearer%20key-of-the-collector,x-team=ops")
    more = f'[otel]\nendpoint = "{collector.endpoint}"\nheaders_secret = "secret:OTLP"\nservice = "billing"\n'
    made = Project(tmp_path, AUTOMATIONS, more)
    yield made
    made.kill_all()


def test_run_that_is_killed_and_resumed_is_one_trace(project: Project, collector: OtlpCollector) -> None:
    """Steps, attempts, timer and child stand below the right spans, each step once, and nothing of a value is reported."""
    project.up("up", "--role", "worker")
    run = project.start("order", "number=7")
    project.until(project.effects.read_text, timeout_s=20)
    collector.until("charge", "timer", "gate attempt", "work")
    project.kill_all()
    (project.folder / "open").touch()
    project.up("up", "--role", "worker")
    project.until(lambda: project.states().get(run) == "succeeded")
    collector.until("order", "ship")
    project.stop()

    (order,), (ship,) = ([span for span in collector.named(name) if not span.parent] for name in ("order", "ship"))
    own = [span for span in collector.spans if span["run"] == run]
    assert (
        {span.trace for span in own} == {order.trace} == {hashlib.sha256(f"trace\x1f{run}".encode()).hexdigest()[:32]}
    )
    steps = [span for span in own if span["kind"] in ("step", "timer", "child")]
    assert sorted(span.name for span in steps) == ["charge", "gate", "ship", "timer", "timer"]
    assert {span.parent for span in steps} == {order.id}
    assert len({span.id for span in collector.spans}) == len(collector.spans), "each is reported once"

    (lock_span,) = [span for span in steps if span.name == "gate"]
    tries = sorted((span["attempt"], span.is_error) for span in collector.named("gate attempt"))
    assert tries[0] == (1, True)
    assert tries[-1] == (lock_span["attempt"], False)
    assert {span.parent for span in collector.named("gate attempt")} == {lock_span.id}
    assert lock_span.start_ns <= min(span.start_ns for span in collector.named("gate attempt"))
    assert all(span.start_ns <= span.end_ns for span in collector.spans)

    (child_span,) = [span for span in steps if span["kind"] == "child"]
    waits = sorted((span for span in steps if span["kind"] == "timer"), key=lambda span: span.start_ns)
    work = [(span.trace, span.id) for span in own if span["kind"] == "work"]
    assert waits[0].links[0] not in work, "who went on first was killed, and told nothing of its stretch"
    assert waits[1].links[0] in work
    assert child_span.links == [(ship.trace, ship.id)]
    assert ship.links == [(order.trace, order.id)]
    assert ship.trace != order.trace
    assert b"canary" not in b"".join(collector.bodies)
    assert order.resource["service.name"] == "billing"
    assert {(request["authorization"], request["x-team"], request["path"]) for request in collector.requests} == {
        ("Bearer key-of-the-collector", "ops", "/v1/traces")
    }


def test_watcher_sends_metrics(project: Project, collector: OtlpCollector) -> None:
    """Those of a scrape, at its interval, to the same collector and with its headers."""
    (project.folder / "mainspring.toml").write_text(
        (project.folder / "mainspring.toml").read_text().replace("[otel]\n", '[otel]\nmetrics_every = "1s"\n')
    )
    project.up("up", "--role", "watcher")
    collector.until_metrics()
    project.stop()
    roles = {
        point.attributes[0].value.string_value for point in collector.metrics["mainspring_sessions"].gauge.data_points
    }
    assert "watcher" in roles
    assert {request["path"] for request in collector.requests} == {"/v1/metrics"}
    assert collector.requests[0]["authorization"] == "Bearer key-of-the-collector"
