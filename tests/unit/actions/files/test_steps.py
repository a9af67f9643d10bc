"""File actions as steps: what one returns, another one accepts, also after both were saved."""

import os
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.actions import files
from mainspring.domain.errors import ValueRefusedError


def test_files_and_roots_cross_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one step is an argument of the next, with a root as an object and as a path, and with a name that is not UTF-8."""

    @ms.workflow(name="crosses")
    async def crosses(run: ms.Run, folder: str) -> list[object]:
        root = files.Root(folder)
        file = await run.step(files.write, "a/b.txt", "text", root=root, make_folders=True)
        await run.step(files.copy, file, "copy.txt", root=folder)
        moved = await run.step(files.move, "copy.txt", Path(folder, "moved.txt"))
        packed = await run.step(files.archive, Path(folder, "a"), Path(folder, "a.zip"))
        out = await run.step(files.extract, packed, "out", root=root)
        pruned = await run.step(files.prune, folder, keep=0, pattern="*.txt")
        return [moved, out.size, pruned.removed, await run.step(files.checksum, file) == file.sha256]

    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.chdir(data)
    assert ms.App(tmp_path / "store.db").run(crosses, str(data)) == [True, 4, ["moved.txt"], True]
    assert sorted(os.listdir(data)) == ["a", "a.zip", "out"]


def test_result_with_a_name_that_is_not_text_can_be_saved(tmp_path: Path) -> None:
    """Its exact bytes are found again."""
    name = os.fsdecode(b"\xff\n")

    @ms.step
    def write(folder: str) -> ms.File:
        return files.write(f"{folder}/{name}", "text")

    @ms.workflow(name="writes")
    async def writes(run: ms.Run) -> list[object]:
        file = await run.step(write, str(tmp_path))
        pruned = await run.step(files.prune, str(tmp_path), keep=0, pattern="*[!a-z]", dry_run=True)
        return [await run.step(files.checksum, file) == file.sha256, pruned.removed]

    assert ms.App(tmp_path / "store.db").run(writes) == [True, ["\\udcff\\n"]]


def test_bytes_as_an_argument_of_a_step_are_refused(tmp_path: Path) -> None:
    """They would be written as base64."""

    @ms.workflow(name="writes_bytes")
    async def writes(run: ms.Run) -> None:
        with pytest.raises(ValueRefusedError, match="bytes would become text"):
            await run.step(files.write, str(tmp_path / "x"), b"bytes")

    ms.App(tmp_path / "store.db").run(writes)
    assert not (tmp_path / "x").exists()
