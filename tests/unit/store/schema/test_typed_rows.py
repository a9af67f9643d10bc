"""Typed rows: no code of the store reads a row by index, and no signature of store and service contains `Any`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mainspring

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
