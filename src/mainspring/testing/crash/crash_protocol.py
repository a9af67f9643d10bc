"""The protocol between a crash test and its host process: one JSON object a line."""

from typing import Any, NamedTuple

import msgspec

from mainspring.testing.crash.crash_point import CrashPoint
from mainspring.testing.crash.work_effects import WorkEffect


class FunctionPlace(NamedTuple):
    """A name at the top of a file, such as a function."""

    file: str
    name: str


class CrashPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The work of every life of a crash test. `files` = those with the automations; `parent` = the process that the host ends with.
    `project` = the flags of a command: the automations of the configured project are loaded too; None = only the files.

    `args`, `kwargs` = values for JSON. `setup` = called with the lab before each life opens it. `play` = called with the lab and the run in
    each life, to answer and to signal. `at` = the first instant of the lab, in
    seconds UTC. `within` = the span after which a run that has not ended counts as hung. `sources` = folders whose lines are points, None =
    lines are no points.
    """

    parent: int = 0
    files: list[str]
    project: dict[str, str] | None = None
    automation: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    setup: FunctionPlace | None = None
    play: FunctionPlace | None = None
    at: float = 0.0
    seed: int = 0
    secrets: dict[str, str] = {}
    config: str | None = None
    within: str = "30d"
    sources: list[str] | None = None


class HostReady(msgspec.Struct, frozen=True):
    """The code is loaded. `error` = why it is not, with the fix."""

    error: str = ""


class RunOfLife(msgspec.Struct, frozen=True, order=True):
    """A run at the end of a life. `result` = its result as JSON, or its failure in words."""

    automation: str
    state: str
    result: str


class LifeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a life ended. `end` = "ended", "hung" or "error"; "killed" for a process that was killed at its point.

    `now` = the instant of the lab, in seconds UTC. `runs` = all runs of the store, sorted. `commits` = the changes of runs that it has
    committed. `questions` = the open questions. `isolated` = steps whose code ran in a child process. `detail` = what a run that has not
    ended waits for, or the error.
    """

    end: str
    now: float = 0.0
    points: list[CrashPoint] = []
    runs: list[RunOfLife] = []
    commits: int = 0
    questions: list[str] = []
    isolated: list[str] = []
    detail: str = ""


class CaseOrder(msgspec.Struct, frozen=True):
    """An order to the host: live undisturbed, or be killed at `point` and continue. `forgets` = the store is deleted in between.

    `is_control` = the run is that of the control workflow.
    """

    point: CrashPoint | None = None
    forgets: bool = False
    is_control: bool = False


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """The lives of a case: that which was killed (None without a kill), and that which ended. `effects` = what took place outside."""

    first: LifeReport | None
    last: LifeReport
    effects: list[WorkEffect] = []
