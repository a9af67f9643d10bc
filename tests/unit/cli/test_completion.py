"""Completion: scripts for three shells, and what they offer."""

import pytest
from click.shell_completion import ShellComplete

from mainspring.cli.context import Invocation
from mainspring.cli.main import root


@pytest.fixture
def offered(folder):
    """Words that a shell would offer behind some words."""

    def complete(*args, incomplete=""):
        made = ShellComplete(root, {"obj": Invocation()}, "mainspring", "_MAINSPRING_COMPLETE")
        return [item.value for item in made.get_completions(list(args), incomplete)]

    return complete


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed(cli, shell):
    """It asks the program through one variable; only the script is on stdout."""
    said = cli("completion", shell)
    assert said.code == 0
    assert "_MAINSPRING_COMPLETE" in said.out
    assert shell in said.err
    assert cli("completion", "tcsh").code == 2


def test_commands_complete(offered):
    """On each floor of the tree."""
    assert offered(incomplete="sta") == ["status"]
    assert "list" in offered("runs")


def test_run_ids_names_and_states_complete(offered, stage):
    """From the store, narrowed by what was typed."""
    run = stage.start()
    assert offered("runs", "show") == ["@last", "@failed", run]
    assert offered("runs", "show", incomplete="r_") == [run]
    assert offered("auto", "pause", incomplete="b") == ["backup"]
    assert offered("runs", "list", "--state", incomplete="f") == ["failed"]
    assert offered("queues", "pause") == ["default"]


def test_completing_without_a_store_or_with_a_broken_one_offers_nothing(offered, store_path):
    """A shell never shows an error of ours, and no store is made."""
    assert offered("runs", "show", incomplete="r") == []
    assert not store_path.exists()
    store_path.parent.mkdir(exist_ok=True)
    store_path.write_text("no store at all")
    assert offered("runs", "show", incomplete="r") == []
