"""The watch of a lab: what people would have been sent, and when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from mainspring.testing import Lab

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def registry():
    """Automations of one test alone."""
    with Registry() as registry:
        yield registry


def transfer() -> None:
    """Do nothing: tests put fakes in its place."""


@pytest.fixture
def backup(registry):
    @ms.workflow(cron="0 3 * * *", owner="ops")
    async def backup(run: ms.Run) -> None:
        await run.options(retry=ms.Retry(attempts=1)).step(transfer)

    return backup


def test_healthy_project_sends_nothing(registry, backup):
    """Not in days, and though no other process lives."""
    with Lab(registry=registry) as lab:
        lab.advance("10d")
        assert len(lab.runs("backup", state="succeeded")) == 10
        assert lab.incidents() == []
        assert lab.messages() == []


def test_failed_run_is_an_incident_and_its_success_resolves_it(registry, backup):
    """Each has its message, at the instant of the run."""
    with Lab(registry=registry) as lab:
        lab.fake(transfer, raises=[ValueError("disk is full"), None])
        lab.advance("4h")
        [incident] = lab.incidents()
        assert (incident.subject.automation, incident.state) == ("backup", "open")
        assert "disk is full" in incident.text
        [opened] = lab.messages()
        assert (opened.channel, opened.event) == ("people", "opened")
        assert "disk is full" in opened.headline
        assert timedelta(0) <= opened.at - FIRST - timedelta(hours=3) <= timedelta(seconds=10)
        lab.advance("1d")
        assert lab.incidents() == []
        assert {incident.subject.kind for incident in lab.incidents(unresolved=False)} == {"permanent_error", "silence"}
        assert [message.event for message in lab.messages()] == ["opened", *["repeated"] * 5, "resolved"]


def test_schedule_that_does_not_run_is_noticed(registry):
    """Silence is an incident, also where nothing failed: the partition is held."""

    @ms.workflow(cron="0 3 * * *", partition="database")
    async def export(run: ms.Run) -> None:
        await asyncio.sleep(3 * 86_400)

    with Lab(registry=registry) as lab:
        lab.advance("3d")
        assert "silence" in {incident.subject.kind for incident in lab.incidents()}
        assert lab.messages("people")
        assert lab.messages("nobody") == []


def test_routes_and_channels_are_those_of_the_configuration(registry, backup, tmp_path):
    """Nothing is sent: no secret of a channel is read."""
    (tmp_path / "mainspring.toml").write_text(
        '[notify]\ngroup_wait = "1m"\n\n[notify.channels]\nops = "slack://secret:SLACK/#ops"\ncalm = "webhook+https://example.org/calm?secret=CALM"\n\n'
        '[[notify.route]]\nmatch = { owner = "ops" }\nto = ["ops"]\n'
    )
    with Lab(registry=registry, config=tmp_path / "mainspring.toml") as lab:
        lab.fake(transfer, raises=ValueError("disk is full"))
        lab.advance("4h")
        [message] = lab.messages()
        assert message.channel == "ops"
        assert timedelta(minutes=1) <= message.at - FIRST - timedelta(hours=3) <= timedelta(minutes=2)
