"""Each rule of the check finds its own planted fault, and a good store has none."""

import pytest

from mainspring.domain.errors import StoreError
from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.sqlite.check import check
from tests.unit.store.sqlite.stores import allow_claims, claim, do, open_database, opening, starting


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "x.db")
    do(database, opening())
    allow_claims(database, "a")
    do(database, starting("r1"))
    claim(database)
    do(database, starting("r2"))
    for n in range(3):
        do(database, AuditedCommand(f"c{n}", "me", "set", "k", SetMeta("k", str(n))))
    yield database
    database.close()


def test_a_good_store_has_no_findings(database):
    """Also while it is in use."""
    assert check(database.path, least_free=0) == []


JOURNAL = (
    "insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, started_at, at, duration_us)"
    " values "
)


@pytest.mark.parametrize(
    ("fault", "text", "subject"),
    [
        ("update runs set state = 'failed', session = null where id = 'r1'", "ended without an instant", "r1"),
        ("update runs set finished_at = 1 where id = 'r2'", "ended without an instant", "r2"),
        ("update sessions set state = 'dead'", "without a live session", "r1"),
        ("update runs set session = 1 where id = 'r2'", "owned without running", "r2"),
        ("update runs set ready = 1 where id = 'r1'", "marked ready", "r1"),
        (JOURNAL + "('r1', 2, 'i', 'n', 'step', 'succeeded', 1, 1, 0, 1, 1, 1, 1)", "gap", "r1"),
        (JOURNAL + "('no', 1, 'i', 'n', 'step', 'succeeded', 1, 1, 0, 1, 1, 1, 1)", "journal names a run", "no"),
        ("insert into partition_holds values ('default', 'key', 'no', 1)", "holder of a partition", "key"),
        ("insert into inbox (run, kind, name, at) values ('no', 'signal', 's', 1)", "inbox names a run", "no"),
        (
            "drop trigger audit_log_is_append_only; update audit_log set reason = 'other' where seq = 2",
            "audit log",
            "row 2",
        ),
        ("drop trigger audit_log_forbids_deletion; delete from audit_log where seq = 1", "audit log", "row 2"),
    ],
)
def test_each_rule_finds_its_fault(database, fault, text, subject):
    """The finding says what is wrong and with which row."""
    database.connection.execute(fault)
    found = [finding for finding in check(database.path, least_free=0) if text in finding.what]
    assert [finding.subjects[0] for finding in found] == [subject]


def test_little_space_is_a_finding(database):
    """Told before the disk is full."""
    (finding,) = check(database.path, least_free=2**62)
    assert "MiB are free" in finding.what


def test_a_damaged_page_is_found(database):
    """Bit rot in a table's page."""
    path = database.path
    database.connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    root = database.connection.execute("select rootpage from sqlite_schema where name = 'runs'").get
    size = database.connection.pragma("page_size")
    wreck = path.with_name("wreck.db")
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : (root - 1) * size + 200] = b"\xff" * 200
    wreck.write_bytes(bytes(data))
    try:
        findings = check(wreck, least_free=0)
    except StoreError:
        return
    assert findings[0].damaged
