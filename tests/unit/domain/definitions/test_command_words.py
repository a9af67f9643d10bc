"""Commands: words, never a shell."""

import pytest

from mainspring.domain.definitions.command_words import parse_command
from mainspring.domain.errors import OptionError


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("./backup.sh --all", ["./backup.sh", "--all"]),
        ("cp 'a b' \"c d\"", ["cp", "a b", "c d"]),
        ("awk '{print $1 | \"sort\"}' f", ["awk", '{print $1 | "sort"}', "f"]),
        (["bash", "-c", "a | b"], ["bash", "-c", "a | b"]),
        (("ls",), ["ls"]),
    ],
)
def test_command_becomes_words(value, words):
    """Text is split as a shell would and nothing is expanded; a list is taken as it is."""
    assert parse_command(value) == words


@pytest.mark.parametrize(
    "value", ["", "  ", [], [""], None, 3, ["a", 3], "a 'b", "a | b", "a && b", "a > f", "a\0b", {"a": 1}]
)
def test_command_refuses_what_no_program_could_be_started_with(value):
    """Each refusal says what to write instead; a shell must be asked for."""
    with pytest.raises(OptionError) as refused:
        parse_command(value)
    assert refused.value.hint


def test_command_with_a_pipe_displays_the_shell_form():
    """The hint holds the list that would run it in a shell."""
    with pytest.raises(OptionError, match="only a shell") as refused:
        parse_command("dump | gzip")
    assert "pipefail" in str(refused.value.hint)
