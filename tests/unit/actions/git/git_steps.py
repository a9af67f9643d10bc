"""Functions of a user that use Git: the contract runs each as a step, in processes of its own."""

import os
from pathlib import Path

from mainspring.actions import files, git

REMOTE, FOLDER = "EXAMPLE_GIT_REMOTE", "EXAMPLE_GIT_FOLDER"


def publish(number: int) -> git.GitPush:
    """A commit with one file, in the one checkout of all calls."""
    folder = Path(os.environ[FOLDER])
    git.checkout(os.environ[REMOTE], folder, discard=True)
    files.write(folder / f"{number}.txt", f"report {number}")
    return git.push(folder, f"Report {number}", paths=[f"{number}.txt"], once=f"report:{number}")


def clone(number: int) -> git.GitCheckout:
    """A new checkout."""
    return git.checkout(os.environ[REMOTE], f"{os.environ[FOLDER]}/{number}", credentials="secret:GIT")
