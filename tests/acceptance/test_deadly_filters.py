"""A filter that ends the process which asks it: real workers, and the others' work beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.one_project import Project

pytestmark = pytest.mark.timeout(120)

_CODE = """
import os
import mainspring as ms

def decide(event):
    if event.data["ending"] == "exit":
        os._exit(3)
    return True

@ms.on.event("come", filter=decide)
@ms.task
def heard(event: ms.Event) -> None: ...

@ms.task
def post(ending: str) -> None:
    ms.publish("come", {"ending": ending})
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, _CODE)
    yield made
    made.kill_all()


def test_a_filter_that_ends_its_process_is_called_no_more_after_a_few(project: Project) -> None:
    """Exactly its delivery fails; what was asked beside it starts, and the worker lives on."""
    for ending in ("well", "exit", "well", "well"):
        project.call("run", "post", f"ending={ending}")
    project.up("up", "--role", "worker", "--role", "scheduler")
    project.until(lambda: settled(project).count("failed") == 1 and len(settled(project)) == 4)
    assert sorted(settled(project)) == ["failed", "started", "started", "started"]
    displayed = project.call("triggers", "show", "heard/event").stdout
    assert "each time the process ended" in displayed
    project.call("run", "post", "ending=well")
    project.until(lambda: settled(project).count("started") == 4)


def settled(project: Project) -> list[str]:
    displayed = project.json("triggers", "show", "heard/event")
    return [row["state"] for row in displayed["deliveries"] if row["state"] != "received"]
