"""The check of output files: those that an automation promises, checked after it succeeded.

A command without its files is retried like one that failed. The function of a task or workflow has saved its results
and does not run again: the check is its own step after it, which fails permanently.
"""

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.expected_files import FoundFile, count_new_bytes, find_missing_files
from mainspring.domain.errors import Permanent, Transient
from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.definitions.step_plan import StepPlan
from mainspring.store.commands.runs import ClaimedRun

NOT_PRODUCED = "not_produced"
_PLAN = StepPlan(name="produces", isolate="thread")

MAX_ENTRIES = 1_000_000
_ANY_DEPTH = "**"


class NotProduced(Transient):
    """Error: the command succeeded, but its promised files are missing."""

    code = NOT_PRODUCED


class ProductMissing(Permanent):
    """Error: the function succeeded, but its promised files are missing."""

    code = NOT_PRODUCED


def expand_output_patterns(definition: Definition, run: ClaimedRun, data: bytes) -> list[str]:
    """Return the patterns of a run's promised files; `data` is its input as JSON.

    Raises:
        OptionError: the input has no value for a name in a pattern.
    """
    patterns = definition.option("produces")
    if not patterns:
        return []
    decoded = msgspec.json.decode(data)
    arguments: Mapping[str, Any] = decoded if isinstance(decoded, dict) else {}
    at = run.created_at if run.slot_at is None else run.slot_at
    return [definition.expand(pattern, arguments, at) for pattern in patterns]


def check_output_files(patterns: list[str], cwd: str | None, started_at: int) -> int:
    """Return the bytes of the files created since the start (ms UTC); raise NotProduced unless each pattern matches a non-empty one."""
    problems, total_bytes = _check_patterns(patterns, cwd, started_at)
    if problems:
        raise NotProduced("the command ended without an error, but did not produce its files: " + "\n".join(problems))
    return total_bytes


def verify_output_files(patterns: list[str], started_at: int) -> int | None:
    """Return the bytes of the files created since the start; raise ProductMissing unless each pattern matches one, in the worker's folder.

    Older versions saved None as the result.
    """
    problems, total_bytes = _check_patterns(patterns, None, started_at)
    if problems:
        hint = (
            "Put the missing file in place, then: runs retry RUN checks again; --from-step runs the step "
            "that makes it again."
        )
        raise ProductMissing(
            "it ended without an error, but did not produce its files: " + "\n".join(problems), hint=hint
        )
    return total_bytes


async def request_output_check(run_step: Callable[..., Any], patterns: Sequence[str], started_at: int) -> int | None:
    """Request the check with `run_step` (`Run.step_with`), as the last step of a successful body; return the bytes of the files."""
    if not patterns:
        return None
    signature = read_signature(verify_output_files)
    total_bytes: int | None = await run_step(verify_output_files, signature, _PLAN, (list(patterns), started_at), {})
    return total_bytes


def _check_patterns(patterns: list[str], cwd: str | None, started_at: int) -> tuple[list[str], int]:
    """Return the problems, one sentence each, and the bytes of the created files."""
    matches, problems = {}, []
    for pattern in patterns:
        try:
            matches[pattern] = _find_matches(pattern, cwd)
        except PatternTooWideError as error:
            problems.append(str(error))
    problems += find_missing_files(list(matches), matches, started_at)
    return problems, count_new_bytes(chain.from_iterable(matches.values()), started_at)


def _find_matches(pattern: str, cwd: str | None) -> list[FoundFile]:
    """Return the files that match a pattern; a file that disappears meanwhile is no match."""
    files = []
    for name in find_paths(pattern, cwd):
        path = Path(cwd or ".", name)
        try:
            stat = path.stat()
            inside = list(path.iterdir()) if path.is_dir() else None
        except OSError:
            continue
        size = stat.st_size if inside is None else len(inside)
        total_bytes = stat.st_size if inside is None else sum(map(_size_of, inside))
        files.append(FoundFile(str(path), size, stat.st_mtime_ns // 1_000_000, total_bytes))
    return files


def _size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if it is no regular file or does not exist."""
    try:
        stat = path.stat()
    except OSError:
        return 0
    return stat.st_size if S_ISREG(stat.st_mode) else 0


class PatternTooWideError(Exception):
    """Error: the pattern covers too many entries."""


def find_paths(pattern: str, cwd: str | None) -> list[str]:
    """Return the paths that match a pattern, relative to the folder unless the pattern is absolute, each once.

    At the end of a pattern `**` does not match its first folder, which existed before.

    Raises:
        PatternTooWideError: the pattern covers more than `MAX_ENTRIES` entries.
    """
    return list(dict.fromkeys(_PathSearch(pattern).find(pattern, cwd)))


class _PathSearch:
    """One search with its remaining entries: a `**` within another one counts too."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._left = MAX_ENTRIES

    def find(self, pattern: str, cwd: str | None) -> Iterator[str]:
        """Yield the matching paths, perhaps more than once."""
        head, tail = _split(pattern)
        if tail is None:
            yield from glob.iglob(pattern, root_dir=cwd)  # noqa: PTH207 - patterns may be absolute
            return
        for start in glob.glob(head, root_dir=cwd) if head else [""]:  # noqa: PTH207 - as above
            top = os.path.join(cwd or "", start) or "."  # noqa: PTH118 - an absolute start stays one
            for folder, names in _walk(top):
                self._count(1 + len(names))
                inner = os.path.relpath(folder, top)
                for name in self.find(tail, folder) if tail else names:
                    yield os.path.normpath(os.path.join(start, inner, name))  # noqa: PTH118 - as above

    def _count(self, entries: int) -> None:
        self._left -= entries
        if self._left < 0:
            raise PatternTooWideError(
                f"{self._pattern}: matches more than {MAX_ENTRIES:,} entries; use a narrower pattern"
            )


def _split(pattern: str) -> tuple[str, str | None]:
    """Return the part before the first `**`, and the part after it and the `**` that follow directly; None = there is none."""
    parts = pattern.split("/")
    if _ANY_DEPTH not in parts:
        return pattern, None
    at = parts.index(_ANY_DEPTH)
    head = "/".join(parts[:at])
    rest = parts[at:]
    while rest and rest[0] == _ANY_DEPTH:
        rest = rest[1:]
    tail = "/".join(rest) or ("*/" if rest else "")  # a slash at the end matches folders only
    return (head or "/") if at else "", tail


def _walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below and its entries, without hidden ones, as in glob."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield folder, [*folders, *(name for name in files if not name.startswith("."))]
