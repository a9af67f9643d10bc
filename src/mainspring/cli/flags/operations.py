"""Operations on a flag: `mainspring flags set|kill|delete`."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.exits import ConfirmationNeededError, DeclinedError
from mainspring.cli.flags.flag_list import FLAG
from mainspring.cli.flags.flag_show import print_runs
from mainspring.cli.json_values import read_text_argument
from mainspring.cli.lazy_group import command
from mainspring.domain.flags.flag import Flag, FlagKind, FlagSide
from mainspring.domain.flags.flag_text import encode_value, parse_attributes, parse_share
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.domain.flags.flag_change import FlagChange
    from mainspring.service.actor import OperationContext
    from mainspring.store.commands.results import FlagChanged


@command("set", "create a flag, or change the stated fields of one")
@click.argument("name", type=FLAG)
@click.option("--share", metavar="PERCENT", help="so many of all keys get the side on: 5%, 0.01%, 100%")
@click.option("--allow", metavar="KEY", multiple=True, help="keys that get the side on; replaces the list")
@click.option("--deny", metavar="KEY", multiple=True, help="keys that get the side off; replaces the list")
@click.option("--when", metavar="NAME=VALUE,...", multiple=True, help="attributes that get the side on; replaces all")
@click.option("--no-allow", is_flag=True, help="clear the list of allowed keys")
@click.option("--no-deny", is_flag=True, help="clear the list of denied keys")
@click.option("--no-when", is_flag=True, help="clear the attributes")
@click.option(
    "--value",
    metavar="JSON",
    help="value of the side on: JSON, @FILE, or - for stdin; text of a string flag needs no quotes",
)
@click.option("--otherwise", metavar="JSON", help="value of the side off; null = the default of the code")
@click.option("--type", "kind", type=click.Choice([kind.value for kind in FlagKind]), help="type of a new flag")
@click.option("--owner", metavar="NAME", help="person or team that decides on it; findings name the owner")
@click.option("--about", metavar="TEXT", help="purpose, in a sentence")
@click.option("--expires", metavar="DAY", help="when it should be gone: 2030-03-01, 30d, or never")
@click.option("--resume", is_flag=True, help="end a kill: the rules count again")
@pass_invocation
def set_command(invocation: Invocation, /, name: str, **given: Any) -> None:
    """A new flag is of type boolean, and gives true to no key. Unfinished runs keep the answers that they have."""
    from mainspring.service.flag import change_flag, require_flag
    from mainspring.store.read.flags import count_runs_of_flag, find_flag

    store, reader = invocation.store, invocation.reader
    before = require_flag(reader, name) if given["resume"] else find_flag(reader, name)
    change = _read_change(invocation, name, before, given)
    if before is not None and not msgspec.to_builtins(change):
        raise click.UsageError("nothing to change: state a field, for example --share 5%")
    changed = change_flag(store, reader, invocation.clock, name, change, act=invocation.act)
    runs_on, runs_off = (count_runs_of_flag(reader, name, side) for side in (FlagSide.ON, FlagSide.OFF))
    _report_change(invocation, changed, runs_on, runs_off)
    if changed.before is None:
        _warn_of_near_name(invocation, name)


@command("kill", "give all keys the side off at once, and list the runs that hold on")
@click.argument("name", type=FLAG)
@click.option(
    "--stop-runs",
    type=click.Choice([BulkVerb.CANCEL.value, BulkVerb.PAUSE.value]),
    help="cancel or pause the unfinished runs that hold the side on",
)
@pass_invocation
def kill(invocation: Invocation, name: str, stop_runs: str | None) -> None:
    """The kill needs no confirmation. Runs keep the answers that they have: --stop-runs cancels or pauses those that hold on.

    A bulk operation stops them, which workers do: it asks for a confirmation, -y gives it. End a kill: mainspring flags set NAME --resume
    """
    from mainspring.insight.flags.flag_views import MOST_RUNS
    from mainspring.service.flag import kill_flag
    from mainspring.store.read.flags import count_runs_of_flag, list_runs_of_flag

    store, act = invocation.store, invocation.act
    changed = kill_flag(store, invocation.reader, name, act=act.part("kill") if stop_runs else act)
    output, number = invocation.output, count_runs_of_flag(invocation.reader, name, FlagSide.ON)
    runs = list_runs_of_flag(invocation.reader, name, FlagSide.ON, MOST_RUNS)
    document: dict[str, Any] = {"flag": changed.flag, "runs_on": number, "runs": runs, "bulk": None}
    if not output.is_json:
        was = (
            "was killed before" if changed.before is not None and changed.before.killed_at is not None else "is killed"
        )
        output.line(f"Flag {formatting.escape_line(name)} {was}: all keys get the side off.")
        print_runs(invocation, runs, number)
        if number and not stop_runs:
            output.hint(
                f"Pause them: mainspring flags kill {formatting.shell_word(name)} --stop-runs pause (or --stop-runs cancel)"
            )
        output.flush()
    if stop_runs:
        document["bulk"] = _stop_runs(invocation, name, BulkVerb(stop_runs), number, document, act)
    if output.is_json:
        output.json(document)


@command("delete", "delete a flag: code gets its own default")
@click.argument("name", type=FLAG)
@pass_invocation
def delete(invocation: Invocation, name: str) -> None:
    """Remove the flag from the code first. Needs -y. Without it, a flag is never deleted while unfinished runs hold answers.

    The history stays: mainspring flags history NAME
    """
    from mainspring.service.flag import delete_flag, require_no_answers
    from mainspring.service.perform import was_performed

    act, is_sure = invocation.act, invocation.flags.yes
    if not is_sure and not was_performed(invocation.reads, act, "delete", f"flag:{name}"):
        require_no_answers(invocation.reader, name)
        invocation.confirm(f"Delete flag {name}: code gets its own default")
    delete_flag(invocation.store, invocation.reads, invocation.reader, name, act=act, force=is_sure)
    text = f"Flag {formatting.escape_line(name)} is deleted: code gets its own default."
    invocation.output.document({"name": name, "deleted": True}, text)


def _read_change(invocation: Invocation, name: str, before: Flag | None, given: dict[str, Any]) -> "FlagChange":
    """Return the change that the options state. Raises OptionError, UsageError."""
    from mainspring.domain.flags.flag_change import FlagChange
    from mainspring.insight.text.typed_instants import parse_instant

    fields: dict[str, Any] = {}
    for option in ("allow", "deny", "when"):
        if given[option] and given[f"no_{option}"]:
            raise click.UsageError(f"--{option} replaces the list, and --no-{option} clears it: use one of them")
        if given[option] or given[f"no_{option}"]:
            field = "attributes" if option == "when" else option
            fields[field] = parse_attributes(given[option]) if option == "when" else given[option]
    if given["kind"] is not None:
        fields["kind"] = FlagKind(given["kind"])
    kind = before.kind if before is not None else fields.get("kind", FlagKind.BOOLEAN)
    if given["share"] is not None:
        fields["share"] = parse_share(given["share"])
    if given["value"] is not None:
        fields["on_value"] = _read_value(name, kind, given["value"], "--value")
    if given["otherwise"] is not None:
        text = given["otherwise"]
        fields["off_value"] = None if text == "null" else _read_value(name, kind, text, "--otherwise")
    fields |= {field: given[field] for field in ("owner", "about") if given[field] is not None}
    if given["expires"] is not None:
        text = given["expires"]
        now, zone = invocation.clock.now(), invocation.zone
        fields["expires_at"] = None if text == "never" else parse_instant(text, now, zone, back=False)
    if given["resume"]:
        fields["is_killed"] = False
    return FlagChange(**fields)


def _read_value(name: str, kind: FlagKind, text: str, label: str) -> str:
    """Return the JSON of a value: text of a string flag, or JSON, which may be @FILE or - for stdin."""
    if kind is FlagKind.STRING:
        return encode_value(name, kind, text)
    return encode_value(name, kind, read_text_argument(text, label).decode("utf-8", "replace"))


def _report_change(invocation: Invocation, changed: "FlagChanged", runs_on: int, runs_off: int) -> None:
    """Print what changed, old and new, and how many runs keep their old answer."""
    from mainspring.insight.flags.flag_words import list_field_changes

    output, flag = invocation.output, changed.flag
    changes = list_field_changes(changed.before, flag, invocation.zone)

    def print_text() -> None:
        verb = "is created" if changed.before is None else "is changed" if changes else "is as it was"
        output.line(f"Flag {formatting.escape_line(flag.name)} {verb}{':' if changes else '.'}")
        for change in changes:
            output.line(f"  {change}")
        if flag.killed_at is not None:
            output.warn("the flag is killed, so all keys get the side off. End the kill: --resume")
        if runs_on or runs_off:
            output.line(f"Unfinished runs keep their answers: {runs_on:,} hold on, {runs_off:,} hold off.")

    document = {"flag": flag, "changes": changes, "runs_on": runs_on, "runs_off": runs_off}
    output.document(document, print_text)


def _warn_of_near_name(invocation: Invocation, name: str) -> None:
    """Print the name of a flag that is nearly that of the new one, which may be misspelled."""
    from mainspring.domain.errors import UnknownNameError
    from mainspring.store.read.flags import list_flags

    other_names = [flag.name for flag in list_flags(invocation.reader) if flag.name != name]
    nearest = UnknownNameError("flag", name, other_names).nearest
    if nearest is not None:
        word = formatting.shell_word(name)
        invocation.output.hint(
            f"There is a flag {nearest!r}, too. If you meant that: mainspring flags delete {word} -y"
        )


def _stop_runs(
    invocation: Invocation, name: str, verb: BulkVerb, number: int, document: dict[str, Any], act: "OperationContext"
) -> str | None:
    """Start the bulk operation after a confirmation. If there is none, the kill stays, and its document is printed."""
    from mainspring.service.flag import stop_runs_of_flag

    output = invocation.output
    if number:
        try:
            invocation.confirm(
                f"{verb.capitalize()} {formatting.format_count(f'{number:,}', 'run')} that hold the side on"
            )
        except (ConfirmationNeededError, DeclinedError):
            if output.is_json:
                output.json(document)
            raise
    stopped = stop_runs_of_flag(invocation.store, invocation.reads, invocation.reader, name, verb, act=act)
    if not output.is_json and stopped.bulk is not None:
        runs = formatting.format_count(f"{stopped.number:,}", "run")
        output.line(f"Bulk operation {stopped.bulk} {verb}s {runs}.")
        output.hint(f"Progress: mainspring bulk show {stopped.bulk}")
    if stopped.left:
        output.warn(f"{stopped.left:,} more hold the side on: repeat the command when this operation has ended")
    return stopped.bulk
