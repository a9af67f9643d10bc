"""A server's store that went back in time is put on hold: a standby that followed too late was promoted, or an older copy was put back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.integrity.store_finding import StoreFindingKind
from mainspring.store.base import StoreBrokenError, StoreRevertedError
from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.commit_mark import read_mark
from mainspring.store.postgres.address import Address, read_address
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.overlap import wait_until
from tests.postgres_server import PostgresServer, binaries, version_to_test


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if binaries(version_to_test()) is None:
        pytest.skip("PostgreSQL is not installed here")
    made = PostgresServer().start()
    yield made
    made.remove()


@pytest.fixture
def address(server: PostgresServer) -> Address:
    return read_address(server.new_store())


class Process:
    """A process of a host: what it commits, and the marks of its host."""

    def __init__(self, address: Address, marks: Path) -> None:
        self.address = address
        self.marks = marks
        self.database = PostgresDatabase(address, clock=SystemClock(), handlers=HANDLERS, marks=marks)

    def write(self, value: str) -> None:
        self.database.commit([SetMeta("work", value)])

    def close(self) -> None:
        self.database.close()


def meta(address: Address, key: str) -> str | None:
    reader = PostgresReader(address)
    try:
        rows = reader.read("read_meta", (key,))
        return rows[0][0] if rows else None
    finally:
        reader.close()


def findings(address: Address, marks: Path) -> list[StoreFindingKind]:
    reader = PostgresReader(address, marks=marks)
    try:
        return [finding.kind for finding in reader.findings()]
    finally:
        reader.close()


def go_back(address: Address, *, by: int = 1) -> None:
    """Take away what the newest commits wrote: as a copy of the server is that does not have them."""
    with psycopg.connect(address.conninfo) as connection:
        connection.execute(f"update {address.schema}.commits set number = number - {by}".encode())
        connection.execute(f"delete from {address.schema}.commits where number <= 0".encode())


def test_the_next_process_of_a_host_holds_a_store_that_lacks_commits(address: Address, tmp_path: Path) -> None:
    """It compares what the others of its host left; a second one finds the hold, and nothing new."""
    first = Process(address, tmp_path)
    for value in "123":
        first.write(value)
    first.close()
    go_back(address)
    assert findings(address, tmp_path) == [StoreFindingKind.COMMITS_LOST]
    Process(address, tmp_path).close()
    assert (meta(address, "held"), meta(address, "epoch")) == ("1", "2")
    assert '"stored":2,"marked":3' in str(meta(address, "lost_commits"))
    restored_at = meta(address, "restored_at")
    Process(address, tmp_path).close()
    assert meta(address, "restored_at") == restored_at
    assert findings(address, tmp_path) == []


def test_a_writer_that_the_store_does_not_know_lost_all(address: Address, tmp_path: Path) -> None:
    """Its first commit is among those that are missing."""
    first = Process(address, tmp_path)
    first.write("1")
    first.close()
    go_back(address)
    Process(address, tmp_path).close()
    assert '"stored":null,"marked":1' in str(meta(address, "lost_commits"))


def test_a_process_that_lives_through_it_holds_the_store_and_ends(address: Address, tmp_path: Path) -> None:
    """With its next group, also where its marks cannot be written."""
    nowhere = tmp_path / "a file"
    nowhere.touch()
    process = Process(address, nowhere)
    process.write("1")
    go_back(address)
    with pytest.raises(StoreRevertedError, match="the one commit of a process is missing"):
        process.write("2")
    assert (meta(address, "held"), meta(address, "work")) == ("1", "1")
    process.close()


def test_processes_that_lost_nothing_hold_nothing(address: Address, tmp_path: Path) -> None:
    """Two hosts, several processes, one after the other and at once."""
    hosts = [Process(address, tmp_path / name) for name in ("a", "b", "a")]
    for _ in range(3):
        for process in hosts:
            process.write("x")
    for process in hosts:
        process.close()
    for name in ("a", "b"):
        Process(address, tmp_path / name).close()
        assert findings(address, tmp_path / name) == []
    assert meta(address, "held") is None
    numbers = [read_mark(path).number for path in (tmp_path / "a").glob("*.mark")]  # type: ignore[union-attr]
    assert numbers == [3, 3]


def test_a_host_that_lost_nothing_continues_and_sees_the_hold(address: Address, tmp_path: Path) -> None:
    """What another host found is on record for all; who lost nothing himself need not end."""
    other = Process(address, tmp_path / "b")
    other.write("1")
    lost = Process(address, tmp_path / "a")
    lost.write("2")
    lost.close()
    with psycopg.connect(address.conninfo) as connection:
        writer = next((tmp_path / "a").glob("*.mark")).stem
        connection.execute(f"delete from {address.schema}.commits where writer = '{writer}'".encode())
    Process(address, tmp_path / "a").close()
    assert meta(address, "held") == "1"
    other.write("3")
    assert meta(address, "work") == "3"
    assert read_mark(next((tmp_path / "b").glob("*.mark"))).epoch == 2  # type: ignore[union-attr]
    other.close()


class Follower:
    """A primary and a standby that it does not wait for."""

    def __init__(self) -> None:
        self.primary = PostgresServer().start()
        self.standby = self.primary.standby()
        ports = f":{self.primary.port}/", f":{self.primary.port},127.0.0.1:{self.standby.port}/"
        self.address = read_address(self.primary.new_store().replace(*ports))

    def lag(self) -> None:
        """Let the standby receive nothing more, after it has all."""
        with psycopg.connect(self.primary.url("postgres"), autocommit=True) as admin:
            wait_until(lambda: self._has_all(admin))
            self.standby.stop()

    def _has_all(self, admin: "psycopg.Connection[Any]") -> bool:
        row = admin.execute("select pg_current_wal_flush_lsn() <= replay_lsn from pg_stat_replication").fetchone()
        return bool(row and row[0])

    def fail_over(self) -> None:
        """Lose the primary, and what the standby does not have; promote it."""
        self.primary.kill()
        self.standby.start()
        self.standby.promote()

    def go_back_to_primary(self) -> None:
        """Start the old primary again in place of the standby."""
        self.standby.stop()
        self.primary.start()

    def close(self) -> None:
        self.primary.remove()
        self.standby.remove()


@pytest.fixture
def follower() -> Iterator[Follower]:
    if binaries(version_to_test()) is None:
        pytest.skip("PostgreSQL is not installed here")
    made = Follower()
    yield made
    made.close()


def test_a_promoted_asynchronous_standby_is_noticed(follower: Follower, tmp_path: Path) -> None:
    """By the process that lives through it, and by those that come after; the finding names both servers' timelines."""
    alive, dead = (Process(follower.address, tmp_path) for _ in "ab")
    alive.write("1")
    dead.write("2")
    follower.lag()
    alive.write("3")
    dead.write("4")
    dead.close()
    follower.fail_over()
    with pytest.raises(StoreRevertedError):
        until_reached(lambda: alive.write("5"))
    alive.close()
    assert (meta(follower.address, "held"), meta(follower.address, "work")) == ("1", "2")
    record = str(meta(follower.address, "lost_commits"))
    assert '"stored":1,"marked":2' in record
    assert "timeline 1" in record
    assert "timeline 2" in record


@pytest.mark.parametrize("accepts", [False, True])
def test_the_old_primary_in_place_of_a_standby_on_hold_lacks_only_what_that_accepted(
    follower: Follower, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, accepts: bool
) -> None:
    """By a process that knew both and by one that began on hold; keeping the books on hold is no loss."""
    address = follower.address
    first = Process(address, tmp_path)
    first.write("1")
    follower.lag()
    first.write("2")
    first.close()
    follower.fail_over()
    until_reached(lambda: Process(address, tmp_path).close())
    assert meta(address, "held") == "1"
    on_hold = Process(address, tmp_path)
    on_hold.write("books")
    if accepts:
        on_hold.database.commit([AuditedCommand("c1", "ana", "pause", "queue:q", SetMeta("word", "1"))])
    on_hold.write("books")
    on_hold.close()
    follower.go_back_to_primary()
    assert findings(address, tmp_path) == ([StoreFindingKind.COMMITS_LOST] if accepts else [])
    Process(address, tmp_path).close()
    back = Process(address, tmp_path)
    back.write("3")
    back.close()
    assert (meta(address, "held"), meta(address, "work"), meta(address, "epoch")) == (
        "1" if accepts else None,
        "3",
        "3",
    )
    assert ("an older copy had replaced is back" in caplog.text) is not accepts
    assert findings(address, tmp_path) == []


def test_a_promoted_standby_that_had_all_is_no_finding(follower: Follower, tmp_path: Path) -> None:
    """Nothing is lost, so nothing is held."""
    process = Process(follower.address, tmp_path)
    process.write("1")
    follower.lag()
    follower.fail_over()
    until_reached(lambda: process.write("2"))
    process.close()
    Process(follower.address, tmp_path).close()
    assert (meta(follower.address, "held"), meta(follower.address, "work")) == (None, "2")


def until_reached(write: Callable[[], None]) -> None:
    """Write as a committer does: again for as long as the server is out of reach."""
    while True:
        try:
            write()
        except StoreBrokenError:
            raise
        except StoreUnavailableError:
            continue
        return
