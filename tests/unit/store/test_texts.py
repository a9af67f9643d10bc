"""Statements: each is found by its name, stands once in its set, is used, and lies in a folder that can be read."""

import ast
from collections import Counter
from pathlib import Path

import pytest

import mainspring
from mainspring.store.postgres.texts import TEXTS as POSTGRES
from mainspring.store.schema.renames import rename_statements
from mainspring.store.sqlite.texts import TEXTS as SQLITE
from mainspring.store.texts import StatementTexts, statement_files

SOURCE = Path(mainspring.__file__).parent
SETS = [SOURCE / "store" / "queries", *(SOURCE / "store" / name / "queries" for name in ("sqlite", "postgres"))]
MOST_FILES = 30
_ON_TRANSACTION = {"first", "value", "values", "all", "change", "later", "source"}
"""Methods of a transaction whose first argument names a statement, where it is a literal; a reader has `read`."""


def names_twice(folder: Path) -> list[str]:
    """Return the names that stand twice in one set."""
    return [name for name, count in Counter(name for name, _ in statement_files(folder)).items() if count > 1]


def names_in_code() -> tuple[set[str], set[str]]:
    """Return every text of the source, and those that certainly name a statement."""
    words, named = set(), set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=str(word)):
                    words.add(word)
                case ast.Call(func=called, args=[ast.Constant(value=str(word)), *_]) if runs_statement(called):
                    named.add(word)
                case ast.Subscript(value=ast.Name(id="TEXTS"), slice=ast.Constant(value=str(word))):
                    named.add(word)
    return words, named


def runs_statement(called: ast.expr) -> bool:
    """Whether what is called takes the name of a statement."""
    match called:
        case ast.Attribute(attr=method, value=ast.Name(id="tx")):
            return method in _ON_TRANSACTION
        case ast.Attribute(attr="read", value=ast.Name(id="reader") | ast.Attribute(attr="reader" | "_reader")):
            return True
    return False


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.parent.name)
def test_statement_is_once_in_its_set(folder):
    """Code names no folder, so no two files of one set have the same name."""
    assert names_twice(folder) == []


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.parent.name)
def test_folder_of_statements_can_be_read(folder):
    """No folder holds more statements than a reader can survey."""
    counts = Counter(Path(path).parent for _, path in statement_files(folder))
    assert {place: count for place, count in counts.items() if count > MOST_FILES} == {}


def test_every_statement_is_used():
    """A file that no code names is dead; statements of renames are made from the schema."""
    words, _ = names_in_code()
    assert sorted({*SQLITE.names(), *POSTGRES.names()} - words - set(rename_statements())) == []


def test_every_named_statement_is_there():
    """What a handler runs has its file."""
    _, named = names_in_code()
    assert len(named) > 300
    assert sorted(named - {*SQLITE.names(), *POSTGRES.names()}) == []


def test_own_wording_takes_the_place_of_the_shared_one():
    """A statement of PostgreSQL hides the shared one of its name, wherever the two lie; SQLite runs the shared one."""
    assert POSTGRES.source("find_audit_bound") != SQLITE.source("find_audit_bound")
    assert POSTGRES.source("insert_run") == SQLITE.source("insert_run")


def test_unknown_statement_is_our_mistake():
    """A name without a file says which file is missing."""
    with pytest.raises(FileNotFoundError, match=r"no_such_thing\.sql"):
        SQLITE["no_such_thing"]


def test_planted_name_is_found_in_a_folder_below_and_twice(tmp_path):
    """Folders may be as deep as they like; a name in two of them is reported."""
    for place in ("a", "b/c"):
        (tmp_path / "queries" / place).mkdir(parents=True)
        (tmp_path / "queries" / place / "planted.sql").write_text("select 1;\n")
    assert StatementTexts(tmp_path, str)["planted"] == "select 1"
    assert names_twice(tmp_path / "queries") == ["planted"]
