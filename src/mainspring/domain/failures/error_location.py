"""Location of an error: the frame of the user's code in which it was raised, found among lines "file:line function"."""

import re
from typing import NamedTuple

from mainspring.domain.text.lazy_pattern import lazy_pattern

_FRAME = lazy_pattern(r"(.+):([0-9]+) (.+)", re.DOTALL)
_PACKAGE = lazy_pattern(r"[\\/](?:site|dist)-packages[\\/]")
_STANDARD = lazy_pattern(r"[\\/]lib(?:64)?/(?:python|pypy)[0-9.]+/|[\\/]Python[0-9]+[\\/]Lib[\\/]|\.zip[\\/]")
# Its folders are named, because a project of the user may be in a folder src/mainspring too.
_OWN_FOLDERS = (
    "actions|alerting|app|cli|config|domain|engine|insight|integrations|resources|service|store|testing|triggers|web"
)
_OWN_FILE = lazy_pattern(
    rf"[\\/](?:src|site-packages|dist-packages)[\\/]mainspring[\\/](?:(?:{_OWN_FOLDERS})[\\/](?:[a-z_0-9]+[\\/])*[a-z_0-9]+|__init__|__main__|version)\.py$"
)
_FOLDER_NAMES_IT = ("__init__.py", "__main__.py")
_INLINED = lazy_pattern(r"(?:\.<locals>\.<(?:list|dict|set)comp>)+$")


class TracebackFrame(NamedTuple):
    """One line of a traceback."""

    file: str
    line: int
    function: str

    @property
    def short_file(self) -> str:
        """The file's name; with its folder if that identifies it."""
        parts = re.split(r"[\\/]", self.file)
        return "/".join(parts[-2:] if parts[-1] in _FOLDER_NAMES_IT else parts[-1:])


def locate_function(frames: list[str]) -> str:
    """Return "jobs.py charge": the innermost function that is neither a library's nor ours; else the outermost of a package."""
    frame = _find_user_frame(frames)
    if frame is None:
        return ""
    # Some versions of Python give a comprehension a frame of its own, others do not.
    return f"{frame.short_file} {_INLINED.sub('', frame.function)}"


def locate_line(frames: list[str]) -> str:
    """Return "jobs.py:6 in charge"; "" if no frame is the user's. Code that was typed in (`<stdin>`) has a location too."""
    frame = _find_user_frame(frames) or _find_interactive_frame(frames)
    if frame is None:
        return ""
    function = _INLINED.sub("", frame.function).rpartition("<locals>.")[2]
    return f"{frame.short_file}:{frame.line}{'' if function == '<module>' else f' in {function}'}"


def locate_full_path(frames: list[str]) -> str:
    """Return the same with the whole path: "/srv/app/jobs.py:6 in charge"."""
    frame = _find_user_frame(frames) or _find_interactive_frame(frames)
    return "" if frame is None else f"{frame.file}:{frame.line} in {frame.function}"


def _find_user_frame(frames: list[str]) -> TracebackFrame | None:
    foreign_frames = [
        frame for frame in _read_frames(frames) if not (frame.file.startswith("<") or _OWN_FILE.search(frame.file))
    ]
    for frame in reversed(foreign_frames):
        if not (_PACKAGE.search(frame.file) or _STANDARD.search(frame.file)):
            return frame
    return next((frame for frame in foreign_frames if _PACKAGE.search(frame.file)), None)


def _find_interactive_frame(frames: list[str]) -> TracebackFrame | None:
    typed = [
        frame for frame in _read_frames(frames) if frame.file.startswith("<") and not frame.file.startswith("<frozen")
    ]
    return typed[-1] if typed else None


def _read_frames(frames: list[str]) -> list[TracebackFrame]:
    matches = [match for match in map(_FRAME.fullmatch, frames) if match is not None]
    return [TracebackFrame(match[1], int(match[2]), match[3]) for match in matches]
