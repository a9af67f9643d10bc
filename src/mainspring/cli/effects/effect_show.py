"""One effect, `mainspring effects show`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.effects.effect_key import EFFECT, require_known_key
from mainspring.cli.effects.effect_list import STATE_COLOURS
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.effect_calls import describe_outcome
from mainspring.cli.runs.show import format_value
from mainspring.domain.states import EffectState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.effects.effect_views import EffectDetail

_MAX_CALLS = 20


@command("show", "show an effect: its outcome, holder and calls")
@click.argument("key", type=EFFECT)
@pass_invocation
def show(invocation: Invocation, key: str) -> None:
    """Lists what a person can do now. Calls of programs and of `once` are counted, the last 20 by steps are listed by time."""
    detail = read_detail(invocation, key)
    invocation.output.document(detail, lambda: _print(invocation, detail))


def read_detail(invocation: Invocation, key: str) -> "EffectDetail":
    """Return all facts of an effect. Raises UnknownNameError."""
    from mainspring.domain.errors import UnknownNameError
    from mainspring.insight.effects.stored_effects import read_effect_detail

    require_known_key(invocation.reader, key)
    now = invocation.clock.now()
    detail = invocation.unseal(lambda unsealer: read_effect_detail(invocation.reader, key, now, unsealer.effect))
    if detail is None:  # it was deleted after the check
        raise UnknownNameError("effect", key)
    return detail


def _print(invocation: Invocation, detail: "EffectDetail") -> None:
    output = invocation.output
    state = output.paint(detail.state, STATE_COLOURS[detail.state], bold=True)
    output.line(f"{output.paint(formatting.escape_line(detail.key), None, bold=True)}  {state}")
    for name, value in _format_facts(detail, invocation.clock.now(), invocation.zone):
        output.line(f"  {name:<15} {value}")
    for call in reversed(detail.calls[:_MAX_CALLS]):
        note = "" if call.note is None else f": {formatting.escape_line(call.note)}"
        at = formatting.format_instant(call.at, invocation.zone)
        output.line(
            f"  {at}  {describe_outcome(call.outcome):<10} {call.run} {formatting.escape_line(call.ident)} attempt {call.attempt}{note}"
        )
    output.line(f"next  {detail.next}")
    for suggestion in detail.can:
        output.line(f"  $ {suggestion.command}")
        output.line(f"      {suggestion.does}")


def _format_facts(detail: "EffectDetail", now: int, zone: str) -> Iterator[tuple[str, str]]:
    def format_at(at: int) -> str:
        return f"{formatting.format_instant(at, zone)} {zone} ({formatting.format_distance(at, now)})"

    yield "idempotency key", detail.id
    yield "started", f"{format_at(detail.started_at)} by {formatting.escape_line(detail.owner)}"
    if detail.settled_at is not None:
        decided = "" if detail.decided_by is None else f" by {formatting.escape_line(detail.decided_by)}"
        yield "settled", f"{format_at(detail.settled_at)}{decided}"
    if detail.state is EffectState.PENDING:
        yield "holder", _describe_holder(detail)
    if detail.run is not None:
        attempt = f", attempt {detail.attempt}" if detail.attempt is not None else ""
        yield "run", f"{detail.run} step {formatting.escape_line(detail.ident or '')}{attempt}"
    if detail.within_ms is not None:
        end = "" if detail.window_ends_at is None else f", ends {format_at(detail.window_ends_at)}"
        yield "window", f"{formatting.format_span(detail.within_ms)}{end}"
    yield "if unknown", _RECOVERIES[detail.recovery]
    yield "identity", format_value(detail.identity)
    if detail.result is not None:
        yield "result", format_value(detail.result)
    if detail.refused is not None:
        yield "result", f"not saved: {formatting.escape_line(detail.refused)}"
    if detail.note is not None:
        yield "note", formatting.escape_line(detail.note)
    if detail.skips:
        last = "" if detail.skipped_at is None else f", the last {formatting.format_distance(detail.skipped_at, now)}"
        other = f", {detail.suppressed} of them with another identity" if detail.suppressed else ""
        yield "skips", f"{detail.skips}{other}{last}"


def _describe_holder(detail: "EffectDetail") -> str:
    owner = formatting.escape_line(detail.owner)
    if not detail.is_held:
        return f"{owner} has ended without an outcome"
    if detail.processes:
        return f"{owner} has ended, but its command still runs: process {', '.join(map(str, detail.processes))}"
    return f"{owner} performs it now"


_RECOVERIES = {
    "check": "the next call asks the target (check=)",
    "keyed": "the next call repeats it under the same idempotency key (keyed=True)",
    "person": "a person decides",
}
