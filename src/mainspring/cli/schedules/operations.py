"""Operations on schedules: `mainspring schedules create|change|pause|resume|delete`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.json_values import read_json_value
from mainspring.cli.lazy_group import command
from mainspring.cli.schedules.schedule_list import SCHEDULE
from mainspring.domain.errors import ArgumentError
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.service.schedule import SchedulingContext
    from mainspring.store.commands.results import ScheduleChanged

F = TypeVar("F", bound=Callable[..., Any])
_NOT_LEFT_OUT = "-"
_OPTIONS = (
    click.option("--cron", metavar="EXPRESSION", help="start times as five or six cron fields: '0 3 * * *'"),
    click.option("--every", metavar="SPAN", help="time between two starts: 15m"),
    click.option("--at", metavar="TIME", help="time of day (06:00), or date and time of one start (2030-12-24T18:00)"),
    click.option(
        "--tz", metavar="ZONE", help="time zone of --cron, --at and --calendar (default: that of the project)"
    ),
    click.option("--calendar", metavar="NAME", help="calendar with the days on which it starts"),
    click.option("--jitter", metavar="SPAN", help="span over which its starts are spread"),
    click.option("--misfire", metavar="POLICY", help="missed slots that start later: none, last, all or all:N"),
    click.option("--overlap", metavar="POLICY", help="a slot during a run of it: skip, queue, replace or allow"),
    click.option("--tag", "tags", metavar="NAME=VALUE", multiple=True, help="tags of its runs; repeatable"),
    click.option(
        "--input", "input_text", metavar="JSON", help="arguments of its runs by name: JSON, @FILE, or - for stdin"
    ),
)
_expected_option = click.option(
    "--expect-version",
    "expected",
    type=click.IntRange(1),
    metavar="VERSION",
    help="refuse the operation if the schedule has another version, as `schedules show` prints it",
)


def _add_schedule_options(function: F) -> F:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@command("create", "create a schedule that starts runs of an automation")
@click.argument("name", type=SCHEDULE)
@click.argument("automation", type=params.AUTOMATION)
@_add_schedule_options
@pass_invocation
def create(invocation: Invocation, /, name: str, automation: str, input_text: str | None, **options: Any) -> None:
    """State one of --cron, --every and --at. Its first slot is the next one from now on. Without --jitter, --misfire or --overlap, that
    of the automation counts.
    """
    from mainspring.service.schedule import create_schedule

    stated, arguments = _read_options(options), _read_input(input_text) or {}
    changed = create_schedule(make_context(invocation), name, automation, stated, arguments, act=invocation.act)
    _report(invocation, changed, "is created")


@command("change", "change the stated options of a schedule")
@click.argument("name", type=SCHEDULE)
@_add_schedule_options
@_expected_option
@pass_invocation
def change(invocation: Invocation, /, name: str, input_text: str | None, expected: int | None, **options: Any) -> None:
    """The value - clears an option: --jitter - . A new --cron, --every or --at takes the place of the time before, from now on: a slot that
    is due already is still made. --input replaces all arguments.
    """
    from mainspring.service.schedule import change_schedule

    stated, arguments = _read_options(options), _read_input(input_text)
    context = make_context(invocation)
    changed = change_schedule(context, name, stated, arguments, act=invocation.act, expected=expected)
    _report(invocation, changed, "is changed")


@command("pause", "pause a schedule: it starts no runs")
@click.argument("name", type=SCHEDULE)
@_expected_option
@pass_invocation
def pause(invocation: Invocation, name: str, expected: int | None) -> None:
    """Runs that exist continue. A schedule in code is paused with its automation: mainspring auto pause NAME."""
    from mainspring.service.schedule import pause_schedule

    changed = pause_schedule(make_context(invocation), name, act=invocation.act, expected=expected)
    _report(invocation, changed, "is paused", is_active=False)


@command("resume", "resume a paused schedule")
@click.argument("name", type=SCHEDULE)
@_expected_option
@pass_invocation
def resume(invocation: Invocation, name: str, expected: int | None) -> None:
    """Its --misfire policy decides on slots that were due during the pause."""
    from mainspring.service.schedule import resume_schedule

    changed = resume_schedule(make_context(invocation), name, act=invocation.act, expected=expected)
    _report(invocation, changed, "is resumed")


@command("delete", "delete a schedule; its history stays")
@click.argument("name", type=SCHEDULE)
@_expected_option
@pass_invocation
def delete(invocation: Invocation, name: str, expected: int | None) -> None:
    """It starts no more runs, and its silence is no incident. Runs that exist continue. Needs -y.

    The history stays: mainspring schedules history NAME
    """
    from mainspring.service.perform import was_performed
    from mainspring.service.schedule import delete_schedule

    if not was_performed(invocation.reads, invocation.act, "delete", f"schedule:{name}"):
        invocation.confirm(f"Delete schedule {name}: it starts no more runs")
    changed = delete_schedule(make_context(invocation), name, act=invocation.act, expected=expected)
    _report(invocation, changed, "is deleted", is_active=False)


def make_context(invocation: Invocation) -> "SchedulingContext":
    """Return what operations on schedules need."""
    from mainspring.app.setup.calendars import make_calendars
    from mainspring.service.schedule import SchedulingContext

    settings = invocation.settings
    calendars = make_calendars(settings.calendars, invocation.clock.now())
    return SchedulingContext(
        invocation.store, invocation.reader, invocation.sealing, calendars, settings.project.timezone
    )


def _read_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were stated; - clears one."""
    stated = {name: value for name, value in options.items() if value is not None and value != ()}
    for name, value in stated.items():
        if value in (_NOT_LEFT_OUT, (_NOT_LEFT_OUT,)):
            stated[name] = None
        elif name == "tags":
            stated[name] = list(value)
    return stated


def _read_input(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    arguments = read_json_value(text, "--input")
    if not isinstance(arguments, dict):
        raise ArgumentError(
            f"--input is no object: {formatting.escape_line(text, 80)}",
            hint='Write the arguments by name: --input \'{"account": "main"}\'',
        )
    return arguments


def _report(invocation: Invocation, changed: "ScheduleChanged", words: str, *, is_active: bool = True) -> None:
    """Print what was done, the old and new text, and the next slot."""
    now, zone = invocation.clock.now(), invocation.zone

    def print_text() -> None:
        output = invocation.output
        output.line(f"Schedule {formatting.escape_line(changed.name)} {words} (version {changed.version}).")
        if changed.before is not None and changed.before != changed.text:
            output.line(f"  before  {formatting.escape_line(changed.before)}")
        output.line(f"  when    {formatting.escape_line(changed.text)}")
        if is_active and changed.next_slot_at is not None:
            output.line(f"  next    {formatting.format_moment(changed.next_slot_at, now, zone)}")

    invocation.output.document(changed, print_text)
