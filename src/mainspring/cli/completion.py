"""`mainspring completion`: the script that completes commands, options, run ids, names and states in a shell."""

from typing import Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command

_COMPLETION_VARIABLE = "_MAINSPRING_COMPLETE"
# The short name of the program gets the same function.
_SHORT_NAME_LINES = {
    "bash": "complete -o nosort -F _mainspring_completion ms",
    "zsh": "compdef _mainspring_completion ms",
    "fish": 'complete --no-files --command ms --arguments "(_mainspring_completion)"',
}
_USAGE_LINES = {
    "bash": 'eval "$(mainspring completion bash)"      # in ~/.bashrc',
    "zsh": 'eval "$(mainspring completion zsh)"       # in ~/.zshrc',
    "fish": "mainspring completion fish | source       # in ~/.config/fish/config.fish",
}


@command("completion", "print the completion script of a shell")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_invocation
def completion(invocation: Invocation, shell: str) -> None:
    """Bash: put `eval "$(mainspring completion bash)"` into ~/.bashrc; zsh and fish likewise."""
    from click.shell_completion import get_completion_class

    from mainspring.cli.main import PROGRAM, root

    completer_class: Any = get_completion_class(shell)
    # source() would first start the shell to ask for its version.
    completer = completer_class(root, {}, PROGRAM, _COMPLETION_VARIABLE)
    invocation.output.line((completer.source_template % completer.source_vars()).strip())
    invocation.output.line(_SHORT_NAME_LINES[shell])
    invocation.output.hint(_USAGE_LINES[shell])
