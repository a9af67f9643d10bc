"""The watcher of a folder is killed before each change that it makes on the disk, and at each named place, and once more on its next life.

However it dies: each content at each path counts once, each file is whole at one place, and in the end it lies where its run sent it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from mainspring.domain.triggers.watched_folder import WatchedFolder
from tests.crash.effects import ROOT
from tests.crash.scenarios import ALL
from tests.crash.watcher_lives import FileStore, WatcherLife

MEMORY = Path("/dev/shm")
CONTENTS = {"good.csv": b"1", "sub/bad\n\udcff.csv": b"2", "bad.csv": b"3" * 3_000_000}
METHODS = ["links", "renames", "copies", "deletes"]


class Watchers:
    """The template of the lives."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.watcher_lives"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def live(self, life: WatcherLife) -> tuple[int, list[str]]:
        """Let one life end; return its exit code (negative = signal) and what it passed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(life) + b"\n")
        self._process.stdin.flush()
        code, passed = json.loads(self._process.stdout.readline())
        return code, passed

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait()


@pytest.fixture(scope="module")
def consumers() -> Iterator[Watchers]:
    made = Watchers()
    yield made
    made.close()


class WatcherExperiment:
    """One folder with its files, and what must become of them."""

    def __init__(self, home: Path, other: Path, way: str) -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(other, ignore_errors=True)
        self.home, self.other, self.folder, self.way = home, other, home / "in", way
        self.written: list[tuple[str, bytes]] = []
        self.overwritten = False
        self.has_links = way != "renames"
        other.mkdir()
        for path, content in CONTENTS.items():
            self.write(path, content)
        targets = {
            "copies": (str(other / "done"), str(other / "failed")),
            "deletes": ("delete", "../failed"),
        }.get(way, ("done", "failed"))
        self.files = WatchedFolder.parse(
            str(self.folder), recursive=True, settle="1s", after_success=targets[0], after_failure=targets[1]
        )

    def write(self, path: str, content: bytes) -> None:
        full = self.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content)
        self.written.append((path, content))

    def write_again(self) -> None:
        """A newer file comes under the name of an old one, which may be on its way out, or there still."""
        self.overwritten = (self.folder / "good.csv").exists()
        self.write("good.csv", b"written while it was dead")

    def life(self, kill_at: int = 0) -> WatcherLife:
        return WatcherLife(files=self.files, store=str(self.home / "store"), kill_at=kill_at, has_links=self.has_links)

    def verify(self) -> None:
        """Compare what is there with what must be there."""
        found = Counter[bytes]()
        for top in (self.home, self.other):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    if path.name in ("store", "lock"):
                        continue
                    found[path.read_bytes()] += 1
                    assert ("failed" if "bad" in name else "done") in path.parts, path
        good = [content for path, content in self.written if path == "good.csv"]
        lost = good if self.way == "deletes" else good[:1] if self.overwritten else []
        assert found == Counter(content for _, content in self.written) - Counter(lost)
        store = FileStore(str(self.home / "store"))
        runs = Counter(key[-64:] for act, key in store.operations if act == "run")
        expected = Counter(sha256(content).hexdigest() for _, content in self.written)
        unseen = Counter([sha256(good[0]).hexdigest()] if self.overwritten else [])
        assert runs in (expected, expected - unseen)
        if self.has_links:
            assert not any("bad" in key for key in store.known()), "what failed may come back"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two folders; the second is on another file system, if there is one."""
    other = Path(tempfile.mkdtemp(prefix="desk-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    yield tmp_path / "home", other / "other"
    shutil.rmtree(other)


@pytest.mark.parametrize("way", METHODS)
@pytest.mark.timeout(0 if ALL else 120)
def test_killed_watcher_loses_and_doubles_no_file(consumers: Watchers, places: tuple[Path, Path], way: str) -> None:
    """Killed before its n-th change for every n, and again while it continues, it ends as it does undisturbed."""
    home, other = places
    if way == "copies" and home.parent.stat().st_dev == other.parent.stat().st_dev:
        pytest.skip("there is no second file system here")
    experiment = WatcherExperiment(home, other, way)
    code, passed = consumers.live(experiment.life())
    assert code == 0
    experiment.verify()
    expected = {f"files.{step}" for step in ("hashed", "taken", "stage", "staged", "placed", "forgotten", "cleared")}
    assert expected | ({"files.copied"} if way == "copies" else set()) <= set(passed)
    killed = 0
    for kill_at in range(1, len(passed) + 1, 1 if ALL else 5):
        for again_at in range(1 + kill_at % 5, len(passed) + 1, 5) if ALL else [1 + kill_at * 7 % 23]:
            experiment = WatcherExperiment(home, other, way)
            assert consumers.live(experiment.life(kill_at))[0] == -9, "it was not killed there"
            if kill_at % 3 == 0:
                experiment.write_again()
            killed += 1 + (consumers.live(experiment.life(again_at))[0] == -9)
            assert consumers.live(experiment.life())[0] == 0
            experiment.verify()
    print(f"{way}: {len(passed)} places, {killed} kills")
