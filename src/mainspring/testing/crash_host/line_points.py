"""Line points: each line of the project's own code that a step executes is a crash point."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from mainspring.testing.crash_host.crash_watch import CrashWatch

_MOST_TIMES = 2
"""How often a line of a loop is a point, in one attempt."""


def watch_lines(folders: Sequence[str], watch: CrashWatch) -> None:
    """Pass each line below these folders that the code of a step executes, until this process ends."""
    lines = _Lines(folders, watch)
    if sys.version_info >= (3, 12):
        lines.monitor()
    else:
        lines.trace()


class _Lines:
    def __init__(self, folders: Sequence[str], watch: CrashWatch) -> None:
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._watch = watch
        self._names: dict[str, str] = {}

    def note(self, file: str, line: int) -> None:
        if file not in self._names:
            own = file.startswith(self._folders) and "/site-packages/" not in file
            self._names[file] = Path(file).name if own else ""
        if name := self._names[file]:
            self._watch.note_in_step(f"line {line} of {name}", most=_MOST_TIMES)

    def monitor(self) -> None:
        """Watch by `sys.monitoring`."""
        monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]  # since Python 3.12
        tool = monitoring.PROFILER_ID

        def note(code: CodeType, line: int) -> Any:
            if not code.co_filename.startswith(self._folders):
                return monitoring.DISABLE
            return self.note(code.co_filename, line)

        monitoring.use_tool_id(tool, "mainspring crash points")
        monitoring.register_callback(tool, monitoring.events.LINE, note)
        monitoring.set_events(tool, monitoring.events.LINE)

    def trace(self) -> None:
        """Watch by a trace function, in threads that begin from now on."""

        def trace(frame: FrameType, event: str, _arg: object) -> Any:
            if not frame.f_code.co_filename.startswith(self._folders):
                return None
            if event == "line":
                self.note(frame.f_code.co_filename, frame.f_lineno)
            return trace

        threading.settrace(trace)
