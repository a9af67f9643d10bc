"""`mainspring triggers list|replay`: what automations listen to, whether they do, and what arrived."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from mainspring.cli import lists, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.output import Column
from mainspring.domain.told_states import TriggerState
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.insight.trigger_lines import TriggerLine
    from mainspring.store.base import Reader
    from mainspring.triggers.known import KnownTriggers

COLOURS = {
    TriggerState.LISTENING: "green",
    TriggerState.AWAY: "red",
    TriggerState.PAUSED: "yellow",
    TriggerState.PROBLEM: "red",
}


def trigger_names(reader: "Reader") -> list[str]:
    """Return the names of all triggers."""
    return [str(row[0]) for row in reader.read("list_triggers")]


TRIGGER = params.Name(trigger_names, "trigger")


def named_trigger(names: Collection[str], name: str) -> str:
    """Return the trigger that is meant: by its name, or by its automation's if that has only one.

    Raises:
        UnknownNameError: there is none; shows the nearest.
        ConflictError: the automation has more than one.
    """
    from mainspring.domain.errors import ConflictError, UnknownNameError
    from mainspring.domain.trigger import name_parts

    found = [name] if name in names else [one for one in names if name_parts(one)[0] == name]
    if not found:
        raise UnknownNameError("trigger", name, names)
    if len(found) > 1:
        raise ConflictError(f"{name} has more than one trigger", hint=f"One of: {', '.join(found)}")
    return found[0]


def lines_of(invocation: Invocation, known: "KnownTriggers | None" = None) -> "list[TriggerLine]":
    """Return all triggers that the store knows, by name; `known` is where they are read into."""
    from mainspring.insight.trigger_lines import trigger_lines

    where = invocation.settings.hooks.seen_as
    return invocation.rows(lambda reader: trigger_lines(reader, invocation.clock.now(), where, known=known))


@command("list", "list triggers: what they listen to, and what arrived")
@lists.options(*(state.value for state in TriggerState))
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """24H counts deliveries of the last 24 hours by what became of them; --since looks at the last delivery. For each webhook a line is
    shown that sends it event.json.
    """
    from mainspring.insight.trigger_lines import arrived_text, pace_text

    rows = lists.narrow(
        invocation,
        lines_of(invocation),
        named=lambda line: line.name,
        state=lambda line: line.state,
        at=lambda line: line.last_at or 1,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    output, now = invocation.output, invocation.clock.now()
    columns = [
        Column("TRIGGER", lambda line: words.one_line(line.name)),
        Column("STATE", lambda line: line.state, lambda line: COLOURS[line.state]),
        Column("LISTENS TO", lambda line: line.listens_to),
        Column("PACE", lambda line: words.one_line(pace_text(line), 40)),
        Column("24H", arrived_text),
        Column("LAST", lambda line: words.ago(line.last_at, now)),
    ]
    output.rows(rows, columns, empty='No triggers. Write @ms.on.event("..."), @ms.on.webhook("/...") above a @ms.task.')
    for line in rows:
        if line.state is TriggerState.LISTENING and line.why is not None:
            output.hint(f"{line.name} listens, but: {words.one_line(line.why)}")
        elif line.why is not None:
            since_text = "" if line.since_at is None else f" since {words.ago(line.since_at, now)}"
            output.hint(f"{line.name} is {line.state}{since_text}: {words.one_line(line.why)}")
    for line in rows:
        if line.curl is not None:
            output.hint(f"{line.name}:\n  {line.curl}")


@command("replay", "let a delivery arrive once more")
@click.argument("event", metavar="DELIVERY")
@pass_invocation
def replay(invocation: Invocation, event: str) -> None:
    """As a new delivery, whose filter and pace decide anew; it starts a run of its own. The old one keeps its place and its run."""
    from mainspring.service.trigger import replay as act
    from mainspring.store.reads.triggers import delivery

    found = delivery(invocation.reader, event)
    taken = act(invocation.store, invocation.clock, found.id, act=invocation.act)
    data = {"delivery": taken.delivery, "replay_of": found.id, "trigger": found.trigger, "state": taken.state}
    invocation.output.document(data, taken.delivery)
    invocation.output.hint(f"see what becomes of it: mainspring triggers show {taken.delivery}")
