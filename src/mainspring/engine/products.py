"""Products: the files that an automation promises to make, looked at after it ended well.

A command that made nothing is tried again like one that failed. The function of a task or workflow has its results saved,
and is not run again for it: the look is a step of its own after it, which fails for good.
"""

import glob
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.definition import Definition
from mainspring.domain.errors import Permanent, Transient
from mainspring.domain.produces import Product, unmet
from mainspring.domain.signature import signature_of
from mainspring.engine.requests import StepPlan
from mainspring.store.commands.runs import ClaimedRun

NOT_PRODUCED = "not_produced"
_PLAN = StepPlan(name="produces", isolate="thread")


class NotProduced(Transient):
    """The command ended well, but what it promised is not there."""

    code = NOT_PRODUCED


class ProductMissing(Permanent):
    """The function ended well, but what it promised is not there."""

    code = NOT_PRODUCED


def promised_by(definition: Definition, run: ClaimedRun, data: bytes) -> list[str]:
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


def check_products(patterns: list[str], cwd: str | None, started_at: int) -> None:
    """Raise NotProduced unless each pattern matches a file that is filled and newer than the start (ms UTC)."""
    faults = _faults(patterns, cwd, started_at)
    if faults:
        raise NotProduced("the command ended well, but did not produce what it should: " + "\n".join(faults))


def look_for_products(patterns: list[str], started_at: int) -> None:
    """Raise ProductMissing unless each pattern, counted from the worker's folder, matches what was made since the start."""
    faults = _faults(patterns, None, started_at)
    if faults:
        hint = "Put in place what is missing, then: runs retry RUN looks again, --from-step runs the step again that makes it."
        raise ProductMissing("it ended well, but did not produce what it should: " + "\n".join(faults), hint=hint)


async def look_after(ask: Callable[..., Any], patterns: Sequence[str], started_at: int) -> None:
    """Ask (`Run.step_with`) for the look, as the last step of a body that ended well."""
    if patterns:
        signature = signature_of(look_for_products)
        await ask(look_for_products, signature, _PLAN, (list(patterns), started_at), {})


def _faults(patterns: list[str], cwd: str | None, started_at: int) -> list[str]:
    return unmet(patterns, {pattern: _matches(pattern, cwd) for pattern in patterns}, started_at)


def _matches(pattern: str, cwd: str | None) -> list[Product]:
    """Look at what a pattern matches; a file that goes away meanwhile is no match."""
    products = []
    for found in glob.glob(pattern, root_dir=cwd, recursive=True):  # noqa: PTH207 - patterns may be absolute
        path = Path(cwd or ".", found)
        try:
            stat = path.stat()
            size = sum(1 for _ in path.iterdir()) if path.is_dir() else stat.st_size
        except OSError:
            continue
        products.append(Product(str(path), size, stat.st_mtime_ns // 1_000_000))
    return products
