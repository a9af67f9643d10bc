"""Options of a schedule that a person or program creates: read, merged with a change, and turned into a schedule. Pure.

They have the names and values of the options of a definition. What is left out of `jitter`, `misfire` and `overlap` is that of the
automation.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.definitions.definition import Definition, build_schedules
from mainspring.domain.definitions.options import OPTIONS, DefinitionKind, parse_options
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.escaping import is_plain_line
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule

_TIMES: Final = ("cron", "every", "at")
POLICIES: Final = ("jitter", "misfire", "overlap")
"""Options that replace those of the automation."""
SCHEDULE_OPTIONS: Final = (*_TIMES, "tz", "calendar", *POLICIES, "tags")
"""Options of one schedule, in the order in which they are shown."""
LONGEST_NAME: Final = 200
"""Characters."""


def check_schedule_name(name: str) -> str:
    """Return the name of a schedule to create. Raises OptionError."""
    if not isinstance(name, str) or not name.strip() or not is_plain_line(name) or name != name.strip():
        raise OptionError(
            f"{name!r} cannot be the name of a schedule",
            hint="Use printable characters in one line, such as acme-report.",
        )
    if "#" in name or len(name) > LONGEST_NAME:
        raise OptionError(
            f"schedule {name[:80]!r}: a name has no # and at most {LONGEST_NAME} characters",
            hint="Names with # are those of schedules in code. Use for example acme-report.",
        )
    return name


def read_schedule_options(stated: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return stated options as canonical data; a value None (cleared by a change) stays.

    Raises:
        UnknownNameError: a name is no option of a schedule.
        OptionError: a value cannot be used. Names the option and the schedule.
    """
    for option in stated:
        if option not in SCHEDULE_OPTIONS:
            raise UnknownNameError(f"option of schedule {name!r}:", option, SCHEDULE_OPTIONS)
    parsed = parse_options(DefinitionKind.TASK, stated, f"schedule {name!r}")
    return {option: parsed.get(option) for option in SCHEDULE_OPTIONS if option in stated}


def merge_options(before: Mapping[str, Any], stated: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """Return the options after a change, without those that are left out. `zone` = the time zone of a schedule that states none.

    A new cron, every or at takes the place of the time before.
    """
    merged = {**before, **stated}
    if any(stated.get(time) is not None for time in _TIMES):
        merged |= {time: stated.get(time) for time in _TIMES}
    is_elapsed = merged.get("every") is not None and merged.get("calendar") is None
    if is_elapsed and stated.get("tz") is None:
        merged["tz"] = None
    elif not is_elapsed and merged.get("tz") is None:
        merged["tz"] = zone
    return {option: merged[option] for option in SCHEDULE_OPTIONS if merged.get(option) is not None}


def make_schedule(name: str, options: Mapping[str, Any], calendar: Calendar | None) -> Schedule:
    """Return the schedule of canonical options; `calendar` = the one that they name, with its dates.

    Raises:
        OptionError: not exactly one time is stated, or it never comes.
    """
    try:
        schedules = build_schedules(options, name, calendar=calendar)
    except (OptionError, UnknownNameError) as error:
        raise OptionError(f"schedule {name!r}: {error.message}", hint=error.hint) from None
    if len(schedules) != 1:
        raise OptionError(
            f"schedule {name!r} states {len(schedules) or 'none'} of cron, every and at (expected one)",
            hint='Write cron="0 3 * * *", every="15m" or at="2030-12-24T18:00". For more times create more schedules.',
        )
    return schedules[0]


def resolve_policies(options: Mapping[str, Any], definition_options: Mapping[str, Any]) -> dict[str, Any]:
    """Return jitter, misfire and overlap of a schedule: its own, else those of its automation, else the defaults."""
    return {
        name: options.get(name, definition_options.get(name, OPTIONS[name].default))  # a stated option is never None
        for name in POLICIES
    }


def apply_schedule_options(definition: Definition, options: Mapping[str, Any]) -> Definition:
    """Return the definition for runs of a created schedule: with its options in place of those of the automation, and its tags.

    Its runs are about the schedule: the next success of the same schedule makes a failure healthy.
    """
    policies = resolve_policies(options, definition.options)
    tags = {**definition.option("tags"), **options.get("tags", {})}
    return msgspec.structs.replace(
        definition, options={"healthy": "item", **definition.options, **policies, "tags": tags}
    )


def describe_options(schedule: Schedule, options: Mapping[str, Any]) -> str:
    """Return a schedule in words: "every day at 03:00 (Europe/Berlin); jitter 5m; overlap queue"."""
    parts = [schedule.describe(), *(f"{name} {options[name]}" for name in POLICIES if name in options)]
    if options.get("tags"):
        parts.append("tags " + ", ".join(f"{key}={value}" if value else key for key, value in options["tags"].items()))
    return "; ".join(parts)
