"""The trigger list, `mainspring triggers list|replay`: what automations listen to, whether they do, and what arrived."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import params, short_lists
from mainspring.cli.bulk.background_operations import begin_operation
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.states import DeliveryState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.triggers.trigger_list import TriggerLine
    from mainspring.store.base import StoreReader
    from mainspring.triggers.trigger_cache import TriggerCache

STATE_COLOURS = {
    TriggerState.LISTENING: "green",
    TriggerState.UNREACHABLE: "red",
    TriggerState.PAUSED: "yellow",
    TriggerState.PROBLEM: "red",
}


def read_trigger_names(reader: "StoreReader") -> list[str]:
    """Return the names of all triggers."""
    return [str(row[0]) for row in reader.read("list_triggers")]


TRIGGER = params.StoredNameType(read_trigger_names, "trigger")


def find_trigger_name(names: Collection[str], name: str) -> str:
    """Return the trigger of this name, or of an automation with this name that has only one.

    Raises:
        UnknownNameError: there is none. The error names the nearest.
        ConflictError: the automation has more than one.
    """
    from mainspring.domain.errors import ConflictError, UnknownNameError
    from mainspring.domain.triggers.trigger import split_trigger_name

    matching = [name] if name in names else [trigger for trigger in names if split_trigger_name(trigger)[0] == name]
    if not matching:
        error = UnknownNameError("trigger", name, names)
        error.hint = error.hint or "No worker has announced an automation with a trigger yet: mainspring auto list"
        raise error
    if len(matching) > 1:
        raise ConflictError(f"{name} has more than one trigger", hint=f"One of: {', '.join(matching)}")
    return matching[0]


def read_trigger_lines(invocation: Invocation, known: "TriggerCache | None" = None) -> "list[TriggerLine]":
    """Return all triggers in the store, by name; `known` = the cache that they are read into."""
    from mainspring.app.processes.listen_addresses import read_settings_in_use
    from mainspring.insight.triggers.trigger_list import list_trigger_lines

    def read_lines(reader: "StoreReader") -> "list[TriggerLine]":
        base_url = read_settings_in_use(invocation.settings, reader).hooks.seen_as
        return list_trigger_lines(reader, invocation.clock.now(), base_url, known=known)

    return invocation.read(read_lines)


@command("list", "list triggers: their sources, and what arrived")
@short_lists.add_list_options(*(state.value for state in TriggerState))
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """24H counts the deliveries of the last 24 hours by outcome. --since compares the last delivery. For each webhook a command is printed
    that sends event.json to it.
    """
    from mainspring.insight.triggers.trigger_list import flow_control_text, received_text

    rows = short_lists.filter_rows(
        invocation,
        read_trigger_lines(invocation),
        name_of=lambda line: line.name,
        state=lambda line: line.state,
        at=lambda line: line.last_at or 1,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    output, now = invocation.output, invocation.clock.now()
    columns = [
        TableColumn("TRIGGER", lambda line: formatting.escape_line(line.name), cut=True),
        TableColumn("STATE", lambda line: line.state, lambda line: STATE_COLOURS[line.state]),
        TableColumn("SOURCE", lambda line: line.listens_to, cut=True),
        TableColumn(
            "LIMITS", lambda line: formatting.escape_line(flow_control_text(line)), cut=True, spare=True, most=40
        ),
        TableColumn("24H", received_text, cut=True),
        TableColumn("LAST", lambda line: formatting.format_distance(line.last_at, now)),
    ]
    output.rows(rows, columns, empty='No triggers. Write @ms.on.event("..."), @ms.on.webhook("/...") above a @ms.task.')
    for line in rows:
        if line.state is TriggerState.LISTENING and line.why is not None:
            output.hint(f"{line.name} works, but: {formatting.escape_line(line.why)}")
        elif line.why is not None:
            since_text = "" if line.since_at is None else f" since {formatting.format_distance(line.since_at, now)}"
            output.hint(f"{line.name} is {line.state}{since_text}: {formatting.escape_line(line.why)}")
    for line in rows:
        if line.curl is not None:
            output.hint(f"{line.name}:\n  {line.curl}")


@command("replay", "replay deliveries")
@click.argument("event", metavar="[DELIVERY]", required=False)
@click.option("--trigger", type=TRIGGER, help="all of this trigger")
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]), help="all in this state")
@params.since_option
@params.until_option
@click.option("--verified", metavar="TEXT", help="all whose verifier returned this, as SENDER shows it")
@click.option("--limit", type=click.IntRange(1), help="with a filter: at most N, newest first")
@click.option("--rate", metavar="RATE", help="with a filter: at this rate: 10/s, 60/m")
@click.option("--dry-run", is_flag=True, help="with a filter: only count what would be replayed")
@pass_invocation
def replay(invocation: Invocation, /, *, event: str | None, rate: str | None, dry_run: bool, **options: Any) -> None:
    """A replay is a new delivery: filter and flow control decide again, and it starts its own run. The old delivery keeps its run.

    One DELIVERY is replayed at once. A filter needs -y and creates a bulk operation: see `mainspring bulk list`. It leaves out deliveries
    that were rejected, are undecided, or were replayed already.
    """
    is_filter = any(options.values())
    if (event is not None) == is_filter:
        raise click.UsageError(
            "name one DELIVERY, or choose them with --trigger, --state, --since, --until, --verified, --limit"
        )
    if event is None:
        _replay_all(invocation, options, rate, dry_run=dry_run)
    elif rate is not None or dry_run:
        raise click.UsageError("--rate and --dry-run need a filter")
    else:
        _replay_one(invocation, event)


def _replay_one(invocation: Invocation, event: str) -> None:
    from mainspring.service.triggers.delivery_replay import replay_delivery as replay_stored_delivery
    from mainspring.store.read.triggers import delivery

    original = delivery(invocation.reader, event)
    accepted = replay_stored_delivery(invocation.store, invocation.clock.now(), original.id, act=invocation.act)
    data = {
        "delivery": accepted.delivery,
        "replay_of": original.id,
        "trigger": original.trigger,
        "state": accepted.state,
    }
    invocation.output.document(data, accepted.delivery)
    invocation.output.hint(f"see its outcome: mainspring triggers show {accepted.delivery}")


def _replay_all(invocation: Invocation, options: dict[str, Any], rate: str | None, *, dry_run: bool) -> None:
    from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb
    from mainspring.service.triggers.delivery_selection import DeliveryFilter, select_deliveries

    if options["trigger"] is not None:
        options["trigger"] = find_trigger_name(read_trigger_names(invocation.reader), options["trigger"])
    delivery_filter = DeliveryFilter(
        trigger=options["trigger"],
        state=options["state"] and DeliveryState(options["state"]),
        since_at=params.read_instant(invocation, options["since"]) or 0,
        until_at=params.read_instant(invocation, options["until"]),
        verified=options["verified"],
        limit=options["limit"] or MAX_BULK_PARTS + 1,
    )
    begin_operation(
        invocation,
        BulkVerb.REPLAY,
        lambda: select_deliveries(invocation.reader, delivery_filter),
        options,
        rate,
        dry_run=dry_run,
    )
