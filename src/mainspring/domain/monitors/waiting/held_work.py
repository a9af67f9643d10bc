"""Held work: a debounce that starts nothing, a partition whose holder does not run, runs that no live worker serves."""

from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.duration import format_duration
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import HeldDebounce, MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningCount, TuningSpan, to_ms
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.phrases import format_count, format_span

DEBOUNCE_FACTOR = 10
_LONGER_THAN_USUAL = 2
_LONGEST_KEY = 80


class DebounceTuning(Tuning, frozen=True, kw_only=True):
    """`times`: how many of its spans a debounce may hold deliveries."""

    times: TuningCount = DEBOUNCE_FACTOR


class PartitionTuning(Tuning, frozen=True, kw_only=True):
    """`backlog`: how long a run may wait behind the holder of its partition; longer if the holder's automation usually takes longer.

    `runs`: how many ends make its usual duration known.
    """

    backlog: TuningSpan = timedelta(hours=1)
    runs: TuningCount = 5


class UnservedTuning(Tuning, frozen=True, kw_only=True):
    """`missing`: how long runs may be ready while no live worker serves them."""

    missing: TuningSpan = timedelta(minutes=4)


def evaluate_debounces(facts: MonitorInputs, tuning: DebounceTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each trigger with a debounce that has started nothing for long, by the key that waits longest."""
    for automation in facts.expected(now_at):
        first: dict[str, HeldDebounce] = {}
        for held in sorted(automation.held_debounces, key=lambda held: held.since_at):
            first.setdefault(held.trigger, held)
        for held in first.values():
            held_ms, longest_ms = now_at - held.since_at, tuning.times * held.span_ms
            is_due = held.due_at <= now_at - held.span_ms
            span = format_duration(timedelta(milliseconds=held.span_ms))
            reason = (
                "it is due, and no scheduler starts it" if is_due else f"deliveries arrive more often than every {span}"
            )
            key = f" of {escape(held.by, _LONGEST_KEY)}" if held.by else ""
            yield evaluate_automation(
                automation,
                IncidentKind.DEBOUNCE_HELD,
                {
                    "trigger": held.trigger,
                    "key": held.by,
                    "held_ms": held_ms,
                    "longest_ms": longest_ms,
                    "due_at": held.due_at,
                },
                held.since_at if held_ms >= longest_ms else None,
                f"{held.trigger} has started nothing{key} for {format_span(held_ms)}: {reason}",
                hint=f"within= limits how long a debounce waits; mainspring triggers show {held.trigger}",
                at_most=Severity.NOTIFY,
                fingerprint=held.trigger,
            )


def evaluate_partitions(facts: MonitorInputs, tuning: PartitionTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each partition in which runs wait behind one that does not run."""
    known = {automation.name: automation for automation in facts.automations}
    for automation in facts.expected(now_at):
        for held in automation.held_partitions:
            limit_ms = _limit_ms(known.get(held.holder_automation), tuning)
            held_ms = now_at - held.since_at
            fingerprint = f"{held.queue}:{held.partition}"
            metrics = {
                "partition": held.partition,
                "queue": held.queue,
                "waiting": held.number,
                "run": held.holder,
                "held_ms": held_ms,
                "longest_ms": limit_ms,
            }
            state = "waits" if held.holder_state == "waiting" else f"is {held.holder_state.replace('_', ' ')}"
            holder_text = "" if held.holder_automation == automation.name else f" of {held.holder_automation}"
            partition = escape(held.partition, _LONGEST_KEY)
            yield evaluate_automation(
                automation,
                IncidentKind.PARTITION_HELD,
                metrics,
                held.since_at if held_ms >= limit_ms else None,
                f"{format_count(held.number, 'run')} wait{'s' if held.number == 1 else ''} for partition "
                f"{partition} for {format_span(held_ms)}: run {held.holder}{holder_text} has it and {state}",
                hint=f"mainspring explain {held.holder} shows what it waits for; mainspring runs cancel {held.holder} "
                "frees the partition",
                cause=f"run:{held.holder}",
                fingerprint=fingerprint,
            )


def _limit_ms(holder: WatchedAutomation | None, tuning: PartitionTuning) -> int:
    """Return how long a run may wait behind a run of this automation."""
    durations = [end.duration_ms for end in ([] if holder is None else holder.ends) if end.duration_ms is not None]
    usual_ms = max(durations) if len(durations) >= tuning.runs else 0
    return max(to_ms(tuning.backlog), _LONGER_THAN_USUAL * usual_ms)


def evaluate_unserved(facts: MonitorInputs, tuning: UnservedTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the runs of each automation that are ready and that no live worker serves."""
    for automation in facts.expected(now_at):
        for ready in automation.unserved:
            waits_ms, longest_ms = now_at - ready.since_at, to_ms(tuning.missing)
            yield evaluate_automation(
                automation,
                IncidentKind.UNSERVED,
                {
                    "queue": ready.queue,
                    "tag": ready.tag,
                    "version": ready.version,
                    "waiting": ready.number,
                    "oldest_ms": waits_ms,
                    "longest_ms": longest_ms,
                },
                ready.since_at if waits_ms >= longest_ms else None,
                f"{format_count(ready.number, 'run')} wait{'s' if ready.number == 1 else ''}, "
                f"the oldest for {format_span(waits_ms)}: {ready.why}",
                hint=ready.fix,
                cause=f"unserved:{ready.why}",
                fingerprint=f"{ready.queue}:{ready.version}:{ready.tag}",
            )


MONITORS = (
    Monitor(
        kind=IncidentKind.DEBOUNCE_HELD,
        line="A debounce starts no run for too long.",
        rule="Open while a debounce has held the deliveries of a key for longest_ms, which is 10 x its span.",
        tuning=DebounceTuning(),
        evaluate=evaluate_debounces,
    ),
    Monitor(
        kind=IncidentKind.PARTITION_HELD,
        line="Runs wait behind a run that holds their partition and does not execute.",
        rule=(
            "Open while the first run behind a holder that waits, retries, is paused or needs a person has waited for longest_ms. That "
            "is 1 h, or twice the longest of the newest ends of the holder's automation if 5 are known and that is longer. "
            "`concurrency=` of a trigger is a partition too."
        ),
        tuning=PartitionTuning(),
        evaluate=evaluate_partitions,
    ),
    Monitor(
        kind=IncidentKind.UNSERVED,
        line="Runs are ready, and no running worker serves them.",
        rule=(
            "Open while runs have been ready for longest_ms, and workers that have loaded their automation run, but none of "
            "them takes their queue, has their tag or has their version. Paused runs do not count."
        ),
        tuning=UnservedTuning(),
        evaluate=evaluate_unserved,
    ),
)
