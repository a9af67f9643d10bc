"""Blobs of large values: the triggers count every reference, and a sweep forgets only what no column refers to."""

import pytest

from mainspring.domain.errors import StoreError
from mainspring.domain.values.blob import DAY_MS, Blob, BlobReference, day_at, encode_with_blobs, parse_reference
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.blobs import SweepBlobs
from mainspring.store.schema.table import ColumnType, load_tables
from tests.contract.store.process import finish

HOUR_MS = 3_600_000
VALUE_COLUMNS = [(table, column) for table in load_tables() for column in table.columns if column.holds_values]


def reference(clock, number=1, day=None):
    """A reference to a blob of today."""
    blob = Blob(day_at(clock.now()) if day is None else day, f"{number:064x}", 300_000)
    return BlobReference(blob, b"digest").encode()


def blobs(store):
    """All known blobs, as (number, without reference since)."""
    return sorted((number_of(key), at) for key, at in rows(store, "select blob, unreferenced_at from blobs"))


def rows(store, text):
    store.tamper("select 1")  # names the schema
    return [tuple(row) for row in store.database.connection.execute(text).fetchall()]


def holders(store):
    return [
        (holder, number_of(key)) for holder, key in rows(store, "select holder, blob from blob_references order by 1")
    ]


def number_of(key):
    return int(Blob.of_key(key).address, 16)


def sweep(store, clock, days=0):
    """Sweep as if `days` had passed, with a grace of a day."""
    clock.forward(days * DAY_MS)
    return store.do(SweepBlobs(day_at(clock.now()) - 1, clock.now() - DAY_MS)).number


@pytest.mark.parametrize(("table", "column"), VALUE_COLUMNS, ids=lambda part: part.name)
def test_every_column_of_values_is_counted(store, clock, table, column):
    """A reference is counted when it is inserted, changed and deleted, whatever statement does it."""

    literal = insert_value(store, table, column, reference(clock))
    ((holder, number),) = holders(store)
    assert holder.startswith(f"{table.name}.{column.name}:")
    assert number == 1
    store.tamper(f"update {table.name} set {column.name} = {literal(reference(clock, 2))}")
    assert holders(store) == [(holder, 2)]
    assert blobs(store) == [(1, 0), (2, None)]
    store.tamper(f"update {table.name} set {column.name} = {literal(b'{}')}")
    assert holders(store) == []
    store.tamper(f"update {table.name} set {column.name} = {literal(reference(clock, 1))}")
    assert blobs(store) == [(1, None), (2, 0)]
    store.tamper(f"delete from {table.name}")
    assert holders(store) == []
    assert blobs(store) == [(1, 0), (2, 0)]


def insert_value(store, table, column, value):
    """Insert a row with this value into the column; return what makes a literal of a value."""

    def literal(value):
        if isinstance(value, bytes):
            hexed = value.hex()
            return f"x'{hexed}'" if "sqlite" in type(store).__name__.lower() else f"'\\x{hexed}'::bytea"
        return str(value) if isinstance(value, int) else f"'{value}'"

    samples = {ColumnType.TEXT: "7", ColumnType.INTEGER: 7, ColumnType.BLOB: b"{}"}
    values = {c.name: samples[c.type] for c in table.columns if not c.is_nullable} | {column.name: value}
    names, listed = ", ".join(values), ", ".join(map(literal, values.values()))
    store.tamper(f"insert into {table.name} ({names}) values ({listed})")
    return literal


def with_files(clock, *numbers, own=None):
    """A value that needs the blobs of these numbers, and its own one."""
    keys = [parse_reference(reference(clock, number)).blob.key for number in numbers]
    return encode_with_blobs(keys, b'{"]": 1}' if own is None else reference(clock, own))


@pytest.mark.parametrize(("table", "column"), VALUE_COLUMNS, ids=lambda part: part.name)
def test_every_column_counts_all_blobs_of_a_value(store, clock, table, column):
    """A value with files refers to each of its chunks, and to its own blob if it is large."""
    literal = insert_value(store, table, column, with_files(clock, 1, 2, 3))
    ((holder, _), *_) = holders(store)

    def change(value):
        store.tamper(f"update {table.name} set {column.name} = {literal(value)}")
        return sorted(number for held_by, number in holders(store) if held_by == holder)

    assert sorted(holders(store)) == [(holder, 1), (holder, 2), (holder, 3)]
    assert change(with_files(clock, 2, 3, own=4)) == [2, 3, 4]
    assert blobs(store) == [(1, 0), (2, None), (3, None), (4, None)]
    assert change(with_files(clock, 2, 3, own=4)) == [2, 3, 4]
    assert change(reference(clock, 2)) == [2]
    assert blobs(store) == [(1, 0), (2, None), (3, 0), (4, 0)]
    assert change(with_files(clock, 1, 2)) == [1, 2]
    assert change(b"{}") == []
    assert change(with_files(clock, 5, 6)) == [5, 6]
    store.tamper(f"delete from {table.name}")
    assert holders(store) == []
    assert blobs(store) == [(number, 0) for number in range(1, 7)]


def test_chunk_of_a_closed_day_is_refused_with_all_others(store, clock):
    """One chunk whose bytes may be gone: nothing of the commit is written."""
    old = parse_reference(reference(clock, 1)).blob.key
    sweep(store, clock, days=2)
    fresh = parse_reference(reference(clock, 2)).blob.key
    refused = store.start(input=encode_with_blobs([fresh, old], b"{}"))
    assert isinstance(refused, StoreError), refused
    assert "blob_of_closed_day" in str(refused)
    assert blobs(store) == holders(store) == []


def test_chunks_of_two_values_stay_until_the_last_one_goes(store, clock):
    """As the file that a parent gives to a child."""
    store.start(input=with_files(clock, 1, 2))
    store.start(input=with_files(clock, 2, 3))
    first, second = store.claim().runs
    finish_all(store, first)
    assert [at is None for _, at in blobs(store)] == [False, True, True]
    finish_all(store, second)
    assert [at is None for _, at in blobs(store)] == [False, False, False]


def test_blob_is_forgotten_a_day_after_its_last_reference(store, clock):
    """While one column refers to it, it stays, whatever else refers to it no more."""
    store.start(input=reference(clock))
    store.start(input=reference(clock))
    first, second = store.claim().runs
    assert holders(store) == [(f"runs.input:{run.id}", 1) for run in (first, second)]
    finish_all(store, first)
    assert sweep(store, clock, days=3) == 0
    assert blobs(store) == [(1, None)]
    finish_all(store, second)
    assert sweep(store, clock) == 0
    clock.forward(DAY_MS)
    assert sweep(store, clock) == 0
    clock.forward(1)
    assert sweep(store, clock) == 1
    assert blobs(store) == []


def finish_all(store, run):
    """End a run and delete its row."""
    store.do(finish(run))
    ends = store.clock.now() + 1
    store.do(ApplyRetention(ends, ends, ends, None, None))


def test_new_reference_to_a_blob_of_a_closed_day_is_refused(store, clock):
    """Its bytes may be gone: the commit fails, and what was to be written is not."""
    old = reference(clock)
    sweep(store, clock, days=2)
    refused = store.start(input=old)
    assert isinstance(refused, StoreError), refused
    assert "blob_of_closed_day" in str(refused)
    assert blobs(store) == holders(store) == []
    assert store.start(input=reference(clock)).created


def test_blob_of_a_closed_day_may_be_copied_while_a_column_refers_to_it(store, clock):
    """As a fork does with an inherited outcome, or the end of a child with its result."""
    old = reference(clock)
    store.start(input=old)
    sweep(store, clock, days=9)
    assert store.start(input=old).created
    assert blobs(store) == [(1, None)]


def test_closed_days_are_never_opened_again(store, clock):
    """A process whose clock is behind closes nothing and opens nothing."""
    sweep(store, clock, days=9)
    old = reference(clock, day=day_at(clock.now()) - 2)
    store.do(SweepBlobs(1, 0))
    refused = store.start(input=old)
    assert isinstance(refused, StoreError), refused
    assert "blob_of_closed_day" in str(refused)


def test_sweep_closes_at_most_one_day_more_than_the_last_one(store, clock):
    """A clock that is years ahead for one sweep does not refuse the puts of today."""
    sweep(store, clock)
    store.do(SweepBlobs(day_at(clock.now()) + 9_000, 0))
    assert store.start(input=reference(clock)).created


def test_blob_whose_references_were_all_lost_at_once_goes(store, clock):
    """Two processes may release the last two references at once: neither sees that it is the last one."""
    store.start(input=reference(clock))
    store.tamper("delete from blob_references")
    store.tamper("update blobs set unreferenced_at = null")
    assert sweep(store, clock, days=2) == 0
    assert sweep(store, clock, days=2) == 1
