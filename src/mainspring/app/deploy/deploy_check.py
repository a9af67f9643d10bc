"""The deploy check: what new code would change, against the store or exported runs. It writes nothing, and no step starts."""

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from mainspring.app.deploy.code_comparison import StoredCode, list_code_findings
from mainspring.app.deploy.old_sides import OldSides, list_removed_sides
from mainspring.app.deploy.replay_findings import ReplayFindings
from mainspring.app.deploy.report import DeployFinding, DeployFindingKind, DeployReport, ReplayCoverage
from mainspring.app.replay.replay_protocol import LoadedCode, ReplaySpec
from mainspring.app.replay.replay_session import ReplayAbortedError, ReplaySession
from mainspring.app.replay.run_sources import RunSource
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import MainspringError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.engine.body.child_runs import STEP_RUN
from mainspring.engine.driver.replay import ReplayVerdict
from mainspring.store.read.runs.replayable_runs import RunGroupKey

_LONGEST_RUN_S, _SHORTEST_LIMIT_S, _RUNS_IN_BUDGET = 10.0, 1.0, 6
_SHORTEST_LOAD_S, _LONGEST_LOAD_S = 5.0, 60.0
_MOST_ABORTS = 2
"""Replays of one automation that may hang or end the process before its other runs are left out."""
_BATCH = 50
_VERSION = f"{OutcomeKind.VERSION} "


def check_deployment(
    spec: ReplaySpec, source: RunSource, stored: StoredCode | None, *, budget_s: float, notices: Sequence[str] = ()
) -> DeployReport:
    """Return the report. `budget_s` = seconds for replays; `stored` None = there is no store to compare with."""
    started = time.monotonic()
    limit_s = min(_LONGEST_RUN_S, max(_SHORTEST_LIMIT_S, budget_s / _RUNS_IN_BUDGET))
    load_limit_s = min(_LONGEST_LOAD_S, max(_SHORTEST_LOAD_S, budget_s))
    try:
        with ReplaySession(spec, limit_s=limit_s, load_limit_s=load_limit_s) as session:
            check = _Replays(session, source, started + budget_s)
            check.run()
            old_sides = check.old_sides.build(session.code.changes)
            findings = [*list_code_findings(session.code, stored, source.groups), *list_removed_sides(old_sides)]
    except ReplayAbortedError as error:
        finding = DeployFinding(DeployFindingKind.NOT_LOADED, None, error.message, hint=error.hint)
        return DeployReport([finding], _measure(source, {}, started), list(notices))
    kinds = list(DeployFindingKind)
    findings = sorted([*findings, *check.findings.build()], key=lambda finding: kinds.index(finding.kind))
    return DeployReport(findings, _measure(source, check.replayed, started), list(notices), old_sides)


def _measure(source: RunSource, replayed: dict[RunGroupKey, int], started: float) -> ReplayCoverage:
    return ReplayCoverage(
        sum(map(len, source.groups.values())),
        sum(replayed.values()),
        len(source.groups),
        len(replayed),
        source.has_more,
        round(time.monotonic() - started, 1),
    )


class _Replays:
    """The replays of one check: one run of each group, then further ones of each in turn, until the time is over."""

    def __init__(self, session: ReplaySession, source: RunSource, ends_at: float) -> None:
        self.findings = ReplayFindings()
        self.replayed: dict[RunGroupKey, int] = {}
        self._session, self._source, self._ends_at = session, source, ends_at
        self._former_names = session.code.former_names
        self._versions = {(definition.name, definition.version) for definition in read_definitions(session.code)}
        self._aborts: dict[str, int] = {}
        self.old_sides = OldSides(self._former_names)

    def run(self) -> None:
        """Replay as many runs as the time allows."""
        self._read_versions()
        groups = sorted(
            (group for group in self._source.groups if self._is_in_code(group)),
            key=lambda group: (group.is_ended, -len(self._source.groups[group])),
        )
        turns = zip_longest(*(self._source.groups[group] for group in groups))
        batch: dict[str, RunGroupKey] = {}
        for turn in turns:
            for group, run in zip(groups, turn, strict=True):
                if run is not None:
                    batch[run] = group
                if len(batch) >= _BATCH:
                    self._replay_batch(batch)
                    batch = {}
                    if time.monotonic() >= self._ends_at:
                        return
        self._replay_batch(batch)

    def _read_versions(self) -> None:
        """Read which versions of changes the unfinished runs take."""
        for group, runs in self._source.groups.items():
            if not group.is_ended and any(name.startswith(_VERSION) for name in group.names):
                for run, answers in self._source.read_versions(runs):
                    self.old_sides.add(group.automation, group.version, run, answers)

    def _is_in_code(self, group: RunGroupKey) -> bool:
        """Return whether the code has the automation in this version; a step that runs alone has no definition."""
        name = self._former_names.get(group.automation, group.automation)
        return group.kind == STEP_RUN or (name, group.version) in self._versions

    def _replay_batch(self, batch: dict[str, RunGroupKey]) -> None:
        for run, saved in self._source.read(list(batch)):
            group = batch[run]
            if time.monotonic() >= self._ends_at and (self.replayed or self._aborts):
                return
            if self._aborts.get(group.automation, 0) >= _MOST_ABORTS:
                continue
            if isinstance(saved, MainspringError):
                self.findings.add_not_replayed(group, run, saved)
                continue
            try:
                report = self._session.replay(saved.rename(self._former_names))
            except ReplayAbortedError as error:
                self._aborts[group.automation] = self._aborts.get(group.automation, 0) + 1
                self.findings.add_not_replayed(group, run, error)
                continue
            if not group.is_ended:
                self.old_sides.add(group.automation, group.version, run, report.result.versions)
            self.replayed[group] = self.replayed.get(group, 0) + 1
            is_expected = report.result.verdict is ReplayVerdict.CONTINUES and self._source.is_marked_done(run)
            if not is_expected:
                self.findings.add(group, run, report)


def read_definitions(code: LoadedCode) -> Iterator[Definition]:
    """Yield the definitions of loaded code."""
    return map(Definition.from_data, code.definitions)
