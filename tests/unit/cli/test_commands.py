"""The table of commands against the commands themselves."""

import inspect
import re
from pathlib import Path

import click
import pytest

from mainspring.cli.commands import COMMAND_TREE
from mainspring.cli.lazy_group import GroupEntry
from mainspring.cli.main import root


def leaves():
    for name, entry in COMMAND_TREE.items():
        if isinstance(entry, GroupEntry):
            yield from ((f"{name} {verb}", leaf) for verb, leaf in entry.verbs.items())
        else:
            yield name, entry


def find(words):
    command = root
    ctx = click.Context(root)
    for word in words.split():
        command = command.get_command(ctx, word)
    return command


@pytest.mark.parametrize(("words", "leaf"), list(leaves()), ids=[words for words, _ in leaves()])
def test_command_matches_the_table(words, leaf):
    """It is there, has the name and the one line of the table, and takes the global flags."""
    command = find(words)
    assert command is not None, f"{leaf.target} is missing"
    assert command.name == words.split()[-1]
    assert command.short_help == leaf.line
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):  # as click prints it
        assert "\b" in paragraph or "\n " not in paragraph, "a sentence of its help is indented"
    assert leaf.line[0].islower()
    assert not leaf.line.endswith(".")
    assert "--json" in {name for param in command.params for name in getattr(param, "opts", ())}


@pytest.mark.parametrize(
    "words", ["", *(name for name, entry in COMMAND_TREE.items() if isinstance(entry, GroupEntry))]
)
def test_help_lists_every_command(cli, words):
    """--help of a group prints the lines of the table."""
    result = cli(*words.split(), "--help")
    entries = COMMAND_TREE if not words else COMMAND_TREE[words].verbs
    assert result.code == 0
    for name in entries:
        assert f"\n  {name} " in result.out
    assert all(len(line) <= 100 for line in result.out.splitlines())


def test_every_list_takes_the_options_that_the_docs_promise():
    """--limit --state --name --since; a row of the page names each list that lacks some, and which."""
    promised = {"--limit", "--state", "--name", "--since"}
    lacking = {}
    for words, leaf in leaves():
        if leaf.line.startswith("list "):
            options = {name for param in find(words).params for name in getattr(param, "opts", ())}
            lacking[words] = promised - options
    page = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
    section = page.partition("\n## Lists\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z -]+)` \| ([^|]+) \|", section, re.MULTILINE)
    documented = {words: set(re.findall("`(--[a-z]+)`", flags)) for words, flags in rows}
    assert documented == {words: flags for words, flags in lacking.items() if flags}
