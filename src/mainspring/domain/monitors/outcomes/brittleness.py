"""Signs of a brittle automation: the same error comes back, and too many runs need a person."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs, Reopening, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningShare, TuningSpan, to_ms
from mainspring.domain.text.phrases import format_percent

_IGNORED_KINDS = frozenset({IncidentKind.RECURRING, IncidentKind.HELPED_BY_HAND, IncidentKind.STORM})


class RecurringTuning(Tuning, frozen=True, kw_only=True):
    """`times` that an incident of one fingerprint may come back in `over`."""

    times: TuningCount = 3
    over: TuningSpan = timedelta(days=14)


class ManualHelpTuning(Tuning, frozen=True, kw_only=True):
    """`share` of the runs of 30 days that a person may have to help, of `least` at least."""

    share: TuningShare = 0.2
    least: TuningCount = 10


def evaluate_recurring(facts: MonitorInputs, tuning: RecurringTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each fingerprint of which an incident came back."""
    known = {one.name: one for one in facts.expected(now_at)}
    groups: dict[tuple[str, str, str], list[Reopening]] = {}
    for each in facts.reopenings:
        if each.automation in known and each.kind not in _IGNORED_KINDS and now_at - each.at < to_ms(tuning.over):
            groups.setdefault((each.automation, each.kind, each.fingerprint), []).append(each)
    for (automation, kind, fingerprint), those in groups.items():
        last_at = max(each.at for each in those)
        figures = {"kind": str(kind), "reopened": len(those), "limit": tuning.times, "over_ms": to_ms(tuning.over)}
        yield evaluate_automation(
            known[automation],
            IncidentKind.RECURRING,
            figures | {"last_at": last_at},
            last_at if len(those) >= tuning.times else None,
            f"the same {kind} came back {len(those)} times in {tuning.over.days} days",
            hint=f"mainspring incidents list --name {automation}",
            at_most=Severity.DIGEST,
            fingerprint=f"{kind}:{fingerprint}" if fingerprint else str(kind),
        )


def evaluate_manual_help(facts: MonitorInputs, tuning: ManualHelpTuning, now_at: int) -> Iterator[Evaluation]:
    """Judge each automation that a person helped."""
    for one in facts.expected(now_at):
        counted = facts.by_hand.get(one.name)
        if counted is not None and counted.started >= tuning.least:
            yield _evaluate_automation(one, counted.helped, counted.started, tuning, now_at)


def _evaluate_automation(
    one: WatchedAutomation, helped: int, started: int, tuning: ManualHelpTuning, now_at: int
) -> Evaluation:
    share = min(helped / started, 1.0)
    figures = {"helped": helped, "started": started, "helped_share": share, "limit_share": tuning.share}
    return evaluate_automation(
        one,
        IncidentKind.HELPED_BY_HAND,
        figures,
        now_at if share > tuning.share else None,
        f"{format_percent(share)} of its runs in 30 days needed a person ({helped:,} of {started:,})",
        hint=f"mainspring runs list --name {one.name} --since 30d",
        at_most=Severity.DIGEST,
    )


MONITORS = (
    Monitor(
        kind=IncidentKind.RECURRING,
        line="The same error came back three times.",
        rule="Wrong, in the digest, while an incident of one fingerprint was reopened limit times or more within over_ms.",
        tuning=RecurringTuning(),
        judge=evaluate_recurring,
    ),
    Monitor(
        kind=IncidentKind.HELPED_BY_HAND,
        line="Too many of its runs need a person.",
        rule=(
            "Wrong, in the digest, while helped_share is above limit_share: runs of 30 days that a person "
            "started, retried or gave a result, of all that were started; 10 at least."
        ),
        tuning=ManualHelpTuning(),
        judge=evaluate_manual_help,
    ),
)
