"""File actions with options: the contract runs each as a step, in processes of its own."""

import mainspring as ms
from mainspring.actions import files


@ms.step
def remove_folder(path: str) -> bool:
    """A folder with its content."""
    return files.remove(path, recursive=True)


@ms.step
def prune_logs(folder: str) -> list[str]:
    """All logs but the newest."""
    return files.prune(folder, keep=1, pattern="*.log").removed
