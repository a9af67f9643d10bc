"""Stalls: sentences on attempts that give no sign of life, and what a person can do. Pure."""

from mainspring.insight.runs.suggested_commands import RunFacts, SuggestedCommand
from mainspring.insight.text.formatting import escape_line, format_span

_INNERMOST = 5


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
            "read its last log lines; a timeout= on the step ends such an attempt by itself",
        )
    ]
