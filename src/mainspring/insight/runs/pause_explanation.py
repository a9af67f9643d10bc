"""Explanation of a paused run, and of one that a person wants to pause. Pure."""

from typing import Final

import msgspec

from mainspring.domain.runs.journal import FactKind
from mainspring.insight.runs import waits
from mainspring.insight.runs.decisions import reason_suffix
from mainspring.insight.runs.suggested_commands import RunFacts, SuggestedCommand, cancel_command, resume_command
from mainspring.insight.text.formatting import escape_line, format_distance
from mainspring.store.commands.run_control import RunPauseRequest

_NAME: Final = 200
_KEY: Final = 60


def describe_pause_request(facts: RunFacts) -> list[str]:
    """Return the sentence about the request to pause a run that still runs, if there is one."""
    fact = next((fact for fact in facts.history.facts if fact.kind is FactKind.PAUSE), None)
    if fact is None:
        return []
    request = msgspec.json.decode(fact.payload or b"{}", type=RunPauseRequest)
    since = format_distance(fact.at, facts.now)
    return [f"{escape_line(request.by, _NAME)} requested a pause {since}{reason_suffix(request.reason)}."]


def explain_paused(facts: RunFacts) -> tuple[list[str], list[str], list[str], list[SuggestedCommand]]:
    """Return the four answers about a paused run."""
    run, pause = facts.history.run, facts.history.pause
    by = f" by {escape_line(pause.paused_by, _NAME)}" if pause is not None else ""
    since = format_distance(run.changed_at if pause is None else pause.paused_at, facts.now)
    sentences = [f"It was paused {since}{by}{reason_suffix(None if pause is None else pause.reason)}."]
    sentences += waits.describe_waits(facts.history, facts.now, facts.at)
    sentences.append(
        "Signals, events and answers are kept until it is resumed. Timers and deadlines run on, and take effect then."
    )
    if pause is not None and pause.due_at is not None:
        sentences.append(f"It has not started; it is due at {facts.at(pause.due_at)}.")
    reasons = []
    if run.partition is not None and pause is not None and pause.holds_partition:
        key = escape_line(run.partition, _KEY)
        reasons.append(f"It keeps partition key {key!r} of queue {run.queue}: other runs with that key wait.")
    next_steps = ["It does not continue before a person resumes it."]
    if run.deadline_at is not None:
        verb = "passed" if run.deadline_at <= facts.now else "is"
        next_steps.append(
            f"Its deadline {verb} at {facts.at(run.deadline_at)}; it takes effect when the run is resumed."
        )
    commands = [*waits.list_wait_commands(facts.history, facts.now), cancel_command(facts)]
    return sentences, reasons, next_steps, [resume_command(facts), *commands]
