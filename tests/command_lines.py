"""Lines that call the program, as docs and pages show them: whether it has what they name."""

import re
import shlex

import click

from mainspring.cli.main import root


def unknown_in(line: str) -> list[str]:
    """Return what a line without `mainspring` in front names that the program has not: a command, or options of one that it has."""
    words = shlex.split(line, comments=True)
    command: click.Command = root
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return words[:1]
        command, words = found, words[1:]
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    before = words[: words.index("--")] if "--" in words else words
    return [word for word in before if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
