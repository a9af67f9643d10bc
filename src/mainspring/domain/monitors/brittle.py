"""Signs of a brittle automation: the same error comes back, and too many runs need a person."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incident import IncidentKind, Severity
from mainspring.domain.monitors.facts import Facts, Reopening, Watched
from mainspring.domain.monitors.judged import Judged, Monitor, verdict
from mainspring.domain.monitors.tuning import Length, Number, Share, Tuning, ms
from mainspring.domain.monitors.words import percent

_OURS = frozenset({IncidentKind.RECURRING, IncidentKind.HELPED_BY_HAND, IncidentKind.STORM})


class RecurringTuning(Tuning, frozen=True, kw_only=True):
    """`times` that an incident of one fingerprint may come back in `over`."""

    times: Number = 3
    over: Length = timedelta(days=14)


class ByHandTuning(Tuning, frozen=True, kw_only=True):
    """`share` of the runs of 30 days that a person may have to help, of `least` at least."""

    share: Share = 0.2
    least: Number = 10


def judge_recurring(facts: Facts, tuning: RecurringTuning, now_at: int) -> Iterator[Judged]:
    """Judge each fingerprint of which an incident came back."""
    known = {one.name: one for one in facts.expected(now_at)}
    groups: dict[tuple[str, str, str], list[Reopening]] = {}
    for each in facts.reopenings:
        if each.automation in known and each.kind not in _OURS and now_at - each.at < ms(tuning.over):
            groups.setdefault((each.automation, each.kind, each.fingerprint), []).append(each)
    for (automation, kind, fingerprint), those in groups.items():
        last_at = max(each.at for each in those)
        figures = {"kind": str(kind), "reopened": len(those), "limit": tuning.times, "over_ms": ms(tuning.over)}
        yield verdict(
            known[automation],
            IncidentKind.RECURRING,
            figures | {"last_at": last_at},
            last_at if len(those) >= tuning.times else None,
            f"the same {kind} came back {len(those)} times in {tuning.over.days} days",
            hint=f"mainspring incidents list --name {automation}",
            at_most=Severity.DIGEST,
            fingerprint=f"{kind}:{fingerprint}" if fingerprint else str(kind),
        )


def judge_by_hand(facts: Facts, tuning: ByHandTuning, now_at: int) -> Iterator[Judged]:
    """Judge each automation that a person helped."""
    for one in facts.expected(now_at):
        counted = facts.by_hand.get(one.name)
        if counted is not None and counted.started >= tuning.least:
            yield _by_hand(one, counted.helped, counted.started, tuning, now_at)


def _by_hand(one: Watched, helped: int, started: int, tuning: ByHandTuning, now_at: int) -> Judged:
    share = min(helped / started, 1.0)
    figures = {"helped": helped, "started": started, "helped_share": share, "limit_share": tuning.share}
    return verdict(
        one,
        IncidentKind.HELPED_BY_HAND,
        figures,
        now_at if share > tuning.share else None,
        f"{percent(share)} of its runs in 30 days needed a person ({helped:,} of {started:,})",
        hint=f"mainspring runs list --name {one.name} --since 30d",
        at_most=Severity.DIGEST,
    )


MONITORS = (
    Monitor(
        kind=IncidentKind.RECURRING,
        line="The same error came back three times.",
        rule="Wrong, in the digest, while an incident of one fingerprint was reopened limit times or more within over_ms.",
        tuning=RecurringTuning(),
        judge=judge_recurring,
    ),
    Monitor(
        kind=IncidentKind.HELPED_BY_HAND,
        line="Too many of its runs need a person.",
        rule=(
            "Wrong, in the digest, while helped_share is above limit_share: runs of 30 days that a person "
            "started, retried or gave a result, of all that were started; 10 at least."
        ),
        tuning=ByHandTuning(),
        judge=judge_by_hand,
    ),
)
