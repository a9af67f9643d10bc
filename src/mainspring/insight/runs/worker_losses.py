"""Losses of workers that had a run, in sentences: which, when, how it was noticed, which worker continued the run after how long."""

from collections.abc import Callable

from mainspring.domain.processes.worker_loss import WorkerLoss, describe_death, describe_process
from mainspring.insight.text.formatting import escape_line, format_span

_MAX_LISTED = 5
"""A run is quarantined after fewer losses, so the first one, when the worker had other runs, is among them."""


def describe_loss(loss: WorkerLoss, at: Callable[[int], str]) -> str:
    """Return one loss as a sentence; `at` formats an instant."""
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
