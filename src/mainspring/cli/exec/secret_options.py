"""The options of `exec` and `once` that give secrets to the command."""

from collections.abc import Callable
from typing import Any

import click


def add_secret_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--secret` and `--secret-file` to a command, as `secrets` and `secret_files`."""
    secret = click.option(
        "--secret",
        "secrets",
        metavar="NAME[=VARIABLE]",
        multiple=True,
        help="give the command this secret in a variable (default: its name)",
    )
    secret_file = click.option(
        "--secret-file",
        "secret_files",
        metavar="NAME[=VARIABLE]",
        multiple=True,
        help="give it as a file in memory; VARIABLE_FILE is its path",
    )
    return secret(secret_file(function))
