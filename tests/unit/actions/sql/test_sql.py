"""SQL actions on both databases: what they change, what a second call finds, and errors that never show a value."""

import csv
import decimal
import io
import os
import re
import subprocess
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

import mainspring as ms
from mainspring.actions import sql
from mainspring.actions.sql.sessions import find_database_place
from mainspring.domain.errors import ArgumentError, ConfigError, OptionError, Transient
from mainspring.domain.failures.classifier import classify
from mainspring.resources.database_places import DATABASE_PLACES
from tests.free_port import free_port
from tests.postgres_server import PostgresServer
from tests.unit.actions.sql import sql_steps
from tests.unit.actions.sql.conftest import Shop, make_sqlite_shop

VALUE = "value_that_no_error_shows"


def test_insert_once_returns_whether_it_was_this_call(shop: Shop) -> None:
    """An existing row is not changed."""
    row = {"id": 7, "state": "open", "total": 12.5, "note": None}
    assert sql.insert_once(shop.url, "orders", row, key="id")
    assert not sql.insert_once(shop.url, "orders", row | {"state": "paid"}, key=["id"])
    assert shop.rows("select id, state, note from orders") == [(7, "open", None)]


def test_insert_once_of_many_calls_at_once_is_one(shop: Shop) -> None:
    """Exactly one of them returns True."""
    results: list[bool] = []

    def insert() -> None:
        results.append(sql.insert_once(shop.url, "orders", {"id": 1, "state": "x"}, key="id"))

    threads = [threading.Thread(target=insert) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 7 + [True]


def test_upsert_sets_the_named_columns_only(shop: Shop) -> None:
    """Other columns of the row stay; a row of key columns only is left as it is."""
    sql.insert_once(shop.url, "orders", {"id": 1, "state": "open", "note": "keep"}, key="id")
    for _ in range(2):
        sql.upsert(shop.url, "orders", {"id": 1, "state": "paid"}, key="id")
        sql.upsert(shop.url, "orders", {"id": 2, "state": "new"}, key="id")
    assert shop.rows("select id, state, note from orders order by id") == [(1, "paid", "keep"), (2, "new", None)]
    sql.upsert(shop.url, "Odd Names", {"a b": 1}, key="a b")
    sql.upsert(shop.url, "Odd Names", {"a b": 1}, key="a b")
    assert shop.rows('select "a b" from "Odd Names"') == [(1,)]


def test_update_where_needs_the_old_values(shop: Shop) -> None:
    """A second call changes nothing; a row with other values is not touched."""
    for number, state in enumerate(["open", "open", "closed"]):
        sql.insert_once(shop.url, "orders", {"id": number, "state": state}, key="id")

    def pay(number: int) -> tuple[int, int]:
        done = sql.update_where(
            shop.url, "orders", {"state": "paid"}, where={"id": number}, expect={"state": "open", "note": None}
        )
        return done.changed, done.unchanged

    assert [pay(0), pay(0), pay(2), pay(9)] == [(1, 0), (0, 1), (0, 0), (0, 0)]
    assert shop.rows("select state from orders order by id") == [("paid",), ("open",), ("closed",)]
    both = sql.update_where(shop.url, "orders", {"note": "x"}, where={"note": None})
    assert (both.changed, both.unchanged) == (3, 0)


def test_query_returns_rows_by_column(shop: Shop) -> None:
    """It cannot write, and too many rows are an error."""
    for number in range(5):
        sql.insert_once(shop.url, "orders", {"id": number, "state": "open"}, key="id")
    rows = sql.query(shop.url, f"select id, state as s from orders where id > {shop.mark} order by id", [2])
    assert rows == [{"id": 3, "s": "open"}, {"id": 4, "s": "open"}]
    assert sql.query(shop.url, "select id from orders where id > 99") == []
    with pytest.raises(sql.SqlActionError, match="SELECT returns more than 4 rows") as caught:
        sql.query(shop.url, "select id from orders", max_rows=4)
    assert "limit" in str(caught.value)
    with pytest.raises(sql.SqlActionError, match="DELETE failed") as caught:
        sql.query(shop.url, "delete from orders returning id")
    assert "query() only reads" in str(caught.value)
    assert len(shop.rows("select id from orders")) == 5


def test_values_are_parameters_whatever_they_hold(shop: Shop) -> None:
    """Also quotes, percent signs, question marks, dates and objects."""
    texts = ["'; drop table orders; --", "%s %% %(x)s", "? :x", '"', "\u202e", ""]
    for number, text in enumerate(texts):
        sql.upsert(shop.url, "orders", {"id": number, "state": text}, key="id")
    assert [row[0] for row in shop.rows("select state from orders order by id")] == texts
    values: list[Any] = [{"a": [1]}, date(2026, 1, 5), decimal.Decimal("1.50")]
    for value in values:
        sql.upsert(shop.url, "orders", {"id": 1, "state": value if isinstance(value, dict) else str(value)}, key="id")
    row = {"id": 2, "state": "x", "total": decimal.Decimal("1.50")}
    sql.upsert(shop.url, "orders", row, key="id")
    assert float(shop.rows("select total from orders where id = 2")[0][0]) == 1.5


@pytest.mark.parametrize("name", ['a"b', "a;b", "a'b", "", "a" * 64, "1a", "a\0", "x.y.z", "a%sb", "--", None, 7])
def test_name_that_cannot_be_quoted_safely_is_refused(name: Any, tmp_path: Path) -> None:
    """Before anything is sent."""
    url = make_sqlite_shop(tmp_path).url
    with pytest.raises(ArgumentError, match="is not a name of a"):
        sql.insert_once(url, name, {"id": 1}, key="id")
    if name != "x.y.z":
        with pytest.raises(ArgumentError, match="is not a name of a column"):
            sql.update_where(url, "orders", {name: 1}, where={"id": 1})


def test_bulk_load_in_chunks(shop: Shop) -> None:
    """Again with other values: rows are updated, or kept."""
    rows = [{"id": number, "state": f"s{number}"} for number in range(2_503)]
    assert sql.bulk_load(shop.url, "orders", iter(rows), key="id", chunk=1_000) == sql.BulkLoad(2_503, 0)
    again = [{"state": "again", "id": row["id"]} for row in rows]
    sql.bulk_load(shop.url, "orders", again, key="id", existing="keep")
    assert shop.rows("select count(*) from orders where state = 'again'") == [(0,)]
    sql.bulk_load(shop.url, "orders", again, key="id")
    assert shop.rows("select count(*) from orders where state = 'again'") == [(2_503,)]
    assert sql.bulk_load(shop.url, "orders", [], key="id") == sql.BulkLoad(0, 0)
    twins = [{"id": 9, "state": "first"}, {"id": 9, "state": "second"}]
    sql.bulk_load(shop.url, "orders", twins, key="id")
    assert shop.rows("select state from orders where id = 9") == [("second",)]


def test_bulk_load_keeps_whole_chunks_before_a_bad_row(shop: Shop) -> None:
    """The chunk of the bad row is rolled back."""
    rows = [{"id": number, "state": "x" if number != 5 else None} for number in range(8)]
    with pytest.raises(sql.SqlActionError, match="INSERT into 'orders' failed") as caught:
        sql.bulk_load(shop.url, "orders", rows, key="id", chunk=2)
    assert "not null" in str(caught.value)
    assert shop.rows("select max(id) from orders") == [(3,)]
    uneven = [{"id": 1, "state": "x"}, {"id": 2, "note": "x"}]
    with pytest.raises(ArgumentError, match=r"rows\[1\] has other columns"):
        sql.bulk_load(shop.url, "orders", uneven, key="id")
    with pytest.raises(OptionError):
        sql.bulk_load(shop.url, "orders", rows, key="id", chunk=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,state\n1,open,x\n2,open\n", r"rows\[0\] has the column None.*\ncsv\.DictReader stores"),
        ("id,state\n1,open\n2,open,x\n", r"rows\[1\] has the column None.*\ncsv\.DictReader stores"),
    ],
)
def test_ragged_line_of_a_csv_file_is_named(shop: Shop, text: str, message: str) -> None:
    """DictReader stores the values that are too many at None; nothing is loaded."""
    with pytest.raises(ArgumentError, match=message):
        sql.bulk_load(shop.url, "orders", csv.DictReader(io.StringIO(text)), key="id")
    assert shop.rows("select count(*) from orders") == [(0,)]
    with pytest.raises(ArgumentError, match=r"rows\[1\] .* rows\[0\]: it also has 'more'"):
        sql.bulk_load(shop.url, "orders", [{"id": 1}, {"id": 2, "more": 3}], key="id")


@ms.step
def load_with_failure(url: str, marker: str, changes: bool) -> list[int]:
    """Fails after two chunks at the first attempt."""

    def rows() -> Any:
        for number in range(10):
            if number == 8 and not os.path.exists(marker):
                Path(marker).touch()
                raise ms.Transient("as ordered")
            is_other = changes and number == 0 and os.path.exists(marker)
            yield {"id": number, "state": "other" if is_other else "x"}

    done = sql.bulk_load(url, "orders", rows(), key="id", chunk=3)
    return [done.rows, done.resumed]


@pytest.mark.parametrize("changes", [False, True])
def test_next_attempt_of_a_load_continues(changes: bool, shop: Shop, tmp_path: Path) -> None:
    """After the last saved chunk; if the rows differ from those before, from the start."""

    @ms.workflow(name="loads")
    async def loads(run: ms.Run) -> list[int]:
        step = run.options(retry=ms.Retry(attempts=2, initial=0))
        return await step.step(load_with_failure, shop.url, str(tmp_path / "marker"), changes)

    assert ms.App(tmp_path / "store.db").run(loads) == [10, 0 if changes else 6]
    assert shop.rows("select count(*) from orders") == [(10,)]
    assert shop.rows("select state from orders where id = 0") == [("other" if changes else "x",)]


@ms.step
def load_pages(url: str) -> int:
    """Its rows save a checkpoint after each page, as those of `http.paginate(resume=True)` do."""

    def rows() -> Any:
        for page in range(ms.last_checkpoint() or 0, 3):
            yield from ({"id": page * 2 + number, "state": "x"} for number in range(2))
            ms.checkpoint(page + 1)

    return sql.bulk_load(url, "orders", rows(), key="id", chunk=3).rows


def test_rows_that_save_checkpoints_are_refused(shop: Shop, tmp_path: Path) -> None:
    """The next attempt would not read the rows of a chunk that was not loaded."""

    @ms.workflow(name="loads_pages")
    async def loads(run: ms.Run) -> int:
        return await run.step(load_pages, shop.url)

    with pytest.raises(ms.RunFailed, match="rows of bulk_load: reading them saved a checkpoint"):
        ms.App(tmp_path / "store.db").run(loads)
    assert shop.rows("select count(*) from orders") == [(0,)]


def test_saved_progress_of_a_load_has_no_password(postgres: PostgresServer, tmp_path: Path) -> None:
    """The address of the database is part of what a chunk belongs to."""
    url = postgres.url("postgres").replace("//mainspring@", "//mainspring:secret_password@")
    with psycopg.connect(url) as raw:
        raw.execute("create table loaded_with_password (id integer primary key, state text)")

    @ms.step
    def load() -> int:
        rows = [{"id": number, "state": "x"} for number in range(3)]
        return sql.bulk_load(url, "loaded_with_password", rows, key="id", chunk=2).rows

    @ms.workflow(name="loads_with_password")
    async def loads(run: ms.Run) -> int:
        return await run.step(load)

    assert ms.App(tmp_path / "store.db").run(loads) == 3
    assert b"secret_password" not in b"".join(
        path.read_bytes() for path in tmp_path.glob("store.db*") if path.is_file()
    )


@pytest.mark.parametrize("fails", [False, True])
def test_actions_in_a_transactional_step(fails: bool, shop: Shop, tmp_path: Path) -> None:
    """All of them are committed with the step, or none."""

    @ms.workflow(name="inserts")
    async def inserts(run: ms.Run) -> list[Any]:
        return await run.step(sql_steps.insert_in_transaction, fails)

    app = ms.App(tmp_path / "store.db", databases={"shop": shop.url})
    if fails:
        with pytest.raises(ms.RunFailed):
            app.run(inserts)
        assert shop.rows("select count(*) from orders") == [(0,)]
    else:
        assert app.run(inserts) == [True, False, 1, 7, 9]
        assert shop.rows("select count(*) from orders") == [(9,)]


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda url: sql.upsert(url, "no_table", {"id": 1}, key="id"), "INSERT into 'no_table'", "Create the table"),
        (lambda url: sql.upsert(url, "orders", {"nope": VALUE}, key="nope"), "nope", "Fix the name of the column"),
        (
            lambda url: sql.upsert(url, "plain", {"id": 1, "name": VALUE}, key="id"),
            "INSERT into 'plain'",
            r"create unique index on plain \(id\)",
        ),
        (
            lambda url: sql.upsert(url, "orders", {"id": 1, "state": VALUE, "total": -1}, key="id"),
            "INSERT into 'orders'",
            "A `check` of the table",
        ),
        (
            lambda url: sql.update_where(url, "orders", {"state": VALUE}, where={"nope": 1}),
            "UPDATE 'orders'",
            "Fix the name of the column",
        ),
        (
            lambda url: sql.upsert(url, "orders", {"id": VALUE, "state": "x"}, key="id"),
            "INSERT into 'orders'",
            "does not fit the type",
        ),
    ],
    ids=["table", "column", "no index", "check", "where", "type"],
)
def test_error_names_statement_table_and_fix_and_no_value(call: Any, message: str, hint: str, shop: Shop) -> None:
    """Not in its text, and not in an error behind it."""
    with pytest.raises(sql.SqlActionError, match=message) as caught:
        call(shop.url)
    assert caught.value.hint is not None
    assert re.search(hint, caught.value.hint), caught.value.hint
    assert VALUE not in str(caught.value)
    assert caught.value.__cause__ is None
    assert shop.rows("select count(*) from orders") == [(0,)]


def test_database_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the configuration of the folder, or among those that the worker was given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mainspring.toml").write_text('[databases]\nshop = "sqlite:///shop.db"\n')
    make_sqlite_shop(tmp_path)
    assert sql.query("shop", "select 1 as a") == [{"a": 1}]
    DATABASE_PLACES.add({"other": tmp_path / "shop.db"})
    assert sql.query("other", "select 1 as a") == [{"a": 1}]
    with pytest.raises(ConfigError, match="unknown database 'shoop'") as caught:
        sql.query("shoop", "select 1")
    assert "'shop'" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://user:secret_password@[bad/db", "cannot be read"),
        ("sqlite:////no/such/file.db", "there is no file"),
    ],
)
def test_address_that_cannot_be_used_is_named_without_its_password(url: str, message: str) -> None:
    """With a fix."""
    with pytest.raises(ConfigError, match=message) as caught:
        sql.query(url, "select 1")
    assert "secret_password" not in str(caught.value)
    assert caught.value.hint


def test_server_that_is_away_was_sent_nothing() -> None:
    """It can be tried again, also in a step that may run only once."""
    url = f"postgresql://user:secret_password@127.0.0.1:{free_port()}/db"
    with pytest.raises(ms.NotSent, match="cannot be reached") as caught:
        sql.insert_once(url, "orders", {"id": 1}, key="id")
    assert classify(caught.value).not_sent
    assert "secret_password" not in str(caught.value)


def test_server_refusals_name_their_fix(postgres: Any) -> None:
    """No such database, and TLS that the server does not offer."""
    url = postgres.url("no_such_database")
    with pytest.raises(ms.MainspringError, match="does not exist") as caught:
        sql.query(url, "select 1")
    assert "Create the database" in str(caught.value)
    with pytest.raises(ms.MainspringError, match="SSL"):
        sql.query(f"{postgres.url('postgres')}?sslmode=require", "select 1")


def test_statement_without_permission_names_the_grant(shop: Shop) -> None:
    """A role without rights on the table; in SQLite a file that may only be read."""
    if not shop.is_server:
        pytest.skip("SQLite has no roles")
    schema = shop.url.partition("schema=")[2]
    shop.execute(f"create role visitor_{schema} login")
    shop.execute(f"grant usage on schema {schema} to visitor_{schema}")
    url = shop.url.replace("//mainspring@", f"//visitor_{schema}@")
    with pytest.raises(sql.SqlActionError, match="insufficient privilege") as caught:
        sql.insert_once(url, "orders", {"id": 1, "state": VALUE}, key="id")
    assert "grant select, insert, update on orders" in str(caught.value)


def test_locked_row_is_busy_after_the_timeout(shop: Shop) -> None:
    """And can be tried again."""
    sql.insert_once(shop.url, "orders", {"id": 1, "state": "open"}, key="id")
    if shop.is_server:
        address, _, schema = shop.url.partition("?schema=")
        holder: Any = psycopg.connect(address, options=f"-csearch_path={schema}")
        holder.execute("update orders set state = 'x'")
    else:
        holder = apsw.Connection(shop.url.removeprefix("sqlite:///"))
        holder.execute("begin immediate")
    try:
        with pytest.raises(Transient, match=r"locked|lock not available|query canceled"):
            sql.update_where(shop.url, "orders", {"state": "y"}, where={"id": 1}, timeout="0.3s")
    finally:
        holder.close()


def test_long_statement_ends_at_its_timeout(shop: Shop) -> None:
    """A statement without end."""
    endless = "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c"
    started = time.monotonic()
    with pytest.raises(Transient, match=r"longer than timeout=|interrupt") as caught:
        sql.query(shop.url, endless, timeout="0.5s")
    assert "timeout=" in str(caught.value)
    assert time.monotonic() - started < 60


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_full_disk_rolls_the_chunk_back(tmp_path: Path) -> None:
    """The load can be tried again, and continues when there is space."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        shop = make_sqlite_shop(disk)
        rows = [{"id": number, "state": "x" * 10_000} for number in range(400)]
        with pytest.raises(sql.SqlUnavailableError, match="full") as caught:
            sql.bulk_load(shop.url, "orders", rows, key="id", chunk=20)
        assert "Free space" in str(caught.value)
        assert shop.rows("select count(*) from orders")[0][0] % 20 == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("is_step", [False, True])
def test_secret_in_an_address_is_read_for_each_connection(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_step: bool
) -> None:
    """By actions and by transactional steps, so that a rotated password counts at once. Errors have the name only."""
    address = postgres.url("postgres")
    url = f"{address}{'&' if '?' in address else '?'}application_name={{secret:SHOP_APP}}"

    @ms.workflow
    async def read_name(run: ms.Run) -> Any:
        def read(tx: ms.Tx) -> str:
            (name,) = tx.connection.execute("select current_setting('application_name')").fetchone()
            return str(name)

        return await run.options(delivery="transactional").step(read)

    for name in ("shop-name/of-8f21", "shop-name-of-3b77"):
        monkeypatch.setenv("MAINSPRING_SECRET_SHOP_APP", name)
        if is_step:
            assert ms.App(tmp_path / "runs.db", databases={"default": url}).run(read_name) == name
        else:
            (row,) = sql.query(url, "select current_setting('application_name') as name")
            assert row["name"] == name
    with pytest.raises(ConfigError, match="'GONE' is not set"):
        sql.query(url.replace("SHOP_APP", "GONE"), "select 1")


def test_address_for_errors_has_no_password() -> None:
    """The name of a URL is shown."""
    name, place = find_database_place("postgresql://ann:secret_password@db/shop")
    assert ("secret_password" in name, "secret_password" in place) == (False, True)
