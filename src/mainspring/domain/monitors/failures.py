"""What failed and was told to nobody: a permanent error, retries that are used up, a run that needs a person.

One finding an automation and fingerprint, which stands for all of its runs that are new. They are happenings: nothing that these monitors
see makes them well again.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts, Fault, Watched
from mainspring.domain.monitors.judged import Judged, Monitor, verdict
from mainspring.domain.monitors.prospects import prospects
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.states import FailureReason, RunState

_SHOWN = 5
_DOES = {
    IncidentKind.PERMANENT_ERROR: "failed",
    IncidentKind.RETRIES_EXHAUSTED: "failed after all retries",
    IncidentKind.NEEDS_ATTENTION: "needs a person",
}
"""How many runs did so is the incident's number, which grows while this line stays."""
_UNSAID = frozenset({FailureReason.DISCARDED.value})
"""A person did it, and knows."""


def kind_of(fault: Fault) -> IncidentKind | None:
    """Return the kind of incident that a fault is; None = nobody needs to be told."""
    if fault.state == RunState.NEEDS_ATTENTION:
        return IncidentKind.NEEDS_ATTENTION
    if fault.state != RunState.FAILED or fault.reason in _UNSAID:
        return None
    exhausted = fault.reason == FailureReason.RETRIES_EXHAUSTED
    return IncidentKind.RETRIES_EXHAUSTED if exhausted else IncidentKind.PERMANENT_ERROR


def judge(kind: IncidentKind, facts: Facts, _tuning: Tuning, now_at: int) -> Iterator[Judged]:
    """Judge what is new, the first fault of each cause first."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in sorted(facts.faults, key=lambda fault: (fault.at, fault.run)):
        if kind_of(fault) is kind:
            groups.setdefault((fault.automation, fault.fingerprint), []).append(fault)
    if not groups:
        return
    known = {one.name: one for one in facts.automations}
    for (automation, fingerprint), faults in groups.items():
        changed = facts.changed.get(Subject(automation, kind, fingerprint))
        one = known.get(automation, Watched(name=automation))
        yield _judged(kind, one, fingerprint, faults, changed, now_at)


def _judged(
    kind: IncidentKind, one: Watched, fingerprint: str, faults: list[Fault], changed: str | None, now_at: int
) -> Judged:
    newest = faults[-1]
    figures: dict[str, Any] = {
        "faults": len(faults),
        "first_at": faults[0].at,
        "last_at": newest.at,
        "reason": newest.reason,
        "runs": [fault.run for fault in faults[-_SHOWN:]],
    }
    if newest.code:
        figures["code"] = newest.code
    if changed:
        figures["changed"] = changed
    figures |= prospects(one, now_at)
    if kind is IncidentKind.NEEDS_ATTENTION:
        figures["next_try_at"] = None  # what its schedule starts is another run
    act = "explain" if kind is IncidentKind.NEEDS_ATTENTION else "runs show"
    return verdict(
        one,
        kind,
        figures,
        faults[0].at,
        f"{_does(kind, one)}: {newest.text}",
        hint=f"mainspring {act} {newest.run}",
        cause=f"fingerprint:{fingerprint}" if fingerprint else None,
        at_most=Severity.PAGE,
        fingerprint=fingerprint,
        number=len(faults),
    )


def _does(kind: IncidentKind, one: Watched) -> str:
    """Return what became of it in words; a command that is tried once had no other tries that could be used up."""
    retry = one.option("retry")
    tries = retry.get("attempts") if isinstance(retry, dict) else 1 if one.kind == "exec" else None
    return _DOES[IncidentKind.PERMANENT_ERROR] if kind is IncidentKind.RETRIES_EXHAUSTED and tries == 1 else _DOES[kind]


def _monitor(kind: IncidentKind, line: str, which: str) -> Monitor:
    return Monitor(
        kind=kind,
        line=line,
        rule=f"Wrong at once, for each fault that was told to nobody yet: {which}.",
        tuning=Tuning(),
        judge=partial(judge, kind),
        lasts=False,
    )


MONITORS = (
    _monitor(
        IncidentKind.PERMANENT_ERROR,
        "A run failed by an error that another try cannot mend.",
        "the run failed, and not because its retries are used up",
    ),
    _monitor(
        IncidentKind.RETRIES_EXHAUSTED,
        "A run failed by a passing error that outlasted its retries.",
        "the run failed with reason retries_exhausted",
    ),
    _monitor(
        IncidentKind.NEEDS_ATTENTION,
        "A run cannot go on before a person decides.",
        "the run is in needs_attention",
    ),
)
