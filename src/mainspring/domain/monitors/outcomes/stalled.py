"""Stalled: a step that no time-out ends gives no sign of life."""

from collections import defaultdict
from collections.abc import Iterator

from mainspring.domain.failures.error_location import locate_function
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.processes.stall import Stall
from mainspring.domain.text.phrases import format_span

_MAX_FRAMES = 5
_MAX_LISTED_RUNS = 20


def evaluate(facts: MonitorInputs, _tuning: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each step with attempts on record, by the one that has been silent longest."""
    for automation in facts.expected(now_at):
        steps: dict[str, list[Stall]] = defaultdict(list)
        for stall in automation.stalls:
            steps[stall.step].append(stall)
        for step, stalls in steps.items():
            yield _evaluate_step(automation, step, stalls, now_at)


def _evaluate_step(automation: WatchedAutomation, step: str, stalls: list[Stall], now_at: int) -> Evaluation:
    first = min(stalls, key=lambda stall: (stall.since_at, stall.run))
    innermost = [line.strip() for line in reversed(first.stack)][:_MAX_FRAMES]
    place, silent_ms = locate_function(list(first.stack)), now_at - first.since_at
    metrics = {
        "step": step,
        "silent_ms": silent_ms,
        "attempts": len(stalls),
        "run": first.run,
        "attempt": first.attempt,
        "what": f"attempt {first.attempt} of run {first.run} is at {' < '.join(innermost)}",
        "runs": sorted({stall.run for stall in stalls})[-_MAX_LISTED_RUNS:],
    }
    more = len(stalls) - 1
    other_attempts = f", nor {'does' if more == 1 else 'do'} {more} more" if more else ""
    return evaluate_automation(
        automation,
        IncidentKind.STALLED,
        metrics,
        first.since_at,
        f"step {step} has reported no log, progress or checkpoint for {format_span(silent_ms)}"
        f"{other_attempts}: it is at {place or innermost[0]}",
        hint=(
            f"mainspring runs show {first.run}; if it hangs, mainspring runs cancel {first.run}. A timeout= or "
            "heartbeat= on the step ends such an attempt by itself; ms.heartbeat() or a log line shows that it works"
        ),
        cause=f"place:{place}" if place else None,
        fingerprint=step,
    )


MONITOR = Monitor(
    kind=IncidentKind.STALLED,
    line="An attempt that no timeout or heartbeat ends gives no sign of life.",
    rule=(
        "Opens as soon as a worker records it: an attempt that no timeout or heartbeat ends gave no sign of life for "
        "stalled=, else for worker.stalled_after. The incident counts from its last sign of life. Resolves with the next "
        "sign, or when the attempt ends."
    ),
    tuning=Tuning(),
    evaluate=evaluate,
)
