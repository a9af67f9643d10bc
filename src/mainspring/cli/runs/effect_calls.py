"""The calls of effects in a run, as `mainspring runs show` prints them."""

from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation
from mainspring.domain.effects.effect import CallOutcome
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import cut_to_width, measure_width, pad_to_width

if TYPE_CHECKING:
    from mainspring.insight.effects.effect_views import RunEffect

_MAX_CALLS = 20
_MAX_KEY_WIDTH = 48
_COLOURS = {"done": "green", "pending": "cyan", "released": "yellow", "unknown": "red", "in_doubt": "red"}
_UNPROVEN = ("unknown", "in_doubt")


def describe_outcome(outcome: str) -> str:
    """Return the outcome of a call for people: a call with another identity is skipped, too."""
    return "skipped, with another identity" if outcome == CallOutcome.SUPPRESSED else outcome


def print_effect_calls(invocation: Invocation, calls: "list[RunEffect]") -> None:
    """Print a line for each of the last calls: key, outcome, step and attempt."""
    output = invocation.output
    if not calls:
        return
    listed = calls[-_MAX_CALLS:]
    keys = [cut_to_width(formatting.escape_line(call.key), _MAX_KEY_WIDTH) for call in listed]
    width = max(map(measure_width, keys))
    output.line("  effects")
    for key, call in zip(keys, listed, strict=True):
        outcome = output.paint(f"{describe_outcome(call.outcome):<10}", _COLOURS.get(call.outcome))
        place = f"{formatting.escape_line(call.ident)} attempt {call.attempt}"
        if call.outcome in _UNPROVEN and call.state is not None and call.state != call.outcome:
            place += f", now {call.state}"
        output.line(f"    {pad_to_width(key, width)}  {outcome}  {place}".rstrip())
    if len(calls) > len(listed):
        output.hint(f"The last {len(listed)} of {len(calls)} calls of effects; all of them: --json")
    output.line()
