"""A watched folder as its author declares it: which of its files count, when, and where they go afterwards."""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, ClassVar, Self

import msgspec

from mainspring.domain.duration import SpanInput, read_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.text.byte_size import parse_size
from mainspring.domain.triggers.trigger_source import TriggerSource

KEEP, DELETE = "keep", "delete"
DEFAULT_IGNORED = (".*", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.tmp", "*~")
"""Names that are ignored by default: hidden ones, and the usual names of files that are still being written."""
_SHORTEST_EVERY = 100
_LONGEST_PATH = 4_095
_ANY_DEPTH = re.compile("")
"""Represents `**`; compared by identity."""


class WatchedFolder(TriggerSource, frozen=True, kw_only=True, tag="files"):
    """`folder` counts from the project's folder unless it is absolute; `after_success` and `after_failure` count from `folder`.

    `pattern` is a glob of the name, or of the path below `folder` if it holds a slash (`**` = any number of folders). `settle` = how long
    size and time of a file must stay the same before it counts; `every` = how often the folder is scanned; both in milliseconds.
    `ignore` = globs of names, of files and folders alike, that are ignored. `max_size` in bytes.
    """

    required_options: ClassVar[tuple[str, ...]] = ("folder",)
    further_options: ClassVar[tuple[str, ...]] = (
        *("pattern", "recursive", "settle", "every", "after_success", "after_failure", "max_size", "ignore"),
    )
    is_fetched: ClassVar[bool] = True

    folder: str
    pattern: str = "*"
    recursive: bool = False
    settle: int = 2_000
    every: int = 10_000
    after_success: str = KEEP
    after_failure: str = KEEP
    max_size: int | None = None
    ignore: tuple[str, ...] = DEFAULT_IGNORED

    @classmethod
    def parse(
        cls,
        folder: str,
        *,
        pattern: str = "*",
        recursive: bool | None = None,
        settle: SpanInput = "2s",
        every: SpanInput = "10s",
        after_success: str = KEEP,
        after_failure: str = KEEP,
        max_size: str | int | None = None,
        ignore: Sequence[str] = DEFAULT_IGNORED,
    ) -> Self:
        """Return the declaration, checked. `recursive` follows from a slash in the pattern if it is not given.

        Raises:
            OptionError: a value cannot be used.
        """
        if after_failure == DELETE:
            raise OptionError(
                'after_failure="delete" would throw away what was not processed',
                hint='Write "keep" or the name of a folder, such as "failed".',
            )
        return cls(
            folder=_read_path("folder", folder),
            pattern=_read_glob("pattern", pattern, "/"),
            recursive=_read_recursive(recursive, pattern),
            settle=read_milliseconds("settle", settle, 0),
            every=read_milliseconds("every", every, _SHORTEST_EVERY),
            after_success=_read_target("after_success", after_success),
            after_failure=_read_target("after_failure", after_failure),
            max_size=None if max_size is None else _read_max_size(max_size),
            ignore=_read_ignored(ignore),
        )

    def describe(self) -> str:
        return f"files {self.pattern} in {self.folder}"

    def counted_from(self, base: str) -> Self:
        """Return the same with an absolute folder; `base` is absolute."""
        return msgspec.structs.replace(self, folder=str(PurePosixPath(base, self.folder)))

    def ignores(self, name: str) -> bool:
        """Return whether a file or folder of this name is ignored."""
        return _join_globs(self.ignore).match(name) is not None

    def matches(self, parts: Sequence[str]) -> bool:
        """Return whether the pattern matches a file; `parts` = its path below the folder, undecodable bytes as surrogates."""
        if "/" not in self.pattern:
            return _join_globs((self.pattern,)).match(parts[-1]) is not None
        return _matches_globs(_compile_globs(tuple(self.pattern.split("/"))), parts)


@lru_cache(maxsize=1024)
def _join_globs(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Return the expression of a name that one of these globs matches."""
    return re.compile("|".join(map(translate, globs)) or "(?!)")


@lru_cache(maxsize=1024)
def _compile_globs(globs: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Return the expressions of these globs, each for one name."""
    return tuple(_ANY_DEPTH if glob == "**" else re.compile(translate(glob)) for glob in globs)


def _matches_globs(globs: Sequence[re.Pattern[str]], parts: Sequence[str]) -> bool:
    """Return whether the globs match the parts of a path, one by one; time is bounded by their product."""
    reached = _skip_any_depth({0}, globs)
    for part in parts:
        stays = {at for at in reached if at < len(globs) and globs[at] is _ANY_DEPTH}
        moves = {at + 1 for at in reached - stays if at < len(globs) and globs[at].match(part)}
        reached = _skip_any_depth(stays | moves, globs)
    return len(globs) in reached


def _skip_any_depth(reached: set[int], globs: Sequence[re.Pattern[str]]) -> set[int]:
    """Return the places in `globs` that can be reached from these if `**` matches nothing."""
    for at, glob in enumerate(globs):
        if at in reached and glob is _ANY_DEPTH:
            reached.add(at + 1)
    return reached


def _read_path(option: str, value: Any) -> str:
    """Read a path that can be saved."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise OptionError(f"{option}={str(value)[:80]!r} is not a path", hint="Write the path of a folder, in quotes.")
    try:
        length = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise OptionError(
            f"{option}={value[:80]!r} is not valid UTF-8",
            hint="Names of files may be any bytes; the folder's must be text.",
        ) from None
    if length > _LONGEST_PATH:
        raise OptionError(f"{option} has {length} bytes", hint=f"A path has at most {_LONGEST_PATH}.")
    if value.startswith("~"):
        raise OptionError(
            f"{option}={value!r}: ~ is another folder for each user",
            hint="Write the whole path, from / on; or ./~ if it is the name.",
        )
    if "*" in value:
        parts = value.split("/")
        place = next(index for index, part in enumerate(parts) if "*" in part)
        folder, pattern = "/".join(parts[:place]) or ("/" if place else "."), "/".join(parts[place:])
        raise OptionError(
            f"{option}={value!r} is a pattern, and not the path of one folder",
            hint=f"Write the folder and, beside it, which of its files count: ms.on.files({folder!r}, pattern={pattern!r}).",
        )
    return value


def _read_target(option: str, value: Any) -> str:
    """Read a word, or a folder that is not the watched one itself."""
    if _read_path(option, value) not in (KEEP, DELETE) and all(part == "." for part in PurePosixPath(value).parts):
        raise OptionError(
            f"{option}={value!r} is the watched folder itself", hint='Write "keep" to let files stay where they are.'
        )
    return str(value)


def _read_glob(option: str, value: Any, also: str = "") -> str:
    """Read a glob; `also` = a character that it may contain although no name does."""
    if not isinstance(value, str) or not value or "\0" in value or ("/" in value and not also):
        raise OptionError(f"{option}={str(value)[:80]!r} is not a glob of names", hint='Write one such as "*.csv".')
    if any(part in ("", ".", "..") for part in value.split("/")):
        raise OptionError(
            f"{option}={value!r} can match no file below the folder",
            hint='Write the path below the folder, such as "*/in/*.csv" or "**/*.csv".',
        )
    return value


def _read_recursive(value: Any, pattern: str) -> bool:
    """Return whether folders below are scanned; a pattern with a slash needs that."""
    if value is not None and not isinstance(value, bool):
        raise OptionError(f"recursive={repr(value)[:80]} is neither true nor false", hint="Write it without quotes.")
    if value is False and "/" in pattern:
        raise OptionError(
            f"pattern={pattern!r} reaches into folders, recursive=False forbids it", hint="Leave one of them out."
        )
    return "/" in pattern if value is None else value


def _read_ignored(value: Any) -> tuple[str, ...]:
    """Read globs of names, none at all included."""
    if not isinstance(value, str | list | tuple | set | frozenset):
        raise OptionError(f"ignore={repr(value)[:80]} must be globs of names", hint='Write ignore=["*.bak", ".*"].')
    return tuple(_read_glob("ignore", item) for item in ([value] if isinstance(value, str) else value))


def _read_max_size(value: Any) -> int:
    size = parse_size(value)
    if not size:
        raise OptionError(f"max_size={value!r} leaves no file", hint='Write a size above zero, such as "10MiB".')
    return size
