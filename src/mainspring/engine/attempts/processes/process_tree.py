"""The process tree of a command from /proc: names and states, never arguments, which may hold secrets."""

import sys
from pathlib import Path
from typing import Final

import msgspec

from mainspring.domain.text.escaping import escape

MAX_PROCESSES = 40
_PROC = Path("/proc")
_STATES: Final[dict[str, str]] = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting in the kernel, as for a disk",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
    "Z": "ended, and its parent has not collected it",
    "I": "idle",
}


class _Process(msgspec.Struct, frozen=True):
    pid: int
    name: str
    state: str
    parent: int
    group: int


def describe_process_tree(pid: int, proc: Path = _PROC) -> list[str]:
    """Return a line for a process and each descendant, indented by one space: "sleep (pid 7): sleeping". Empty = it has ended.

    Processes of its group without a parent follow. `pid` leads a process group.
    """
    if proc is _PROC and sys.platform != "linux":
        return [f"process {pid}: this system does not show its state"]
    processes = {process.pid: process for process in map(_read_process, proc.glob("[0-9]*")) if process is not None}
    if pid not in processes:
        return []
    lines: list[str] = []
    _add_lines(processes, pid, 0, lines)
    for member in sorted(other for other, process in processes.items() if process.group == pid):
        _add_lines(processes, member, 1, lines)
    return lines


def _add_lines(processes: dict[int, _Process], pid: int, depth: int, lines: list[str]) -> None:
    """Add a line for this process and for its children; each is removed from `processes`, so that none is listed twice."""
    process = processes.pop(pid, None)
    if process is None or len(lines) >= MAX_PROCESSES:
        return
    lines.append(f"{' ' * depth}{process.name} (pid {pid}): {_STATES.get(process.state, process.state)}")
    for child in sorted(other for other, process in processes.items() if process.parent == pid):
        _add_lines(processes, child, depth + 1, lines)


def _read_process(folder: Path) -> _Process | None:
    """Return a process, None if it has ended. Reading this file never blocks, even if the process hangs in the kernel."""
    try:
        text = (folder / "stat").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent, group = rest.split()[:3]
    return _Process(int(folder.name), escape(" ".join(name.split())), state, int(parent), int(group))
