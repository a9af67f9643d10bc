"""A restored store and a real broker: what was published before the restoring waits for a person, also after the release."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mainspring.integrations.brokers import parse_broker_queue
from tests.acceptance.one_project import Project
from tests.brokers.server import Sent
from tests.brokers.servers import start_broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WORK = """
import os
import mainspring as ms

@ms.on.queue("{url}", key="{{body.id}}")
@ms.task
def book(id: str) -> None:
    with open(os.environ["EFFECTS"], "a") as out:
        out.write(id + "\\n")
"""


@pytest.mark.parametrize("name", ["nats", "rabbit"])
def test_message_of_before_the_restoring_waits_for_a_person(tmp_path: Path, name: str) -> None:
    """Each broker's date of a message says when it was published; one of later starts its run, and a person lets the other catch up."""
    broker = start_broker(name)
    url = asyncio.run(broker.new_queue())
    project = Project(tmp_path, WORK.format(url=url))

    def send(key: str, at: datetime) -> None:
        """As another program sends it; RabbitMQ notes the date that the sender states, in whole seconds."""
        message = Sent(key, f'{{"id": "{key}"}}'.encode(), at=at)
        asyncio.run(broker.send_raw(parse_broker_queue(url), message))

    def effects() -> list[str]:
        return sorted(project.effects.read_text().split())

    def lost() -> list[Any]:
        return [delivery["key"] for delivery in project.json("db", "restore", "--lost")["deliveries"]]

    try:
        project.up("up", "--processes", "1")
        send("known", datetime.now(UTC))
        project.until(lambda: effects() == ["known"])
        made = project.json("db", "backup", str(tmp_path / "kept"))
        send("done", datetime.now(UTC))
        project.until(lambda: effects() == ["done", "known"])
        project.stop()
        send("before", datetime.now(UTC))

        project.call("db", "restore", made["path"], "-y")
        project.call("db", "restore", "--decide", "done", "-y")
        project.call("db", "restore", "--release")
        project.up("up", "--processes", "1")
        send("after", datetime.now(UTC) + timedelta(seconds=1))
        project.until(lambda: "after" in effects())
        project.until(lambda: lost() == ["before"])
        assert effects() == ["after", "done", "known"]
        assert asyncio.run(broker.left(parse_broker_queue(url), "mainspring-book")) == 0

        project.call("db", "restore", "--catch-up", "-y")
        project.until(lambda: effects() == ["after", "before", "done", "known"])
    finally:
        project.stop()
        project.kill_all()
        broker.remove()
