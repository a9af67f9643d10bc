"""`mainspring docs list|show`."""

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from mainspring.cli.context import Invocation
from mainspring.cli.docs.terminal_page import name_linked_topics
from mainspring.cli.docs.topics import DocTopic
from mainspring.cli.main import root
from tests.unit.cli.test_eighty_columns import on_terminal

TOPICS = [
    DocTopic("config", "Configuration", "", "reference/config.md"),
    DocTopic("files", "Watch a folder", "", "how-to/files.md"),
]


def test_list_prints_topics_with_titles(cli, store_path):
    """It needs neither a project nor a store."""
    listed = cli("docs", "list")
    assert listed.code == 0
    assert "\nconcepts " in listed.out
    assert not store_path.exists()
    (topic,) = cli("docs", "list", "--name", "ERRORS", "--json").json
    assert (topic["topic"], topic["page"]) == ("errors", "reference/errors.md")
    assert len(cli("docs", "list", "--limit", "3", "--json").json) == 3
    assert cli("docs", "list", "--name", "nothing like this", "--json").json == []


def test_show_prints_markdown_into_a_pipe(cli):
    """A section, or the whole page."""
    section = cli("docs", "show", "errors#no_store")
    assert section.code == 0
    assert section.out.startswith("## no_store\n")
    assert "\n## " not in section.out
    assert cli("docs", "show", "errors").out.startswith("# Errors\n")
    page = cli("docs", "show", "errors#no_store", "--json").json
    assert (page["topic"], page["section"], page["text"]) == ("errors", "no_store", section.out)


@pytest.mark.parametrize(
    ("topic", "hint"), [("eror", "'errors'"), ("errors#no_stor", "'no_store'"), ("api", "reference/api")]
)
def test_unknown_name_ends_with_the_nearest(cli, topic, hint):
    """Of topics, and of sections."""
    page = cli("docs", "show", topic)
    assert page.code != 0
    assert hint in page.err


def test_error_names_a_command_that_works(cli):
    """The command of each error works as it is printed."""
    page = cli("docs", "show", "nothing-like-this", "--json")
    words = page.err.split('"docs": "')[1].split('"')[0].split()
    assert words[:3] == ["mainspring", "docs", "show"]
    assert cli(*words[1:]).out.startswith("## unknown_name\n")


def test_terminal_gets_a_rendered_page(folder):
    """No markup of tables and headings is left."""
    lines = on_terminal("docs", "show", "cli#exit-codes")
    text = "\n".join(lines)
    assert "Exit codes" in text
    assert "|---|" not in text
    assert "##" not in text
    assert max(map(len, lines)) <= 80


def test_links_become_topics():
    """To installed pages; others keep their address, or their words alone."""
    text = (
        "[a](../reference/config.md#web) [b](#x) [c](https://example.com/y.md) [d](../adr/0001-z.md) ![e](../images/e.png)\n"
        "```sh\n[f](files.md)\n```\n<!-- runnable -->\n"
    )
    assert name_linked_topics(text, TOPICS[1], TOPICS) == (
        r"a \[config#web\] b \[files#x\] [c](https://example.com/y.md) d (picture: e)" + "\n"
        "```sh\n[f](files.md)\n```\n\n"
    )


def test_topics_and_sections_complete():
    """Sections behind `#`."""
    complete = ShellComplete(root, {"obj": Invocation()}, "mainspring", "_MAINSPRING_COMPLETE").get_completions
    assert [item.value for item in complete(["docs", "show"], "err")] == ["errors"]
    assert [item.value for item in complete(["docs", "show"], "errors#no_")] == ["errors#no_store"]


def test_version_loads_nothing_of_it():
    """It stays fast."""
    code = (
        "import sys; sys.argv = ['mainspring', 'version']\n"
        "from mainspring.__main__ import main\n"
        "main()\n"
        "assert not [name for name in sys.modules if name.startswith(('mainspring.cli', 'rich', 'click'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
