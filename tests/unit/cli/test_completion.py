"""Completion: scripts for three shells, and what they offer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

import mainspring
from mainspring.cli.context import Invocation
from mainspring.cli.main import root
from mainspring.store.commands.inbox import OpenWait
from tests.contract.store.process import outcome


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
    result = cli("completion", shell)
    assert result.code == 0
    assert "_MAINSPRING_COMPLETE" in result.out
    assert shell in result.err
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


def test_steps_and_answers_of_the_run_on_the_line_complete(offered, stage):
    """The run is given before them."""
    run = stage.begin()
    stage.do(outcome(run, 1, "dump"))
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "ask", question=b'{"text": "Go?", "choices": ["yes", "no"]}'))
    assert offered("runs", "retry", run.id, "--from-step") == ["dump"]
    assert offered("runs", "answer", run.id) == ["yes", "no"]
    assert offered("crash", incomplete="b") == ["backup"]


@pytest.mark.parametrize("program", ["mainspring", "ms"])
def test_bash_completes_either_name_of_the_program(folder, tmp_path, program):
    """A real bash evaluates the script and asks for what begins with "sta"."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mainspring", "ms"):
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m mainspring "$@"\n')
        path.chmod(0o755)
    script = f"""
eval "$(mainspring completion bash)"
complete -p {program} >&2
COMP_WORDS=({program} sta); COMP_CWORD=1
_mainspring_completion {program}
echo "${{COMPREPLY[@]}}"
"""
    source = str(Path(mainspring.__file__).parent.parent)
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": source}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert "_mainspring_completion" in done.stderr
    assert done.stdout.split() == ["status"]
