"""The processes of a command as /proc tells of them: names and states, never their arguments, which may hold secrets."""

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
    "Z": "ended, and its parent takes no note of it",
    "I": "idle",
}


class _Process(msgspec.Struct, frozen=True):
    pid: int
    name: str
    state: str
    parent: int
    group: int


def describe_process_tree(pid: int, proc: Path = _PROC) -> list[str]:
    """Return a line for a process and each below it, a space further in: "sleep (pid 7): sleeping". Empty = it is gone.

    What its group left behind without a parent is told after them. `pid` leads a process group.
    """
    if proc is _PROC and sys.platform != "linux":
        return [f"process {pid}: this system does not tell what it does"]
    every = {one.pid: one for one in map(_read_process, proc.glob("[0-9]*")) if one is not None}
    if pid not in every:
        return []
    lines: list[str] = []
    _add_lines(every, pid, 0, lines)
    for one in sorted(each for each, known in every.items() if known.group == pid):
        _add_lines(every, one, 1, lines)
    return lines


def _add_lines(every: dict[int, _Process], pid: int, depth: int, lines: list[str]) -> None:
    """Add a line for this process, and for those that it began; each is taken out of `every`, so that none is told twice."""
    one = every.pop(pid, None)
    if one is None or len(lines) >= MAX_PROCESSES:
        return
    lines.append(f"{' ' * depth}{one.name} (pid {pid}): {_STATES.get(one.state, one.state)}")
    for child in sorted(each for each, known in every.items() if known.parent == pid):
        _add_lines(every, child, depth + 1, lines)


def _read_process(folder: Path) -> _Process | None:
    """Return a process, None if it is gone. Of all its files only this one is never waited for, whatever the process hangs in."""
    try:
        text = (folder / "stat").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent, group = rest.split()[:3]
    return _Process(int(folder.name), escape(" ".join(name.split())), state, int(parent), int(group))
