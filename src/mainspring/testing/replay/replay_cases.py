"""Replay cases: exported journals as test cases, each replayed against the code of today.

    @pytest.mark.parametrize("case", replay_cases("tests/journals/*.json"))
    def test_old_histories(case):
        case.check()

The code is loaded once for a test session, in two processes of its own, as `mainspring up` loads it.
"""

import atexit
import glob
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mainspring.app.replay.difference_text import describe_result
from mainspring.app.replay.exported_runs import ExportedRun
from mainspring.app.replay.journal_replayer import JournalReplayer
from mainspring.app.replay.journal_report import replay_one
from mainspring.app.replay.journal_sources import list_exported, read_files
from mainspring.app.replay.replay_protocol import ReplaySpec
from mainspring.domain.errors import ArgumentError


class ReplayError(AssertionError):
    """The code of today differs from a saved journal, or the journal cannot be replayed."""


class ReplayCase:
    """One exported journal, as `replay_cases` returns it. pytest shows the name of its file as the id of the test."""

    def __init__(self, exported: ExportedRun, spec: ReplaySpec) -> None:
        self._exported = exported
        self._spec = spec
        self.__name__ = self.name

    @property
    def name(self) -> str:
        """The name of its file without `.json`."""
        file = self._exported.file
        return self.run if file is None else file.stem

    @property
    def run(self) -> str:
        """The id of the saved run."""
        return self._exported.saved.run.id

    @property
    def automation(self) -> str:
        """The automation of the saved run."""
        return self._exported.saved.run.automation

    def check(self) -> None:
        """Replay the journal twice. No step starts.

        Raises:
            ReplayError: the code differs. The message has each difference with its step and line, and what to do.
            MainspringError: the code cannot be loaded.
        """
        __tracebackhide__ = True  # pytest shows the call in the test
        (journal,) = list_exported([self._exported])
        replayer = _open_replayer(self._spec.config, self._spec.modules)
        result = replay_one(replayer, journal)
        if result.differences:
            problems = [f"  not loaded: {problem.where}: {problem.what}" for problem in replayer.code.problems]
            raise ReplayError("\n".join([describe_result(result), *problems]))

    def __repr__(self) -> str:
        return f"<ReplayCase {self.name}>"


def replay_cases(
    *patterns: str | Path, modules: Sequence[str] = (), config: str | Path | None = None
) -> list[ReplayCase]:
    """Return a case for each exported journal, in the order of file names: for `pytest.mark.parametrize`.

    `patterns` = files, folders, or patterns such as "tests/journals/*.json", from the working directory. `modules` = modules or files
    with automations, besides those of the project; `config` = the configuration file, None = as for `mainspring up`.

    Raises:
        ArgumentError: a pattern matches nothing, or a file is no exported run. Tests of no journal would always succeed.
    """
    spec = ReplaySpec({}, None if config is None else str(config), tuple(map(str, modules)))
    files = [file for pattern in patterns for file in _find_files(str(pattern))]
    if not files:
        raise ArgumentError("replay_cases(): name at least one file, folder or pattern")
    return [ReplayCase(exported, spec) for exported in read_files(files)]


def _find_files(pattern: str) -> list[Path]:
    files = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - the pattern may be absolute
    if not files:
        raise ArgumentError(
            f"replay_cases({pattern!r}): nothing matches in {Path.cwd()}",
            hint="Write journals with: mainspring runs export RUN > FILE",
        )
    return files


@cache
def _open_replayer(config: str | None, modules: tuple[str, ...]) -> JournalReplayer:
    """Return the replayer of this code; its processes end with this one."""
    replayer = JournalReplayer(ReplaySpec({}, config, modules))
    replayer.__enter__()
    atexit.register(replayer.close)
    return replayer
