"""Store findings: the store lacks commits that were acknowledged, or a page of its file cannot be read."""

from collections.abc import Iterator

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged, Monitor
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.store_finding import StoreFindingKind

_KINDS = {
    StoreFindingKind.COMMITS_LOST: IncidentKind.COMMITS_LOST,
    StoreFindingKind.DAMAGED: IncidentKind.STORE_DAMAGED,
}


def _judge(facts: Facts, kind: StoreFindingKind) -> Iterator[Judged]:
    for found in facts.store:
        if found.kind is kind:
            subject = Subject("", _KINDS[kind])
            finding = Finding(
                subject=subject,
                severity=Severity.PAGE,
                text=found.text,
                since_at=found.since_at,
                hint=found.hint,
                facts=found.facts,
                cause="store",
            )
            yield Judged(subject, found.facts, finding)


def judge_lost_commits(facts: Facts, _tuning: Tuning, _now_at: int) -> Iterator[Judged]:
    """Judge whether the store lacks commits: until a person releases it."""
    return _judge(facts, StoreFindingKind.COMMITS_LOST)


def judge_damage(facts: Facts, _tuning: Tuning, _now_at: int) -> Iterator[Judged]:
    """Judge whether any process met damage: until the whole file was checked without a finding, or replaced."""
    return _judge(facts, StoreFindingKind.DAMAGED)


MONITORS = (
    Monitor(
        kind=IncidentKind.COMMITS_LOST,
        line="The store went back in time: it lacks commits that were acknowledged.",
        rule=(
            "Wrong while the store is on hold because a commit mark, kept outside the store, knows later commits than the store. "
            "Healthy once a person has released it (`mainspring db restore --release`), or put back another backup."
        ),
        tuning=Tuning(),
        judge=judge_lost_commits,
        of_automations=False,
    ),
    Monitor(
        kind=IncidentKind.STORE_DAMAGED,
        line="The store's file is damaged.",
        rule=(
            "Wrong from the moment at which any process, or the watcher's check of one table a minute, met a page that cannot be read. "
            "Healthy once the whole file was checked without a finding (`mainspring db check`), or replaced."
        ),
        tuning=Tuning(),
        judge=judge_damage,
        of_automations=False,
    ),
)
