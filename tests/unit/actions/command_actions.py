"""Commands as actions of the contract: each appends a line to a file."""

import os
from pathlib import Path

import mainspring as ms
from mainspring.actions import shell

TARGET = "EXAMPLE_TARGET"


def target() -> Path:
    return Path(os.environ[TARGET])


def count(number: int) -> int:
    return target().read_text(encoding="utf-8").split("\n").count(str(number)) if target().exists() else 0


@ms.step
def append(number: int) -> str:
    """Its outcome can be found at the target."""
    words = ["sh", "-c", 'echo "$1" >> "$2"; echo "$SECRET" >&2', "append", str(number), str(target())]
    env = {"SECRET": "secret:LINE"}
    result = shell.run(words, env=env, once=f"append:{number}", check=lambda: count(number) > 0)
    return result.stdout


@ms.step
def append_unchecked(number: int) -> str:
    """Nothing but a person can tell."""
    words = ["sh", "-c", 'echo "$1" >> "$2"', "append", str(number), str(target())]
    return shell.run(words, once=f"append:{number}").stdout
