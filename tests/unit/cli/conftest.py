"""The command line on a real store in a folder of its own: `cli` calls it in this process, `stage` makes what it looks at."""

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from mainspring.cli.main import run_command_line
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.engine.definitions.announcement import build_trigger_row
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.commands.runs import ClaimedRun, ClaimRuns
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.cli.trigger_shop import BOT, EXTRACT, LOAD, REPORT

_OPTIONS = {"owner": "ann", "cron": ["0 3 * * *"], "tz": "Europe/Berlin", "timeout": "20m"}
BACKUP = Definition(
    kind=DefinitionKind.SCRIPT,
    name="backup",
    options=_OPTIONS,
    schedules=build_schedules(_OPTIONS, "backup"),
    command=["./backup.sh"],
    file="/srv/scripts.toml",
)
ORDER = Definition(
    kind=DefinitionKind.WORKFLOW,
    name="order",
    options={"partition": "{customer}"},
    parameters={"properties": {"customer": {}}},
)


class CommandResult(NamedTuple):
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


Cli = Callable[..., CommandResult]


class Stage:
    """A worker's session on the store, and what it did."""

    def __init__(self, path: Path) -> None:
        self.clock = SystemClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.store.open()
        self.store.open_session("worker")
        self._claims = itertools.count(1)
        self.announce(BACKUP, ORDER)

    @property
    def now(self) -> int:
        return self.clock.now()

    def do(self, command: Any) -> Any:
        return self.store.apply(command)

    def announce(self, *definitions: Definition, problem: str | None = None) -> None:
        rows = tuple(
            AutomationRow(
                definition.name,
                str(definition.kind),
                definition.version,
                "f",
                msgspec.json.encode(definition.to_data()),
                problem=problem,
            )
            for definition in definitions
        )
        schedules = tuple(
            ScheduleRow(
                definition.name,
                definition.name,
                msgspec.json.encode(definition.schedules[0].to_data()),
                self.now + 3_600_000,
            )
            for definition in definitions
            if definition.schedules
        )
        triggers = tuple(
            build_trigger_row(definition.name, end, trigger)
            for definition in definitions
            for end, trigger in definition.triggers.items()
        )
        self.do(AnnounceDefinitions("code", rows, schedules, triggers))

    def start(self, definition: Definition = BACKUP, data: bytes = b"{}", **options: Any) -> str:
        act = operation_context(Actor.cli("ann", "box"), self.clock)
        slot = options.pop("slot", None)
        return start(self.store, self.clock, definition, data, act=act, options=StartOptions(**options), slot=slot).run

    def claim(self) -> ClaimedRun:
        (run,) = self.do(ClaimRuns(f"claim{next(self._claims)}", 1)).runs
        return run

    def begin(self, definition: Definition = BACKUP, data: bytes = b"{}", **options: Any) -> ClaimedRun:
        """Start a run and claim it."""
        expected = self.start(definition, data, **options)
        run = self.claim()
        assert run.id == expected
        return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with a home and a store of its own; no variable of the machine counts."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    for name in ("XDG_CONFIG_HOME", "NO_COLOR", "MAINSPRING_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAINSPRING_STORE_URL", str(tmp_path / "store" / "state.db"))
    monkeypatch.setattr("os.getuid", lambda: 1000)  # root's usual place is the machine's
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def store_path(folder: Path) -> Path:
    return folder.parent / "store" / "state.db"


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Calls the command line; no one can be asked. The root logger is given back: `up` takes it for its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*args: str) -> CommandResult:
        capsys.readouterr()
        code = run_command_line(args)
        out, err = capsys.readouterr()
        return CommandResult(code, out, err)

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stage(store_path: Path) -> Iterator[Stage]:
    made = Stage(store_path)
    yield made
    made.store.close()


@pytest.fixture
def shop(stage: Stage) -> Stage:
    """A stage where a worker announced automations that listen."""
    stage.announce(BOT, EXTRACT, LOAD, REPORT)
    return stage
