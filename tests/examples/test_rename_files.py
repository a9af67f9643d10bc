"""The renames: awkward names, nothing overwritten, killed in the middle, undone."""

import os
from pathlib import Path

import pytest

import mainspring as ms
from examples import rename_files
from tests.examples.lab import Lab, await_that

AWKWARD = {
    b"A B.txt": b"a-b.txt",
    b"line\nend.JPG": b"line-end.jpg",
    b"caf\xe9.txt": "café.txt".encode(),
    b"README.TXT": b"readme-2.txt",
    b"readme.txt": b"readme.txt",
    b"-rf": b"rf",
    "ÜBER\u2028.md".encode(): "über-.md".encode(),
}


def contents(folder: Path) -> dict[bytes, bytes]:
    """Return each file's name and content, as bytes."""
    return {entry.name: Path(os.fsdecode(entry.path)).read_bytes() for entry in os.scandir(os.fsencode(folder))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def fill(folder: Path, names: list[bytes]) -> None:
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)


def test_renames_lose_and_overwrite_nothing(lab: Lab, folder: Path) -> None:
    """Each file has a tidy name and what was in it; once more finds nothing to do."""
    fill(folder, list(AWKWARD))
    assert lab.run("rename_files.py", "rename-files", f"folder={folder}") == len(AWKWARD) - 1
    assert contents(folder) == {new: old for old, new in AWKWARD.items()}
    assert lab.run("rename_files.py", "rename-files", f"folder={folder}") == 0


def test_renames_continue_after_kill_9(lab: Lab, folder: Path) -> None:
    """Killed with some renamed and some not, the same run renames the rest."""
    fill(folder, [b"File %04d \xff.TXT" % n for n in range(800)])
    order = ("rename_files.py", "rename-files", f"folder={folder}", "--key", "once")
    killed = lab.begin(*order)
    await_that(lambda: sum(name.startswith(b"file") for name in contents_names(folder)) > 20, "the first renames")
    killed.kill()
    killed.wait()
    left = sum(name.startswith(b"File") for name in contents_names(folder))
    assert left, "it was killed too late to prove anything"
    assert lab.run(*order) == 800
    assert contents(folder) == {f"file-{n:04}-ÿ.txt".encode(): b"File %04d \xff.TXT" % n for n in range(800)}


def contents_names(folder: Path) -> list[bytes]:
    return os.listdir(os.fsencode(folder))


def test_rename_is_safe_between_link_and_unlink(folder: Path) -> None:
    """An attempt that died when the file had both names leaves it with the new one, no matter who looks next."""
    fill(folder, [b"A"])
    (folder / "a").hardlink_to(folder / "A")
    rename = rename_files.Rename(os.fsencode(folder), b"A", b"a")
    rename_files.rename(rename)
    rename_files.rename(rename)
    assert contents(folder) == {b"a": b"A"}
    rename_files.restore_name(rename)
    assert contents(folder) == {b"A": b"A"}


def test_rename_refuses_a_name_that_another_file_took(folder: Path) -> None:
    """A file that came after the plan was made is not overwritten."""
    fill(folder, [b"A", b"a"])
    with pytest.raises(ms.Permanent, match="taken"):
        rename_files.rename(rename_files.Rename(os.fsencode(folder), b"A", b"a"))
    assert contents(folder) == {b"A": b"A", b"a": b"a"}
