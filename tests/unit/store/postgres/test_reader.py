"""Reads beside the writer, through a line of our own and through one that a pooler shares."""

import msgspec
import psycopg
import pytest

from mainspring.domain.errors import StoreUnavailableError
from mainspring.store.commands.automations import SetQueue
from mainspring.store.postgres import connection
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.error_table import translate
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.postgres.texts import TEXTS
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import PostgresProcess
from tests.free_port import free_port

SETTINGS = """
select current_setting('search_path'), current_setting('statement_timeout'), current_setting('default_transaction_read_only'),
       current_setting('jit')
"""


@pytest.fixture
def process(postgres):
    found = PostgresProcess(postgres.new_store(), FakeClock()).open()
    yield found
    found.close()


@pytest.fixture(params=["own line", "pooled"])
def reader(request, process, monkeypatch):
    """A reader of a store with one queue."""
    if request.param == "pooled":
        monkeypatch.setattr(connection, "_is_behind_pooler", lambda connection: True)
    process.do(SetQueue("mail", 2))
    found = PostgresReader(process.database.address)
    yield found
    found.close()


def names(rows):
    return [row[0] for row in rows]


def test_read_waits_once_and_a_snapshot_once_for_each_of_its_reads_and_its_end(reader, messages):
    """Whatever a line has to be reported first; of a line of our own a read is one statement."""

    def sent():
        found = ["many" if message == "many" else "one" for message in messages]
        messages.clear()
        return found

    reader.read("list_queues", (None,))
    sent()
    reader.read("list_queues", (None,))
    assert sent() == ["one" if reader.notice is None else "many"]
    with reader.snapshot() as read:
        assert names(read("list_queues", (None,))) == names(read("list_queues", (None,))) != []
    assert sent() == ["many", "one", "one"]
    with reader.snapshot():
        pass
    assert sent() == []


def test_reads_see_what_is_committed_and_a_snapshot_sees_one_commit(process, reader):
    """A commit in the middle of a snapshot is not seen by it."""
    with reader.snapshot() as read:
        before = names(read("list_queues", (None,)))
        process.do(SetQueue("slow", 1))
        assert names(read("list_queues", (None,))) == before
        assert names(reader.read("list_queues", (None,))) == sorted([*before, "slow"])
    assert names(reader.read("list_queues", (None,))) == sorted([*before, "slow"])


def test_no_read_writes(reader):
    """Neither by itself nor in a snapshot; and a reader that was refused reads on."""
    with pytest.raises(StoreUnavailableError, match="read-only"):
        reader.read_text("delete from queues")
    with pytest.raises(StoreUnavailableError, match="read-only"), reader.snapshot() as read:
        read("list_queues", (None,))
        read("prune_waits", ("[]",))
    assert "mail" in names(reader.read("list_queues", (None,)))


def test_settings_hold_in_each_read_and_leave_nothing_in_a_shared_connection(reader, monkeypatch):
    """A read is broken off after its time, and nothing is compiled for it; of a line that goes to others next, in its own transaction."""
    own_settings = (reader._address.schema, "10s", "on", "off")
    monkeypatch.setitem(TEXTS, "said", TEXTS.worded(SETTINGS))
    assert reader.read("said")[0][1:2] + reader.read("said")[0][3:] == ("10s", "off")
    with reader.snapshot() as read:
        assert [read("said")[0][:2], read("said")[0][3]] == [own_settings[:2], "off"]
    with reader._pool.connection() as line:
        assert line.execute(SETTINGS).fetchone() == (
            own_settings if reader.notice is None else ('"$user", public', "0", "off", "on")
        )


def test_connections_cut_while_idle_cost_no_read(process, reader, postgres, monkeypatch):
    """The server, or what stands between, ends lines that are idle: all of them at once, and the next reads go over new ones."""
    monkeypatch.setitem(TEXTS, "said", TEXTS.worded(SETTINGS))
    reader._pool.resize(2, 2)
    reader._pool.wait()
    with reader._pool.connection() as connection, reader._pool.connection() as other:
        lines = [line.execute("select pg_backend_pid()").fetchone()[0] for line in (connection, other)]
    for line in lines:
        postgres.execute(f"select pg_terminate_backend({line}, 5000)")
    assert reader.read("said")[0][1] == "10s"
    with reader.snapshot() as read:
        assert names(read("list_queues", (None,))) == names(reader.read("list_queues", (None,))) != []


def test_server_that_is_back_is_found_soon_after_a_long_outage(monkeypatch, caplog):
    """Reads in vain lead to attempts to connect, as many after a long outage as after a short one."""
    monkeypatch.setattr("mainspring.store.postgres.reader._POOL_TIMEOUT_S", 0.3)
    found = PostgresReader(read_address(f"postgresql://127.0.0.1:{free_port()}/x"))
    reads = 10
    try:
        for _ in range(reads):
            with pytest.raises(StoreUnavailableError, match="unreachable"):
                found.read("read_server_time")
    finally:
        found.close()
    assert caplog.text.count("error connecting in 'mainspring-reader'") >= reads / 2


def test_limit_of_the_servers_configuration_is_no_fault_of_ours(process):
    """A sort that may use no file: the message names the limit, and the hint says whose it is."""
    url = f"{process.database.address.conninfo} options='-c temp_file_limit=0 -c work_mem=64kB'"
    found = PostgresReader(msgspec.structs.replace(process.database.address, conninfo=url))
    try:
        with pytest.raises(StoreUnavailableError, match="temp_file_limit") as refused:
            found.read_text(
                "select count(*) from (select n from generate_series(1, 100000) as n order by 1 desc) as sorted"
            )
        assert "a limit of its configuration" in refused.value.message
    finally:
        found.close()


def test_fault_within_a_pipeline_is_reported_by_its_cause():
    """That a pipeline cannot be left after a silence tells no one anything."""
    fault = psycopg.OperationalError("cannot exit pipeline mode while busy")
    fault.__context__ = connection.ServerTimeoutError("no answer for 7 s")
    error = translate(fault, "there")
    assert error is not None
    assert "no answer for 7 s" in error.message
