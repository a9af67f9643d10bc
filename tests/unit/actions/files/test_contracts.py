"""File actions keep the contract of actions: twice, at once, killed and cancelled at each line and at each step of the publication."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mainspring.actions import files
from mainspring.actions.files.temporary import is_temporary
from mainspring.testing import ActionContract
from tests.unit.actions.files import file_steps
from tests.unit.actions.kills import check_contract

pytestmark = pytest.mark.slow


def temporary_below(folder: Path) -> int:
    return sum(is_temporary(path.name) for path in folder.rglob("*"))


def check(
    tmp_path: Path, action, args, effects, *failpoints: str, lines_of: Callable[..., object] | None = None
) -> None:
    store, data = tmp_path / "store", tmp_path / "data"
    store.mkdir()
    data.mkdir()
    contract = ActionContract(
        action,
        args=lambda number: args(data, number),
        effects=lambda number: effects(data, number),
        lines_of=lines_of,
        temporary=lambda: temporary_below(data),
        failpoints=failpoints,
    )
    check_contract(contract, store)


def is_text(path: Path, text: str) -> int:
    """One effect if the file has this text; a file with another text is two."""
    return (1 if path.read_text() == text else 2) if path.exists() else 0


def test_write_keeps_the_contract(tmp_path: Path) -> None:
    """Killed before and after the rename, too."""
    check(
        tmp_path,
        files.write,
        lambda data, number: [str(data / f"{number}.txt"), f"text {number}" * 1000],
        lambda data, number: is_text(data / f"{number}.txt", f"text {number}" * 1000),
        "files.written",
        "files.published",
    )


def make_source(data: Path, number: int) -> Path:
    source = data / f"source{number}"
    if not source.exists() and not (data / f"{number}.txt").exists():
        source.write_text(f"text {number}")
    return source


def test_copy_keeps_the_contract(tmp_path: Path) -> None:
    """The source stays."""
    check(
        tmp_path,
        files.copy,
        lambda data, number: [str(make_source(data, number)), str(data / f"{number}.txt")],
        lambda data, number: is_text(data / f"{number}.txt", f"text {number}"),
        "files.written",
        "files.published",
    )


@pytest.mark.parametrize("action", [files.move, files.rename], ids=["move", "rename"])
def test_move_keeps_the_contract(action: Callable[..., bool], tmp_path: Path) -> None:
    """Killed between the new name and the removal of the old one, it has one name after the next call."""

    def args(data: Path, number: int) -> list[str]:
        target = data / f"{number}.txt"
        return [str(make_source(data, number)), target.name if action is files.rename else str(target)]

    def effects(data: Path, number: int) -> int:
        is_moved = is_text(data / f"{number}.txt", f"text {number}")
        return is_moved if not is_moved or not (data / f"source{number}").exists() else 1

    check(tmp_path, action, args, effects, "files.linked", "files.moved")
    assert list(tmp_path.glob("data/source*")) == sorted(
        path for path in tmp_path.glob("data/source*") if not (tmp_path / "data" / f"{path.name[6:]}.txt").exists()
    )


def make_folder(data: Path, number: int) -> Path:
    folder = data / f"folder{number}"
    if not folder.exists():
        (folder / "below").mkdir(parents=True)
        (folder / "below" / "a.txt").write_text(f"text {number}")
        (folder / "b.txt").write_text("b")
    return folder


def test_archive_keeps_the_contract(tmp_path: Path) -> None:
    """The archive is complete, or not there."""

    def effects(data: Path, number: int) -> int:
        packed = data / f"{number}.tar.gz"
        if not packed.exists():
            return 0
        twin = files.archive(make_folder(data, number), tmp_path / "twin.tar.gz")
        return 1 if hashlib.sha256(packed.read_bytes()).hexdigest() == twin.sha256 else 2

    check(
        tmp_path,
        files.archive,
        lambda data, number: [str(make_folder(data, number)), str(data / f"{number}.tar.gz")],
        effects,
        "files.written",
        "files.published",
    )


def test_extract_keeps_the_contract(tmp_path: Path) -> None:
    """The folder appears complete, or not at all."""

    def args(data: Path, number: int) -> list[str]:
        source = tmp_path / f"{number}.zip"
        if not source.exists():
            files.archive(make_folder(tmp_path, number), source)
        return [str(source), str(data / f"out{number}")]

    def effects(data: Path, number: int) -> int:
        folder = data / f"out{number}"
        if not folder.exists():
            return 0
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        is_same = names == ["b.txt", "below", "below/a.txt"]
        return 1 if is_same and (folder / "below" / "a.txt").read_text() == f"text {number}" else 2

    check(tmp_path, files.extract, args, effects, "files.extracted", "files.published")


def test_remove_keeps_the_contract(tmp_path: Path) -> None:
    """A folder with content loses its name at once; what a killed call leaves of it, the next one removes."""
    made: set[int] = set()

    def args(data: Path, number: int) -> list[str]:
        if number not in made:
            made.add(number)
            make_folder(data, number)
        return [str(data / f"folder{number}")]

    other = make_folder(tmp_path, 0)
    check(
        tmp_path,
        file_steps.remove_folder,
        args,
        lambda data, number: int(not (data / f"folder{number}").exists()),
        "files.hidden",
        lines_of=files.remove,
    )
    assert (other / "below" / "a.txt").read_text() == "text 0"


def test_ensure_folder_keeps_the_contract(tmp_path: Path) -> None:
    """The folder above it is there, too."""
    check(
        tmp_path,
        files.ensure_folder,
        lambda data, number: [str(data / str(number) / "below")],
        lambda data, number: int((data / str(number) / "below").is_dir()),
    )


def test_prune_keeps_the_contract(tmp_path: Path) -> None:
    """One effect = only the newest log is left; the loss of another file is two."""

    def args(data: Path, number: int) -> list[str]:
        folder = data / str(number)
        if not folder.exists():
            folder.mkdir()
            for age, name in enumerate(("notes.txt", "new.log", "old.log", "older.log")):
                (folder / name).touch()
                os.utime(folder / name, (1_000_000_000 - age, 1_000_000_000 - age))
        return [str(folder)]

    def effects(data: Path, number: int) -> int:
        names = {path.name for path in (data / str(number)).iterdir()}
        return int(names == {"notes.txt", "new.log"}) if {"notes.txt", "new.log"} <= names else 2

    check(tmp_path, file_steps.prune_logs, args, effects, lines_of=files.prune)
