"""Fail rate: too large a share of the runs fails."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.facts import Facts, Watched
from mainspring.domain.monitors.judged import Judged, Monitor, verdict
from mainspring.domain.monitors.tuning import Length, Number, Share, Tuning
from mainspring.domain.monitors.words import about, percent

LAST_ENDS = 20
"""Where fewer ended in the window, the last ends are judged, so many at most."""
HEALED_ENDS = 5
"""So many successes in a row, up to now: what failed before them was told when it failed, and is over."""


class FailRateTuning(Tuning, frozen=True, kw_only=True):
    """`share` from which on it is wrong (`fail_rate=` of a definition takes its place), of the ends in `window`, `least` at least."""

    share: Share = 0.5
    window: Length = timedelta(hours=1)
    least: Number = 5


def judge(facts: Facts, tuning: FailRateTuning, now_at: int) -> Iterator[Judged]:
    """Judge each automation of which enough runs ended."""
    for one in facts.expected(now_at):
        stated = one.option("fail_rate")
        if stated is False:
            continue
        ended = one.recent.succeeded + one.recent.failed
        failed, over = one.recent.failed, f"in {about(tuning.window // timedelta(milliseconds=1))}"
        if ended < LAST_ENDS:
            ends = [end for end in one.ends if end.succeeded or end.failed][:LAST_ENDS]
            ended, failed = len(ends), sum(end.failed for end in ends)
            over = f"of the last {ended}"
        if ended >= tuning.least:
            share = tuning.share if stated is None else stated
            yield _judged(one, ended, failed, over, share, facts, now_at)


def _judged(one: Watched, ended: int, failed: int, over: str, limit: float, facts: Facts, now_at: int) -> Judged:
    # Who is told of it already is told that it is well only once it clearly is.
    is_open = Subject(one.name, IncidentKind.FAIL_RATE) in facts.open
    limit_in_force = limit / 2 if is_open else limit
    newest = [end.succeeded for end in one.ends if end.succeeded or end.failed][:HEALED_ENDS]
    is_over = (not is_open and len(newest) == HEALED_ENDS and all(newest)) or _is_one_outage(one)
    share = failed / ended
    figures = {
        "ended": ended,
        "failed": failed,
        "counted": over,
        "failed_share": share,
        "limit_share": limit_in_force,
    }
    failures = [end.finished_at for end in one.ends if end.failed]
    return verdict(
        one,
        IncidentKind.FAIL_RATE,
        figures,
        min(failures, default=now_at) if share >= limit_in_force and not is_over else None,
        f"{percent(share)} of the runs fail ({failed:,} {over})",
        hint=f"mainspring runs list --name {one.name} --state failed",
        at_most=Severity.NOTIFY,
    )


def _is_one_outage(one: Watched) -> bool:
    """Tell whether one thing failed for a while: the incident of its failures says so, and ends with the next success."""
    ends = [end.failed for end in one.ends if end.succeeded or end.failed]
    outages = sum(failed and not before for failed, before in zip(ends, [False, *ends], strict=False))
    return one.is_about_one_thing and outages <= 1


MONITOR = Monitor(
    kind=IncidentKind.FAIL_RATE,
    line="Too large a share of the runs fails.",
    rule=(
        "Wrong while failed_share, failed of ended, is limit_share (share=, or fail_rate= of the definition) or more."
        " Runs that ended in the window are counted, or the last 20 where fewer than 20 did. It is not told anew "
        "while the newest 5 ends succeeded: the outage is over. Where all runs are about the same thing, one outage "
        "without a success in between is told by the incident of its failures alone. Once it is told, it is well only"
        " below half of the limit."
    ),
    tuning=FailRateTuning(),
    judge=judge,
)
