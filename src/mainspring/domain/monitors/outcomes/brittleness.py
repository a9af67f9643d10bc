"""Brittleness of an automation: the same error comes back, or too many runs need a person."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs, Reopening, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningShare, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_percent

_IGNORED_KINDS = frozenset({IncidentKind.RECURRING, IncidentKind.HELPED_BY_HAND, IncidentKind.STORM})


class RecurringTuning(Tuning, frozen=True, kw_only=True):
    """`times` = how often an incident of one fingerprint may come back within `over`."""

    times: TuningCount = 3
    over: TuningSpan = timedelta(days=14)


class ManualHelpTuning(Tuning, frozen=True, kw_only=True):
    """`share` of the runs of 30 days that a person may have to help, if there were `least` or more."""

    share: TuningShare = 0.2
    least: TuningCount = 10


def evaluate_recurring(facts: MonitorInputs, tuning: RecurringTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each fingerprint with an incident that came back."""
    known = {automation_inputs.name: automation_inputs for automation_inputs in facts.expected(now_at)}
    groups: dict[tuple[str, str, str], list[Reopening]] = {}
    for reopening in facts.reopenings:
        if (
            reopening.automation in known
            and reopening.kind not in _IGNORED_KINDS
            and now_at - reopening.at < to_ms(tuning.over)
        ):
            groups.setdefault((reopening.automation, reopening.kind, reopening.fingerprint), []).append(reopening)
    for (automation, kind, fingerprint), reopenings in groups.items():
        last_at = max(reopening.at for reopening in reopenings)
        metrics = {"kind": str(kind), "reopened": len(reopenings), "limit": tuning.times, "over_ms": to_ms(tuning.over)}
        yield evaluate_automation(
            known[automation],
            IncidentKind.RECURRING,
            metrics | {"last_at": last_at},
            last_at if len(reopenings) >= tuning.times else None,
            f"the same {kind} came back {len(reopenings)} times in {tuning.over.days} days",
            hint=f"mainspring incidents list --name {automation}",
            at_most=Severity.DIGEST,
            fingerprint=f"{kind}:{fingerprint}" if fingerprint else str(kind),
        )


def evaluate_manual_help(facts: MonitorInputs, tuning: ManualHelpTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each automation that a person helped."""
    for automation in facts.expected(now_at):
        help_counts = facts.by_hand.get(automation.name)
        if help_counts is not None and help_counts.started >= tuning.least:
            yield _evaluate_automation(automation, help_counts.helped, help_counts.started, tuning, now_at)


def _evaluate_automation(
    automation: WatchedAutomation, helped: int, started: int, tuning: ManualHelpTuning, now_at: int
) -> Evaluation:
    share = min(helped / started, 1.0)
    metrics = {"helped": helped, "started": started, "helped_share": share, "limit_share": tuning.share}
    return evaluate_automation(
        automation,
        IncidentKind.HELPED_BY_HAND,
        metrics,
        now_at if share > tuning.share else None,
        f"{format_percent(share)} of its runs in 30 days needed a person ({helped:,} of {started:,})",
        hint=f"mainspring runs list --name {automation.name} --since 30d",
        at_most=Severity.DIGEST,
    )


MONITORS = (
    Monitor(
        kind=IncidentKind.RECURRING,
        line="The same error came back several times.",
        rule="With severity digest: open while an incident of one fingerprint was reopened limit times or more within over_ms.",
        tuning=RecurringTuning(),
        evaluate=evaluate_recurring,
    ),
    Monitor(
        kind=IncidentKind.HELPED_BY_HAND,
        line="Too many of its runs need a person.",
        rule=(
            "With severity digest: open while helped_share is above limit_share. It counts the runs of 30 days that a person "
            "started, retried or gave a result, of all that were started. It does not open below 10 runs."
        ),
        tuning=ManualHelpTuning(),
        evaluate=evaluate_manual_help,
    ),
)
