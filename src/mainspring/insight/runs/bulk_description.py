"""Description of a bulk operation in words, and its command line. Pure."""

import shlex
from typing import Any, Final

import msgspec

from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb, part_noun
from mainspring.domain.states import BulkState
from mainspring.insight.text.formatting import escape_line, format_count, format_span
from mainspring.store.read.bulk_operations import BulkView

_FLAGS = {
    "trigger": "--trigger",
    "state": "--state",
    "name": "--name",
    "queue": "--queue",
    "since": "--since",
    "until": "--until",
    "ended_since": "--ended-since",
    "ended_until": "--ended-until",
    "error": "--error",
    "verified": "--verified",
    "limit": "--limit",
}
_FILTER_WORDS = {
    "name": "of",
    "trigger": "for",
    "flag": "that hold the side on of flag",
    "queue": "in queue",
    "error": "by error",
    "verified": "with verifier result",
    "since": "since",
    "until": "until",
    "ended_since": "ended since",
    "ended_until": "ended until",
}
_COMMANDS = {
    **{verb: ["runs", verb.value] for verb in (BulkVerb.CANCEL, BulkVerb.PAUSE, BulkVerb.RESUME)},
    BulkVerb.REPLAY: ["triggers", "replay"],
}
LEFT_OUT_REASONS: Final = "rejected, undecided, or replayed already"
"""Why matching deliveries are not replayed."""
_LONGEST = 80
_UNQUOTED = 3
_VERB_PHRASES = {
    BulkVerb.RETRY: "Retry",
    BulkVerb.CANCEL: "Cancel",
    BulkVerb.DISCARD: "Discard",
    BulkVerb.PAUSE: "Pause",
    BulkVerb.RESUME: "Resume",
    BulkVerb.REPLAY: "Replay",
}


def filter_of(view: BulkView) -> dict[str, Any]:
    """Return the filter of a bulk operation."""
    found: dict[str, Any] = msgspec.json.decode(view.selection)
    return found


def bulk_title(verb: BulkVerb, criteria: dict[str, Any]) -> str:
    """Return a bulk operation in a few words: "Retry failed runs of pay"."""
    states = criteria.get("state") or ()
    states_text = " and ".join(
        escape_line(state).replace("_", " ") for state in ([states] if isinstance(states, str) else states)
    )
    newest = f"the newest {criteria['limit']:,}" if criteria.get("limit") else ""
    words = [_VERB_PHRASES[verb], " ".join(f"{newest} {states_text} {count_parts_text(verb)}".split())]
    words += [
        f"{word} {escape_line(criteria[field], _LONGEST)}"
        for field, word in _FILTER_WORDS.items()
        if criteria.get(field)
    ]
    return " ".join(words)


def count_parts_text(verb: BulkVerb, number: int | None = None) -> str:
    """Return "runs" or "deliveries"; of a number "1 run", "1,204 deliveries"."""
    noun = part_noun(verb)
    plural = "deliveries" if verb is BulkVerb.REPLAY else f"{noun}s"
    return plural if number is None else format_count(f"{number:,}", noun, plural)


def bulk_command(verb: BulkVerb, criteria: dict[str, Any], rate: str | None) -> str:
    """Return the command line of such an operation; a filter is always explicit, even if it matches everything."""
    if criteria.get("flag"):
        return shlex.join(["mainspring", "flags", "kill", str(criteria["flag"]), "--stop-runs", verb.value])
    words = ["mainspring", *_COMMANDS.get(verb, ["failed", verb.value])]
    for name, flag in _FLAGS.items():
        value = criteria.get(name)
        if name == "state" and verb is BulkVerb.DISCARD:
            continue  # it knows one state only
        for item in value if isinstance(value, list | tuple) else [value] if value else []:
            words += [flag, str(item)]
    if len(words) == _UNQUOTED:
        words += ["--limit", str(MAX_BULK_PARTS)]
    words += ["--rate", rate] if rate else []
    return shlex.join(words if verb is BulkVerb.REPLAY else [*words, "--background"])


def describe_progress(view: BulkView, now: int) -> str:
    """Return the progress in a sentence."""
    text = f"{view.done:,} of {count_parts_text(view.verb, view.total)} done"
    if view.refused:
        text += f", {view.refused:,} refused"
    if view.state is BulkState.RUNNING:
        remaining_ms = _remaining_ms(view, now)
        return f"{text}; {view.left:,} left{f', some {format_span(remaining_ms)} more' if remaining_ms else ''}."
    if view.state is BulkState.DONE:
        return f"{text}."
    return f"{text}; {view.left:,} left as they are."


def _remaining_ms(view: BulkView, now: int) -> int | None:
    """Return how long the rest takes at the present rate; None = not known yet."""
    done_count = view.total - view.left
    elapsed_ms = now - view.made_at
    return None if done_count < 1 or elapsed_ms < 1 else elapsed_ms * view.left // done_count // 1_000 * 1_000 or None
