"""Findings of replays: those of several runs for one reason become one finding."""

import re
from typing import Any

from mainspring.app.deploy.report import DeployChange, DeployFinding, DeployFindingKind
from mainspring.app.replay.replay_protocol import ReplayReport
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.error_normalizer import normalize_error
from mainspring.engine.driver.replay import ReplayVerdict
from mainspring.store.read.runs.replayable_runs import RunGroupKey

_MOST_RUNS, _MOST_CHANGES, _MOST_CHARACTERS = 5, 20, 500
_STEP_KEY = re.compile(r"\[[^\]]*\]")
_KINDS = {
    ReplayVerdict.DRIFT: DeployFindingKind.DRIFT,
    ReplayVerdict.HALTS: DeployFindingKind.HALTS,
    ReplayVerdict.OTHER_END: DeployFindingKind.OTHER_END,
    ReplayVerdict.CONTINUES: DeployFindingKind.CONTINUES,
}


class ReplayFindings:
    """Collects the results of replays. The first run of a finding gives its text and its changes."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], DeployFinding] = {}
        self._runs: dict[tuple[Any, ...], list[str]] = {}

    def add(self, group: RunGroupKey, run: str, report: ReplayReport) -> None:
        """Add the result of one replay."""
        result = report.result
        if report.refused:
            call = report.refused[0]
            text = f"the code of the workflow calls {call}, which the check refuses"
            hint = (
                "Put this call into a step: run.step(function, ...). What follows from the refusal was not evaluated."
            )
            self._add(group, run, DeployFindingKind.NOT_REPLAYED, text, hint=hint)
        elif result.verdict is not ReplayVerdict.SAME:
            changes = [
                DeployChange(*(str(change.get(name, ""))[:_MOST_CHARACTERS] for name in ("path", "was", "now")))
                for change in result.changes[:_MOST_CHANGES]
            ]
            kind = _KINDS[result.verdict]
            self._add(group, run, kind, result.text, step=result.ident, changes=changes, hint=result.hint)

    def add_not_replayed(self, group: RunGroupKey, run: str, error: MainspringError) -> None:
        """Add a run that could not be replayed."""
        self._add(group, run, DeployFindingKind.NOT_REPLAYED, error.message, hint=error.hint)

    def _add(self, group: RunGroupKey, run: str, kind: DeployFindingKind, text: str, **more: Any) -> None:
        # Two runs may differ in values only: in keys of steps, and in numbers and ids of texts.
        step = more.get("step")
        place = normalize_error(text) if step is None else _STEP_KEY.sub("[]", step)
        key = (kind, group.automation, group.version, place)
        self._found.setdefault(key, DeployFinding(kind, group.automation, text, group.version, **more))
        self._runs.setdefault(key, []).append(run)

    def build(self) -> list[DeployFinding]:
        """Return the findings, those of many runs first."""
        built = [
            DeployFinding(
                finding.kind,
                finding.automation,
                finding.text,
                finding.version,
                finding.step,
                finding.changes,
                self._runs[key][:_MOST_RUNS],
                len(self._runs[key]),
                finding.hint,
            )
            for key, finding in self._found.items()
        ]
        return sorted(built, key=lambda finding: -finding.number)
