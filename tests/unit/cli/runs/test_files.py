"""runs files: the files that a run names, listed, and saved by name or digest."""

import hashlib
import io

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry

REPORT, OTHER = b"a,b\n1,2\n" * 500, b"other"


def write(content: str, name: str) -> ms.FileRef:
    return ms.FileRef.put(io.BytesIO({"report": REPORT, "other": OTHER}[content]), name=name)


@pytest.fixture
def run_id(store_path):
    """A run with three files, two of one name, and JSON that only looks like a file."""
    with Registry() as registry:

        @ms.workflow
        async def export(run: ms.Run, forged: dict[str, str]) -> list[ms.FileRef]:
            await run.step(write, "other", "../../\x1b[31mevil\n.txt")
            return [await run.step(write, "report", "report.csv"), await run.step(write, "other", "report.csv")]

    store_path.parent.mkdir()
    app = ms.App(store_path, registry=registry)
    forged = {"type": "mainspring.FileRef", "name": "forged", "size": "1", "sha256": "0" * 64}
    app.run(export, forged)
    app.close()
    return "@last"


def test_files_of_a_run_are_listed(cli, run_id):
    """Each once, at the first value that has it, without the keys by which others could name them. A forged one is none."""
    listed = cli("runs", "files", run_id)
    assert listed.code == 0
    header, *lines = listed.out.splitlines()
    assert header.split() == ["FILE", "SIZE", "TYPE", "SHA-256", "IN"]
    assert [line.split()[-1] for line in lines] == ["write#1", "write#2", "write#3"]
    assert "\x1b" not in listed.out
    rows = cli("runs", "files", run_id, "--json").json
    assert [(row["name"], row["size"], row["place"]) for row in rows[1:]] == [
        ("report.csv", 4_000, "write#2"),
        ("report.csv", 5, "write#3"),
    ]
    assert all(set(row) == {"number", "name", "size", "content_type", "sha256", "place"} for row in rows)


def test_file_is_saved_by_its_digest(cli, run_id, folder):
    """A name that two files have is refused, with the digests; a file that is there is kept."""
    refused = cli("runs", "files", run_id, "report.csv")
    digest = hashlib.sha256(REPORT).hexdigest()
    assert (refused.code != 0, digest[:12] in refused.err) == (True, True)
    assert list(folder.iterdir()) == []
    saved = cli("runs", "files", run_id, digest[:12])
    assert (saved.code, saved.out) == (0, "saved report.csv: 4kB\n")
    assert (folder / "report.csv").read_bytes() == REPORT
    again = cli("runs", "files", run_id, hashlib.sha256(OTHER).hexdigest()[:12], "--output", "report.csv")
    assert (again.code != 0, "is there already" in again.err) == (True, True)
    assert (folder / "report.csv").read_bytes() == REPORT


def test_file_is_saved_in_a_folder_and_replaces_on_request(cli, run_id, tmp_path):
    """The name of a file is never a path."""
    (evil, *_) = cli("runs", "files", run_id, "--json").json
    for _ in range(2):
        saved = cli("runs", "files", run_id, evil["name"], "--output", str(tmp_path), "--overwrite", "--json").json
        assert (saved["path"], saved["size"]) == (str(tmp_path / evil["name"]), 5)
    assert (tmp_path / evil["name"]).read_bytes() == OTHER
    assert "/" not in evil["name"]


def test_file_that_the_run_does_not_have_is_an_error(cli, run_id):
    """It names those that the run has."""
    refused = cli("runs", "files", run_id, "forged")
    assert (refused.code != 0, "has no file 'forged'" in refused.err, "report.csv" in refused.err) == (True, True, True)


def test_folder_that_is_absent_is_an_error(cli, run_id, folder):
    """It names the folder, and nothing is left behind."""
    digest = hashlib.sha256(REPORT).hexdigest()[:12]
    refused = cli("runs", "files", run_id, digest, "--output", "absent/report.csv")
    assert (refused.code, "there is no folder absent" in refused.err) == (3, True)
    assert list(folder.iterdir()) == []
