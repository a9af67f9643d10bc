"""Store findings: the store lacks commits that were acknowledged, or a page of its file cannot be read."""

from collections.abc import Iterator

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.integrity.store_finding import StoreFindingKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor
from mainspring.domain.monitors.tuning import Tuning

_KINDS = {
    StoreFindingKind.COMMITS_LOST: IncidentKind.COMMITS_LOST,
    StoreFindingKind.DAMAGED: IncidentKind.STORE_DAMAGED,
}


def _evaluate(facts: MonitorInputs, kind: StoreFindingKind) -> Iterator[Evaluation]:
    for store_finding in facts.store:
        if store_finding.kind is kind:
            subject = Subject("", _KINDS[kind])
            finding = Finding(
                subject=subject,
                severity=Severity.PAGE,
                text=store_finding.text,
                since_at=store_finding.since_at,
                hint=store_finding.hint,
                facts=store_finding.facts,
                cause="store",
            )
            yield Evaluation(subject, store_finding.facts, finding)


def evaluate_lost_commits(facts: MonitorInputs, _tuning: Tuning, _now_at: int) -> Iterator[Evaluation]:
    """Evaluate whether the store lacks commits: until a person releases it."""
    return _evaluate(facts, StoreFindingKind.COMMITS_LOST)


def evaluate_damage(facts: MonitorInputs, _tuning: Tuning, _now_at: int) -> Iterator[Evaluation]:
    """Evaluate whether any process read a damaged page: until the whole file was checked without a finding, or replaced."""
    return _evaluate(facts, StoreFindingKind.DAMAGED)


MONITORS = (
    Monitor(
        kind=IncidentKind.COMMITS_LOST,
        line="The store went back in time: it lacks acknowledged commits.",
        rule=(
            "Open while the store is on hold because a commit mark, kept outside the store, knows later commits than the "
            "store. Resolves when a person releases the store (`mainspring db restore --release`) or restores another backup."
        ),
        tuning=Tuning(),
        evaluate=evaluate_lost_commits,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.STORE_DAMAGED,
        line="The store's file is damaged.",
        rule=(
            "Opens when any process, or the watcher's check of one table a minute, finds a page that cannot be read. Resolves "
            "when the whole file was checked without a finding (`mainspring db check`), or was replaced."
        ),
        tuning=Tuning(),
        evaluate=evaluate_damage,
        of_automations=False,
    ),
)
