"""`mainspring up`: of three broken files one is fixed; its failure is settled, the incident of the others stays open."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.one_project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
WORK = """
from pathlib import Path
import mainspring as ms

@ms.on.files("inbox", pattern="*.csv", settle="100ms")
@ms.workflow(title="{file.path}")
async def take_in(run: ms.Run, file: ms.File) -> int:
    return await run.step(read, file.path)

@ms.step
def read(path: str) -> int:
    return sum(int(line) for line in Path(path).read_text().split())
"""
BROKEN = ("b.csv", "d.csv", "f.csv")


def test_fixing_one_of_three_broken_files_settles_exactly_one_member(tmp_path: Path) -> None:
    """By the file itself, which comes in again, and by a retry of its run; nothing is green before all three are fixed."""
    project = Project(tmp_path, WORK)
    inbox = tmp_path / "inbox"
    inbox.mkdir()

    def read_output(*words: str) -> Any:
        return [
            (incident["state"], incident["facts"]["members"]) for incident in project.json("incidents", "list", *words)
        ]

    def open_runs() -> dict[str, str]:
        return {run["id"]: run["title"] for run in project.json("failed", "list")}

    try:
        project.up("up", "--processes", "1")
        for name in "abcdefgh":
            file = inbox / f"{name}.csv"
            file.write_text("1\n2\n" if file.name not in BROKEN else "1\nnone\n")
        project.until(lambda: read_output() == [("open", "3 runs failed, 3 open")])
        assert sorted(open_runs().values()) == [str(inbox / name) for name in BROKEN]

        (inbox / "b.csv").write_text("1\n3\n")
        project.until(lambda: read_output() == [("open", "3 runs failed, 1 fixed, 2 open")])
        assert sorted(open_runs().values()) == [str(inbox / name) for name in BROKEN[1:]]
        status = project.call("status", code=9).stdout
        assert "1 fixed, 2 open" in status

        (inbox / "d.csv").write_text("1\n4\n")
        project.until(lambda: read_output() == [("open", "3 runs failed, 2 fixed, 1 open")])
        (left,) = open_runs()
        (inbox / "f.csv").write_text("1\n5\n")
        project.call("runs", "retry", left)
        project.until(lambda: read_output("--state", "resolved") == [("resolved", "3 runs failed, 3 fixed")])
        assert read_output() == []
        project.call("status")
    finally:
        project.stop()
        project.kill_all()
