"""Entries of folders: moved, renamed, removed and made; old files are pruned."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainspring.actions import files
from mainspring.actions.files import content, entries
from mainspring.actions.files.place import Place
from mainspring.actions.files.temporary import temporary_name
from mainspring.domain.errors import OptionError
from mainspring.store import failpoints


def listing(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_move_returns_whether_it_moved(tmp_path: Path) -> None:
    """The second call finds it moved; with neither path it is an error."""
    (tmp_path / "a").write_text("a")
    assert files.move(tmp_path / "a", tmp_path / "below" / "b", make_folders=True)
    assert not files.move(tmp_path / "a", tmp_path / "below" / "b")
    with pytest.raises(files.FileActionError, match="neither source nor target exists"):
        files.move(tmp_path / "a", tmp_path / "b")


def test_move_onto_itself_changes_nothing(tmp_path: Path) -> None:
    """The file stays."""
    (tmp_path / "a").write_text("a")
    assert not files.move(tmp_path / "a", f"{tmp_path}/./a")
    assert (tmp_path / "a").read_text() == "a"


def test_move_never_replaces_other_content_unless_it_may(tmp_path: Path) -> None:
    """Both files stay."""
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(files.FileActionError, match="exists with other content"):
        files.move(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]
    assert files.move(tmp_path / "a", tmp_path / "b", replace=True)
    assert (listing(tmp_path), (tmp_path / "b").read_text()) == (["b"], "a")


def test_move_between_its_two_names_is_completed(tmp_path: Path) -> None:
    """A killed call may leave both."""
    (tmp_path / "a").write_text("a")
    os.link(tmp_path / "a", tmp_path / "b")
    assert files.move(tmp_path / "a", tmp_path / "b")
    assert listing(tmp_path) == ["b"]


def test_move_to_another_disk_copies_and_removes(tmp_path: Path) -> None:
    """A folder on another disk is refused."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    target = other / f"mainspring-test-{os.getpid()}"
    (tmp_path / "a").write_text("a")
    (tmp_path / "folder").mkdir()
    try:
        assert files.move(tmp_path / "a", target)
        assert (target.read_text(), listing(tmp_path)) == ("a", ["folder"])
        with pytest.raises(files.FileActionError, match=r"files.archive\(folder, to\)"):
            files.move(tmp_path / "folder", f"{target}-folder")
    finally:
        target.unlink()


def change_between(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[], object]) -> None:
    """Let another program do this just before the action calls `os.NAME`."""
    original = getattr(os, name)

    def call(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(os, name, original)
        change()
        return original(*args, **options)

    monkeypatch.setattr(os, name, call)


def test_move_never_replaces_a_file_that_appears_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files stay."""
    (tmp_path / "a").write_text("a")
    change_between(monkeypatch, "link", lambda: (tmp_path / "b").write_text("b"))
    with pytest.raises(files.FileActionError, match="another program has created the target"):
        files.move(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]


def test_copy_never_replaces_a_file_that_appears_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays, and no part of the copy."""
    (tmp_path / "a").write_text("a")
    change_between(monkeypatch, "link", lambda: (tmp_path / "b").write_text("b"))
    with pytest.raises(files.FileActionError, match="another program has created it"):
        files.copy(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "b").read_text(), listing(tmp_path)) == ("b", ["a", "b"])


def test_moved_file_that_changes_after_its_copy_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy has the old content: the old name is not removed, and the move can be tried again."""
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("a")
    original = content.copy_content

    def copy_content(*args: Any, **options: Any) -> str:
        sha256 = original(*args, **options)
        (tmp_path / "a").write_text("new")
        return sha256

    monkeypatch.setattr(entries, "copy_content", copy_content)
    with pytest.raises(files.FileUnavailableError, match="another program writes to it"):
        files.move(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["new", "a"]


def test_slower_of_two_moves_at_once_finds_it_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one of them returns True."""
    (tmp_path / "a").write_text("a")
    faster: list[bool] = []
    change_between(monkeypatch, "link", lambda: faster.append(files.move(tmp_path / "a", tmp_path / "b")))
    assert (files.move(tmp_path / "a", tmp_path / "b"), faster) == (False, [True])
    assert listing(tmp_path) == ["b"]


def test_folder_is_moved_and_renamed(tmp_path: Path) -> None:
    """Never over another folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert files.rename(tmp_path / "a", "c")
    assert not files.rename(tmp_path / "a", "c")
    with pytest.raises(files.FileActionError, match="the target exists"):
        files.move(tmp_path / "c", tmp_path / "b")
    for name in ("", "..", "a/b"):
        with pytest.raises(files.FileActionError, match=r"files.move\(path, to\)"):
            files.rename(tmp_path / "c", name)


def test_ensure_folder_creates_all_that_are_missing(tmp_path: Path) -> None:
    """Below a root, too; a file of this name is an error."""
    assert files.ensure_folder(tmp_path / "a" / "b")
    assert not files.ensure_folder(tmp_path / "a" / "b")
    assert files.ensure_folder("c/d", root=tmp_path)
    assert not files.ensure_folder(".", root=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(files.FileActionError, match="is not a folder"):
        files.ensure_folder("file", root=tmp_path)
    with pytest.raises(files.FileActionError, match="is not a folder"):
        files.ensure_folder(".", root=tmp_path / "file")


def test_remove_accepts_what_is_missing(tmp_path: Path) -> None:
    """A link is removed and not what it names; a folder with content needs `recursive=True`."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    (tmp_path / "link").symlink_to("folder")
    assert files.remove(tmp_path / "link", recursive=True)
    assert not files.remove(tmp_path / "link")
    with pytest.raises(files.FileActionError, match="recursive=True"):
        files.remove(tmp_path / "folder")
    with pytest.raises(files.FileActionError, match="names no entry"):
        files.remove(".", root=tmp_path, recursive=True)
    assert files.remove(tmp_path / "folder", recursive=True)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder", "filled folder"])
def test_one_of_two_removals_at_once_returns_true(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one finds nothing, which is no error."""
    path = tmp_path / "x"
    path.touch() if kind == "file" else path.mkdir()
    if kind == "filled folder":
        (path / "a").touch()
    original, results = Place.status, []

    def remove_first(place: Place) -> os.stat_result | None:
        status = original(place)
        monkeypatch.setattr(Place, "status", original)
        results.append(files.remove(path, recursive=kind == "filled folder"))
        return status

    monkeypatch.setattr(Place, "status", remove_first)
    results.append(files.remove(path, recursive=kind == "filled folder"))
    assert (results, listing(tmp_path)) == ([True, False], [])


def test_removal_that_was_killed_is_completed(tmp_path: Path) -> None:
    """The name of the folder is gone at once; the next call removes the rest."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()

    class KilledError(BaseException):
        pass

    def kill(place: str) -> None:
        if place == "files.hidden":
            raise KilledError

    failpoints.install(kill)
    try:
        with pytest.raises(KilledError):
            files.remove(tmp_path / "folder", recursive=True)
    finally:
        failpoints.install(None)
    assert listing(tmp_path) == [temporary_name("folder", "removed")]
    assert not files.remove(tmp_path / "folder", recursive=True)
    assert listing(tmp_path) == []


def make_aged(folder: Path, ages_days: dict[str, int], now: float) -> None:
    for name, age in ages_days.items():
        (folder / name).write_text("12345")
        os.utime(folder / name, (now - age * 86_400, now - age * 86_400))


@pytest.fixture
def aged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of 1 to 5 days, one in the future, and what is never removed."""
    now = 1_800_000_000
    monkeypatch.setattr("mainspring.actions.files.retention.time.time_ns", lambda: now * 1_000_000_000)
    ages = {"1.log": 1, "2.log": 2, "3.log": 3, "4.log": 4, "5.txt": 5, "future.log": -9, ".hidden": 9}
    make_aged(tmp_path, ages, now)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("1.log")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "removed"),
    [
        ({"older_than": "60h"}, ["5.txt", "4.log", "3.log"]),
        ({"keep": 2}, ["5.txt", "4.log", "3.log", "2.log"]),
        ({"older_than": "60h", "keep": 5}, ["5.txt"]),
        ({"older_than": "60h", "pattern": "*.log"}, ["4.log", "3.log"]),
        ({"keep": 0, "pattern": ".h*"}, [".hidden"]),
        ({"older_than": "99d"}, []),
    ],
)
def test_prune_removes_by_age_and_count(options, removed: list[str], aged: Path) -> None:
    """A dry run lists the same; folders, links and hidden files stay."""
    before = listing(aged)
    planned = files.prune(aged, dry_run=True, **options)
    assert listing(aged) == before
    done = files.prune(aged, **options)
    assert done == planned
    assert (done.removed, done.size) == (removed, 5 * len(removed))
    assert listing(aged) == sorted({*before} - {*removed})
    assert files.prune(aged, **options).removed == []


def test_prune_removes_temporary_files_of_killed_calls_only(tmp_path: Path) -> None:
    """One that a running call uses is locked."""
    (tmp_path / temporary_name("dead")).touch()
    (tmp_path / temporary_name("dead", "folder")).mkdir()

    def prune(place: str) -> None:
        if place == "files.written":
            files.prune(tmp_path, keep=100)

    failpoints.install(prune)
    try:
        files.write(tmp_path / "x", "text")
    finally:
        failpoints.install(None)
    assert listing(tmp_path) == ["x"]


def test_prune_needs_a_limit(tmp_path: Path) -> None:
    """Without one it would remove everything."""
    for options in ({}, {"keep": -1}, {"older_than": "soon"}):
        with pytest.raises(OptionError):
            files.prune(tmp_path, **options)
    with pytest.raises(files.FileActionError, match="cannot prune"):
        files.prune(tmp_path / "no", keep=1)
