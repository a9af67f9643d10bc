"""A life: one process that works on the run of a crash test until its end, or until it is killed at a crash point."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from mainspring.app.application import App
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.crash.crash_point import CrashPoint
from mainspring.testing.crash.crash_protocol import CrashPlan, FunctionPlace, LifeReport, RunOfLife
from mainspring.testing.crash_host.crash_watch import CrashWatch, watch_commits
from mainspring.testing.crash_host.line_points import watch_lines
from mainspring.testing.lab.lab import Lab
from mainspring.testing.lab.lab_loop import LabError
from mainspring.testing.lab.sync_lab import SyncLab, SyncRun

REPORT, KILL, OUTPUT = "report.json", "kill.json", "output.txt"


class KillRecord(msgspec.Struct, frozen=True):
    """Written just before a process kills itself. `now` = the instant of the lab, in seconds UTC."""

    point: CrashPoint
    now: float
    commits: int


class CrashLab(Lab):
    """A lab whose attempts and commits are crash points."""

    def watch(self, watch: CrashWatch) -> None:
        """Pass the points of this lab to a watch, from the moment at which the lab opens."""
        self._thread.hooks.on_boundary = watch.note_boundary
        self._thread.hooks.wrap = partial(watch_commits, watch=watch)


class Life:
    """One life, in a process of its own. `folder` = that of the case: the store, the working directory and the reports are in it.

    `at` = the instant at which it begins, in seconds UTC; `target` = the point at which it dies, None = it lives. `number` = 1
    for the first life of a case.
    """

    def __init__(
        self, plan: CrashPlan, registry: Registry, folder: Path, *, at: float, target: CrashPoint | None, number: int
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._is_first = number == 1
        self._watch = CrashWatch(plan.automation, target, self._record_kill)
        self._lab = CrashLab(
            registry=registry,
            at=datetime.fromtimestamp(at, UTC),
            seed=plan.seed + number,  # each life has a session of its own, whose id is a random number
            secrets=plan.secrets,
            config=plan.config,
            isolation="real",
            folder=folder / "store",
        )
        self._lab.watch(self._watch)

    def live(self) -> NoReturn:
        """Live, write the report, and end this process."""
        plan = self._plan
        try:
            _redirect_output(self._folder / OUTPUT)
            os.chdir(self._folder / "work")
            setup, play = (None if place is None else load_name(place) for place in (plan.setup, plan.play))
            if setup is not None:
                setup(self._lab)
            if plan.sources is not None:
                watch_lines(plan.sources, self._watch)
            report = self._work(self._lab.__enter__(), play)
        except LabError as error:  # also a step that works for too long
            report = LifeReport(end="hung", detail=str(error))
        except BaseException:  # noqa: BLE001 - whatever it is, the report has it
            report = LifeReport(end="error", detail=traceback.format_exc())
        write_report(self._folder / REPORT, report)
        os._exit(0)  # no exit handler of the process that was forked may run here, and no thread that hangs is awaited

    def _work(self, lab: SyncLab, play: Callable[[SyncLab, SyncRun[Any]], object] | None) -> LifeReport:
        if runs := lab.runs():
            run = lab.run(min(runs, key=lambda info: info.created_at).id)
        else:  # a client that got no answer starts it again
            run = lab.start(self._plan.automation, *self._plan.args, **self._plan.kwargs)
        if play is not None:
            # After a kill it can be too late: the first life has answered or signalled.
            with nullcontext() if self._is_first else suppress(LabError, MainspringError):
                play(lab, run)
        end, detail = _wait_for_end(run, self._plan.within)
        return LifeReport(
            end=end,
            now=lab.now.timestamp(),
            points=self._watch.points,
            runs=lab.do(_list_runs),
            commits=self._watch.commits,
            questions=lab.do(_list_questions),
            isolated=sorted(self._watch.isolated),
            detail=detail,
        )

    def _record_kill(self, point: CrashPoint) -> None:
        record = KillRecord(point, self._lab.now.timestamp(), self._watch.commits)
        write_report(self._folder / KILL, record)


def write_report(file: Path, report: msgspec.Struct) -> None:
    """Write a report: its reader finds none, or all of it."""
    part = file.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(report))
    part.replace(file)


def load_name(place: FunctionPlace) -> Any:
    """Return what a loaded file calls by this name. Raises LookupError: no loaded file does."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).resolve() == Path(place.file) and hasattr(module, place.name):
            return getattr(module, place.name)
    raise LookupError(f"{place.file} has no {place.name} at its top")


def _redirect_output(file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _wait_for_end(run: SyncRun[Any], within: str) -> tuple[str, str]:
    """Return how the life ends, and what its run waits for."""
    try:
        run.result(within=within)
    except RunFailed:
        pass
    except LabError as error:
        return "hung", str(error)
    return "ended", ""


async def _list_runs(app: App) -> list[RunOfLife]:
    runs = []
    for info in await app.runs.list(limit=10_000):
        view = await app.handle(info.id).view()
        failure = view.failure
        result = (
            msgspec.json.encode(view.result, enc_hook=repr).decode()
            if failure is None
            else f"{failure.type}: {failure.message}"
        )
        runs.append(RunOfLife(info.automation, info.state, result))
    return sorted(runs)


async def _list_questions(app: App) -> list[str]:
    return [question.text for question in await app.questions.list()]
