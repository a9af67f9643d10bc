"""Any interleaving of writes, moves, ends and looks accepts each content at each path once, and loses no file."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mainspring.domain.states import RunState
from tests.unit.triggers.inbox import Inbox

PATHS = ["a.csv", "b\n.csv", "caf\udce9.csv", "sub/a.csv", "sub/deep/ü.csv"]
ENDS = {RunState.SUCCEEDED: "done", RunState.FAILED: "failed"}


class Folder(RuleBasedStateMachine):
    """People and programs write, rename, delete, put back; two watchers look; runs end; watchers are restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.written = 0
        self.alive: Counter[bytes] = Counter()
        """Contents that no one overwrote or deleted: how many files must hold each."""
        self.put_back: Counter[tuple[str, bytes]] = Counter()

    @initialize(
        success=st.sampled_from(["done", "keep"]),
        failure=st.sampled_from(["failed", "keep"]),
        settle=st.sampled_from([0, 2]),
    )
    def open(self, success: str, failure: str, settle: int) -> None:
        self.inbox = Inbox(
            Path(self.home.name, "in"), recursive=True, after_success=success, after_failure=failure, settle=settle
        )
        self.watchers = [self.inbox.watcher, self.inbox.other_watcher()]

    def at(self, path: str) -> Path:
        full = self.inbox.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        return full

    def remove(self, path: Path) -> None:
        if path.exists():
            self.alive[path.read_bytes()] -= 1
            path.unlink()

    @rule(path=st.sampled_from(PATHS), is_new=st.booleans())
    def write(self, path: str, is_new: bool) -> None:
        self.written += is_new
        full, content = self.at(path), b"%d" % self.written
        self.remove(full)
        full.write_bytes(content)
        self.alive[content] += 1

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS))
    def rename(self, old: str, new: str) -> None:
        if old != new and self.at(old).exists():
            self.remove(self.at(new))
            self.at(old).rename(self.at(new))

    @rule(path=st.sampled_from(PATHS))
    def delete(self, path: str) -> None:
        self.remove(self.at(path))

    @rule(path=st.sampled_from(PATHS))
    def put_failed_back(self, path: str) -> None:
        failed_path = self.inbox.folder / "failed" / path
        if failed_path.exists():
            self.remove(self.at(path))
            failed_path.rename(self.at(path))
            self.put_back[path, self.at(path).read_bytes()] += 1

    @rule(index=st.sampled_from([0, 1]), seconds=st.sampled_from([0, 1, 3, 90_000]))
    def poll(self, index: int, seconds: int) -> None:
        self.inbox.pass_time(seconds)
        self.inbox.poll(self.watchers[index])

    @rule(state=st.sampled_from(list(ENDS)), path=st.sampled_from(PATHS))
    def end(self, state: RunState, path: str) -> None:
        self.inbox.shop.end(state, Path(path).name.encode(errors="surrogateescape").decode(errors="replace"))

    @rule(index=st.sampled_from([0, 1]))
    def restart(self, index: int) -> None:
        self.watchers[index].close()
        self.watchers[index] = self.inbox.other_watcher()

    @invariant()
    def no_file_is_lost_or_doubled(self) -> None:
        if hasattr(self, "inbox"):
            assert Counter(self.inbox.tree().values()) == +self.alive

    @invariant()
    def each_content_at_each_path_counts_once(self) -> None:
        if hasattr(self, "inbox"):
            runs = Counter(delivery.key for delivery in self.inbox.shop.runs)
            assert all(times <= 1 + sum(self.put_back.values()) for times in runs.values())
            if not self.put_back:
                assert set(runs.values()) <= {1}

    def teardown(self) -> None:
        if hasattr(self, "inbox"):
            for _ in range(3):
                self.inbox.pass_time()
                self.inbox.poll(*self.watchers)
            accepted = {(file.path, file.sha256) for file in self.inbox.shop.files}
            for path, content in self.inbox.tree().items():
                if not path.startswith(("done/", "failed/")):
                    assert self.is_accepted(path, content, accepted)
            for watcher in self.watchers:
                watcher.close()
            self.inbox.close()
        self.home.cleanup()

    def is_accepted(self, path: str, content: bytes, accepted: set[tuple[str, str]]) -> bool:
        """Tell whether what lies there came into the store."""
        from hashlib import sha256

        printed_path = str(self.inbox.folder / path).encode(errors="surrogateescape").decode(errors="replace")
        return (printed_path, sha256(content).hexdigest()) in accepted


TestFolder = Folder.TestCase
TestFolder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
