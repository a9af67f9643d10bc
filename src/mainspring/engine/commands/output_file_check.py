"""Products: the files that an automation promises to make, looked at after it ended well.

A command that made nothing is tried again like one that failed. The function of a task or workflow has its results saved,
and is not run again for it: the look is a step of its own after it, which fails for good.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.expected_files import FoundFile, count_new_bytes, find_missing_files
from mainspring.domain.errors import Permanent, Transient
from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.commands.path_patterns import PatternTooWideError, find_paths
from mainspring.engine.definitions.step_plan import StepPlan
from mainspring.store.commands.runs import ClaimedRun

NOT_PRODUCED = "not_produced"
_PLAN = StepPlan(name="produces", isolate="thread")


class NotProduced(Transient):
    """The command ended well, but what it promised is not there."""

    code = NOT_PRODUCED


class ProductMissing(Permanent):
    """The function ended well, but what it promised is not there."""

    code = NOT_PRODUCED


def expand_output_patterns(definition: Definition, run: ClaimedRun, data: bytes) -> list[str]:
    """Return the patterns that a run must fill; `data` is its input as JSON.

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
    """Return the bytes of what was made since the start (ms UTC); raise NotProduced unless each pattern matches such a file, filled."""
    faults, weight = _check_patterns(patterns, cwd, started_at)
    if faults:
        raise NotProduced("the command ended well, but did not produce what it should: " + "\n".join(faults))
    return weight


def verify_output_files(patterns: list[str], started_at: int) -> int | None:
    """Return the bytes of what was made since the start; raise ProductMissing unless each pattern matches some, in the worker's folder.

    None is what older versions saved of a look.
    """
    faults, weight = _check_patterns(patterns, None, started_at)
    if faults:
        hint = "Put in place what is missing, then: runs retry RUN looks again, --from-step runs the step again that makes it."
        raise ProductMissing("it ended well, but did not produce what it should: " + "\n".join(faults), hint=hint)
    return weight


async def request_output_check(ask: Callable[..., Any], patterns: Sequence[str], started_at: int) -> int | None:
    """Ask (`Run.step_with`) for the look, as the last step of a body that ended well; return the bytes of what it found."""
    if not patterns:
        return None
    signature = read_signature(verify_output_files)
    weight: int | None = await ask(verify_output_files, signature, _PLAN, (list(patterns), started_at), {})
    return weight


def _check_patterns(patterns: list[str], cwd: str | None, started_at: int) -> tuple[list[str], int]:
    """Return what is not met, one sentence each, and the bytes of what was made."""
    matches, faults = {}, []
    for pattern in patterns:
        try:
            matches[pattern] = _find_matches(pattern, cwd)
        except PatternTooWideError as error:
            faults.append(str(error))
    faults += find_missing_files(list(matches), matches, started_at)
    return faults, count_new_bytes(chain.from_iterable(matches.values()), started_at)


def _find_matches(pattern: str, cwd: str | None) -> list[FoundFile]:
    """Look at what a pattern matches; a file that goes away meanwhile is no match."""
    products = []
    for found in find_paths(pattern, cwd):
        path = Path(cwd or ".", found)
        try:
            stat = path.stat()
            inside = list(path.iterdir()) if path.is_dir() else None
        except OSError:
            continue
        size = stat.st_size if inside is None else len(inside)
        weight = stat.st_size if inside is None else sum(map(_size_of, inside))
        products.append(FoundFile(str(path), size, stat.st_mtime_ns // 1_000_000, weight))
    return products


def _size_of(path: Path) -> int:
    """Return the bytes of a file; what is none, or is gone, has none."""
    try:
        found = path.stat()
    except OSError:
        return 0
    return found.st_size if S_ISREG(found.st_mode) else 0
