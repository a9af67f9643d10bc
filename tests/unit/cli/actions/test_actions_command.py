"""`mainspring actions`: each action with its arguments, an example, and why it is safe to run twice."""

import ast
import inspect

import pytest

from mainspring.actions.base.action_catalog import SAFE, list_actions
from mainspring.domain.values.function_signature import read_signature

NAMES = {
    *(f"files.{name}" for name in ("write", "copy", "move", "rename", "ensure_folder", "remove", "archive", "extract")),
    *("files.checksum", "files.prune", "shell.run", "backup.sqlite", "backup.postgres", "backup.prune"),
    *(f"sql.{name}" for name in ("query", "insert_once", "upsert", "update_where", "bulk_load")),
    *(f"wait.{name}" for name in ("until", "port", "file", "url", "row")),
}


def test_list_has_each_action_once(cli) -> None:
    """A name of another module that one imports is not among them."""
    entries = cli("actions", "list", "--json").json
    names = [entry["name"] for entry in entries]
    assert set(names) >= NAMES
    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith("_async")]
    assert "files.write" in cli("actions", "list", "--name", "write a file").out
    assert "base" not in {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("entry", list_actions(), ids=lambda entry: entry.name)
def test_each_action_explains_itself(entry) -> None:
    """With a reason, a summary and an example that calls it and can be parsed."""
    assert entry.safe.startswith(SAFE)
    assert len(entry.safe) > len(SAFE) + 10
    assert entry.summary
    assert entry.example is not None
    body = "".join(f"\n    {line}" for line in entry.example.splitlines())
    calls = [
        ast.unparse(node.func) for node in ast.walk(ast.parse(f"async def f():{body}")) if isinstance(node, ast.Call)
    ]
    assert entry.name in calls


@pytest.mark.parametrize("name", sorted(NAMES))
def test_own_actions_have_an_example_and_can_be_steps(name: str) -> None:
    """Their signatures are readable by the engine."""
    entry = next(entry for entry in list_actions() if entry.name == name)
    assert entry.example
    assert entry.errors
    family, _, function = name.partition(".")
    module = __import__(f"mainspring.actions.{family}", fromlist=[function])
    fn = getattr(module, function)
    assert inspect.isfunction(fn)
    read_signature(fn)


def test_show_prints_arguments_reason_and_example(cli) -> None:
    """As text and as JSON."""
    text = cli("actions", "show", "sql.insert_once").out
    assert text.startswith("sql.insert_once(database, table, values, key=...)")
    for part in ("Safe to run twice because the unique index", "key", "required", "default '30s'", 'key="order_id"'):
        assert part in text
    assert "\nReturns: bool\n" in text
    assert "\nIn an event loop: await sql.insert_once_async(...)\n" in text
    entry = cli("actions", "show", "files.write", "--json").json
    assert (entry["returns"], entry["async_form"]) == ("File", "files.write_async")
    assert entry["arguments"][0] == {"name": "path", "type": "str | File | PathLike[str]", "default": None}


def test_unknown_action_names_the_nearest(cli) -> None:
    """With exit code of an unknown name."""
    result = cli("actions", "show", "files.wirte")
    assert result.code != 0
    assert "Did you mean 'files.write'?" in result.err


@pytest.mark.parametrize(
    ("name", "topic"),
    [("lock", "locks"), ("ms.lock", "locks"), ("once", "effects"), ("secret", "secrets"), ("send", "outbox")],
)
def test_function_that_is_no_action_names_its_page(cli, name, topic) -> None:
    """The page exists."""
    result = cli("actions", "show", name)
    assert result.code != 0
    assert f"unknown action {name!r}" in result.err
    assert f"ms.{name.removeprefix('ms.')} is a function: mainspring docs show {topic}" in result.err
    assert cli("docs", "show", topic).code == 0


def test_show_lists_the_options_that_a_function_takes_by_keyword(cli) -> None:
    """`**options: Unpack[...]` stands for each of them, those of inherited classes too, with their explanations."""
    text = cli("actions", "show", "http.post").out
    for part in ("json ", "bearer ", "once ", "keyed ", "optional", "`allow` = hosts and networks", "`once` = its key"):
        assert part in text
