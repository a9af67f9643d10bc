"""Typed rows: no code of the store reads a row by index, columns have the names of the fields that they fill, and no signature of
store and service contains `Any`.
"""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import apsw
import apsw.ext
import pytest

import mainspring
from mainspring.domain.clock import SystemClock
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.store import PostgresStore
from mainspring.store.postgres.texts import TEXTS as POSTGRES
from mainspring.store.sqlite.store import SqliteStore
from mainspring.store.sqlite.texts import TEXTS as SQLITE

SOURCE = Path(mainspring.__file__).parent
READERS = {"first", "all", "read", "read_text", "fetchone"}
FIRST_VALUES = {"first_value", "first_values"}
"""The functions that take the first value of a row for all others."""
LIBRARY_OVERRIDES = {"_GuardedCursor.execute", "_GuardedCursor.executemany"}
"""Methods of a library whose own signatures are overloaded, and differ between its versions."""


def rows_by_index(tree: ast.AST) -> Iterator[str]:
    """Yield places that take a value of a row by its number: `row[3]`, `rows[0][1]`, `tx.first(...)[0]`."""
    allowed = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in FIRST_VALUES
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and node not in allowed and _is_number(node.slice) and _is_row(node.value):
            yield f"{node.lineno}: {ast.unparse(node)}"


def _is_number(node: ast.expr) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant) and not (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _is_row(node: ast.expr) -> bool:
    """Whether an expression is a row: called so, an element of rows, or the result of a read."""
    match node:
        case ast.Name(id="row"):
            return True
        case ast.Subscript(value=ast.Name(id="rows" | "found"), slice=index):
            return _is_number(index)
        case ast.Subscript(value=ast.Call() as call):
            return _reads(call)
        case ast.Call() as call:
            return _reads(call, {"first", "fetchone"})
    return False


def _reads(call: ast.Call, methods: set[str] = READERS) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in methods and bool(call.args) and not isinstance(call.args[0], ast.Starred)


def signatures_with_any(tree: ast.AST, owner: str = "") -> Iterator[str]:
    """Yield functions whose arguments or result are annotated with `Any`."""
    for node in ast.iter_child_nodes(tree):
        name = f"{owner}.{node.name}".lstrip(".") if isinstance(node, ast.ClassDef | ast.FunctionDef) else owner
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{owner}.{node.name}".lstrip(".")
            given = node.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            notes = [argument.annotation for argument in arguments if argument is not None] + [node.returns]
            words = {word.id for note in notes if note for word in ast.walk(note) if isinstance(word, ast.Name)}
            if "Any" in words and name not in LIBRARY_OVERRIDES:
                yield f"{node.lineno}: {name}"
        yield from signatures_with_any(node, name)


def rows_by_position(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the type and the statement where a whole row is passed on: `[View(*row) for row in reader.read("list_views")]`."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.ListComp(elt=made, generators=[ast.comprehension(iter=read)])
                | ast.GeneratorExp(elt=made, generators=[ast.comprehension(iter=read)])
            ):
                match made, read:
                    case (
                        ast.Call(func=ast.Name(id=name), args=[ast.Starred()]),
                        ast.Call(args=[ast.Constant(value=str(statement)), *_]),
                    ):
                        yield name, statement


def fields_by_statement() -> Iterator[tuple[str, str, list[str]]]:
    """Yield each type that rows fill by position, with its statement and its fields."""
    for file in files("store"):
        for name, statement in rows_by_position(ast.parse(file.read_text(encoding="utf-8"))):
            module = import_module(".".join(("mainspring", *file.relative_to(SOURCE).with_suffix("").parts)))
            kind = getattr(module, name)
            yield (
                f"{file.relative_to(SOURCE)}: {name}",
                statement,
                list(getattr(kind, "__struct_fields__", ()) or kind._fields),
            )


def files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (SOURCE / folder).rglob("*.py"))


def test_no_row_is_read_by_index():
    """A value has a name: a struct's field, or a variable to which the row is unpacked."""
    found = [
        f"{file.relative_to(SOURCE)}:{place}"
        for file in files("store")
        for place in rows_by_index(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_columns_of_sqlite_have_the_names_of_the_fields(tmp_path):
    """A column that is added to a statement in another place than to its type is found."""
    store = SqliteStore(tmp_path / "s.db", clock=SystemClock())
    store.open()
    connection = apsw.Connection(str(tmp_path / "s.db"))
    found = {
        (place, statement): columns
        for place, statement, fields in fields_by_statement()
        if (columns := [name for name, _ in apsw.ext.query_info(connection, SQLITE[statement]).description]) != fields
    }
    connection.close()
    store.close()
    assert found == {}


def test_columns_of_postgres_have_the_names_of_the_fields(lent_store, tmp_path):
    """Its own wording of a statement has the same columns."""
    address = read_address(lent_store)
    store = PostgresStore(address, clock=SystemClock(), locks=tmp_path)
    store.open()
    found = {}
    with connect(address) as connection:
        connection.execute("select set_config('search_path', $1, false)", (address.schema,))
        for number, (place, statement, fields) in enumerate(fields_by_statement()):
            connection.pgconn.prepare(f"q{number}".encode(), POSTGRES[statement].encode())
            described = connection.pgconn.describe_prepared(f"q{number}".encode())
            columns = [(described.fname(index) or b"").decode() for index in range(described.nfields)]
            if columns != fields:
                found[place, statement] = columns
    store.close()
    assert found == {}


def test_rule_of_positions_finds_what_it_means():
    """Lists and generators are found; rows that their type reads by name are not."""
    text = "a = [V(*row) for row in r.read('x', (1,))]\nb = next((W(*row) for row in tx.all('y')))\nc = [V.read(row) for row in read('z')]"
    assert list(rows_by_position(ast.parse(text))) == [("V", "x"), ("W", "y")]


def test_no_signature_contains_any():
    """What a function takes and returns is known to the checker; an unknown value is an `object`."""
    found = [
        f"{file.relative_to(SOURCE)}:{place}"
        for file in files("store", "service")
        for place in signatures_with_any(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("row[3]", True),
        ("row[-1]", True),
        ("rows[0][1]", True),
        ("tx.first('q', ())[0]", True),
        ("reader.read('q')[0][0]", True),
        ("rows[0]", False),
        ("ROW.read(rows[0])", False),
        ("row['name']", False),
        ("pages[0][1]", False),
        ("for name, *_ in rows: pass", False),
    ],
)
def test_rule_of_indexes_finds_what_it_means(text, is_found):
    """Each form is found, and nothing else."""
    assert bool(list(rows_by_index(ast.parse(text)))) is is_found


def test_rule_of_any_finds_what_it_means():
    """Arguments, keyword arguments and results of functions and methods are looked at; variables are not."""
    text = "x: Any = 1\ndef f(a: list[Any]): ...\ndef g() -> Any: ...\nclass C:\n    def h(self, **o: Any): ...\ndef i(a: object): ..."
    assert list(signatures_with_any(ast.parse(text))) == ["2: f", "3: g", "5: C.h"]
