"""The report: two runs of one day make one commit, on top of what another program has pushed."""

from tests.examples.lab import Lab
from tests.unit.actions.git.conftest import OtherProgram, run_git


def test_day_that_is_published_twice_has_one_commit(lab: Lab) -> None:
    """The second run returns the commit of the first; another day is another commit."""
    files, remote = lab.folder / "files", lab.folder / "reports.git"
    files.mkdir()
    (files / "a.txt").write_text("x" * 1_000)
    remote.mkdir()
    run_git(remote, "init", "-q", "--bare")
    commits = [
        lab.run("publish_report.py", "publish-report", f"remote={remote}", f"folder={files}", f"day={day}")
        for day in ("2026-11-29", "2026-11-29")
    ]
    other = OtherProgram(remote, lab.folder / "other")
    other.push("readme", "by a person")
    commits.append(
        lab.run("publish_report.py", "publish-report", f"remote={remote}", f"folder={files}", "day=2026-11-30")
    )
    assert commits[0] == commits[1] != commits[2]
    assert other.subjects() == ["Report of 2026-11-30", "other readme", "Report of 2026-11-29"]
    assert other.read("2026-11-30.txt").split() == ["1,000", "a.txt"]
