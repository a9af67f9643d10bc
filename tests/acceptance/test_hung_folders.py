"""A folder whose disk does not answer: it holds up its own trigger and nothing else, and no process waits for it when it is to end."""

from pathlib import Path

import pytest

from tests.acceptance.disks import disk_at, needs_root
from tests.acceptance.works import Works

CODE = """
import mainspring as ms

@ms.on.files("{hung}", pattern="*.csv", settle="0s", after_success="{hung}/done")
@ms.task
def hangs(file: ms.File) -> str:
    return file.path

@ms.on.files("{well}", pattern="*.csv", settle="0s", after_success="{well}/done")
@ms.task
def goes(file: ms.File) -> str:
    return file.path
"""


def in_kernel(supervisor: int) -> list[int]:
    """Return the children of a supervisor of which a thread waits in a call that no signal ends."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    states = {
        pid: [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        for pid in children
    }
    return [int(pid) for pid, found in states.items() if "D" in found]


@pytest.mark.slow
@needs_root
@pytest.mark.timeout(120)
def test_folder_that_hangs_holds_up_nothing_else_and_lets_the_supervisor_end(works: Works, tmp_path: Path) -> None:
    """The other folder's files are imported meanwhile; `down` names the process that the kernel keeps, and does not wait for it."""
    hung, well = tmp_path / "hung", tmp_path / "well"
    well.mkdir()
    with disk_at(hung, tmp_path / "image") as disk:
        works.up(CODE.format(hung=hung, well=well))
        works.until(lambda: works.log.read_text().count("reads from its folder") == 2, "the folders are not watched")
        (hung / "a.csv").write_text("a")
        with disk.frozen():
            works.until(lambda: in_kernel(works.supervisor.pid), "nothing hangs")
            (well / "b.csv").write_text("b")
            works.until((well / "done" / "b.csv").exists, "the other folder waits as well")
            works.supervisor.terminate()
            assert works.supervisor.wait(30) == 0
        assert "does not die: it is in a call of the kernel" in works.log.read_text()
