"""Interruptions of a run, in sentences: workers that died while they had it, and attempts that give no sign of life. Pure."""

from collections.abc import Callable

from mainspring.domain.processes.worker_loss import WorkerLoss, describe_death, describe_process
from mainspring.insight.runs.suggested_commands import RunFacts, SuggestedCommand
from mainspring.insight.text.formatting import escape_line, format_span

_MAX_LISTED = 5
"""A run is quarantined after fewer losses, so the first one, when the worker had other runs, is among them."""

_INNERMOST = 5


def describe_loss(loss: WorkerLoss, at: Callable[[int], str]) -> str:
    """Return one loss of a worker as a sentence: how it was noticed, and who continued the run. `at` formats an instant."""
    text = f"Its {describe_death(loss, at)}."
    if loss.resumed_at is None or loss.resumed_after_ms is None:
        return escape_line(f"{text} No worker has continued it since.")
    if loss.resumed_session is None:
        return escape_line(f"{text} Another worker had continued it by then.")
    successor = describe_process(
        loss.resumed_role or "", loss.resumed_hostname or "", loss.resumed_pid or 0, loss.resumed_session
    )
    return escape_line(
        f"{text} {successor[0].upper()}{successor[1:]} continued it after {format_span(loss.resumed_after_ms)}."
    )


def describe_losses(losses: list[WorkerLoss], at: Callable[[int], str]) -> list[str]:
    """Return the newest losses as sentences, and how many there were before."""
    more = len(losses) - _MAX_LISTED
    found = [describe_loss(loss, at) for loss in losses[:_MAX_LISTED]]
    if more <= 0:
        return found
    return [
        *found,
        "At least one more of its workers died before."
        if more == 1
        else f"At least {more} more of its workers died before.",
    ]


def describe_stalls(facts: RunFacts) -> list[str]:
    """Return since when each attempt is silent, and where it was when that was found, the innermost frame first."""
    found: list[str] = []
    for stall in facts.history.stalls:
        silent = format_span(max(facts.now - stall.since_at, 0))
        found.append(
            f"Attempt {stall.attempt} of step {escape_line(stall.step)} has reported no log, progress or "
            f"checkpoint for {silent}, and nothing ends it. Its stack"
        )
        found += [f"at {escape_line(line.strip(), 300)}" for line in list(stall.stack)[: -_INNERMOST - 1 : -1]]
    return found


def list_stall_commands(facts: RunFacts) -> list[SuggestedCommand]:
    """Return commands that may help, if there is such an attempt."""
    if not facts.history.stalls:
        return []
    return [
        SuggestedCommand(
            f"mainspring runs logs {facts.id}",
            "read its last log lines; a timeout= or heartbeat= on the step ends such an attempt by itself",
        )
    ]
