"""Crash everywhere: a test of an automation in which the worker is killed at each crash point."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.values.saved_call import encode_call
from mainspring.engine.definitions.automation import Automation
from mainspring.testing.crash.crash_protocol import CrashPlan, FunctionPlace
from mainspring.testing.crash.crash_report import CrashReport
from mainspring.testing.crash.crash_search import search_crash_points
from mainspring.testing.crash.host_session import CrashTestError


@dataclass(frozen=True, kw_only=True, slots=True)
class CrashOptions:
    """Options of a crash test. `jobs` = processes that work at the same time.

    `at` = only crash points whose text contains this. `most` = at most so many points, chosen by the seed of the lab. `lines` = each line
    of the project's own code in steps is a point too. `setup` = called with the lab before each life opens it, for fakes. `play` = called
    with the lab and the run in each life, to answer and to signal. `within` = a run that has not ended after this span counts as hung.
    """

    jobs: int = 1
    at: str | None = None
    most: int | None = None
    lines: bool = False
    setup: Callable[[Any], object] | None = None
    play: Callable[[Any, Any], object] | None = None
    within: str = "30d"


def crash_everywhere(
    automation: Automation | str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    options: CrashOptions,
    *,
    files: Sequence[str] = (),
    at: float,
    seed: int = 0,
    secrets: Mapping[str, str] | None = None,
    config: str | None = None,
) -> CrashReport:
    """Return the report of a crash test. `files` = those with the automations, none = that of the automation.

    Raises:
        CrashTestError: a function cannot be imported by another process, or the code cannot be loaded.
        OptionError: the options cannot be read.
    """
    own: Sequence[str] = ()
    values = msgspec.to_builtins(dict(kwargs))
    if isinstance(automation, Automation):
        values = _encode(automation, args, kwargs)
        args = ()
        if not files and (place := _find_place(automation.fn, f"automation {automation.name}")) is not None:
            own = (place.file,)
    setup, play = _find_place(options.setup, "setup"), _find_place(options.play, "play")
    loaded = [*map(_resolve, files), *own, *(place.file for place in (setup, play) if place is not None)]
    plan = CrashPlan(
        files=list(dict.fromkeys(loaded)),
        automation=automation.name if isinstance(automation, Automation) else automation,
        args=msgspec.to_builtins(list(args)),
        kwargs=values,
        setup=setup,
        play=play,
        at=at,
        seed=seed,
        secrets=dict(secrets or {}),
        config=config,
        within=options.within,
        sources=sorted({str(Path(file).parent) for file in loaded if Path(file).is_file()}) if options.lines else None,
    )
    return search_crash_points(plan, jobs=options.jobs, most=options.most, at=options.at)


def _encode(automation: Automation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, as values for JSON. Raises ArgumentError: they do not fit."""
    if automation.signature is None:
        return {}
    data = encode_call(automation.signature.renamed(automation.name), args, dict(kwargs))
    values: dict[str, Any] = msgspec.json.decode(data)
    return values


def _find_place(function: Callable[..., Any] | None, owner: str) -> FunctionPlace | None:
    """Return where another process finds a function. Raises CrashTestError: it does not stand at the top of a file."""
    if function is None:
        return None
    file, name = inspect.getsourcefile(function), getattr(function, "__qualname__", "")
    if file is None or not name.isidentifier() or not Path(file).is_file():
        raise CrashTestError(
            f"{owner}: {name or function!r} does not stand at the top of a file, and the processes of a crash test cannot import it",
            hint="Move it to the top of a module.",
        )
    return FunctionPlace(str(Path(file).resolve()), name)


def _resolve(target: str) -> str:
    return str(Path(target).resolve()) if Path(target).exists() else target
