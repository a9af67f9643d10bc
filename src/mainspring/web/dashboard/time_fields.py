"""Time fields of filters and forms: spans from now, and dates and times in a zone."""

from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import OptionError
from mainspring.domain.time.cron import find_zone, instant_of, to_local
from mainspring.domain.time.schedule import read_moment
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.domain.values.plain_json import LATEST_INSTANT, format_iso
from mainspring.insight.automations.automation_list import zone_name_of
from mainspring.insight.text.typed_instants import HINT, parse_instant
from mainspring.web.api.call import ApiCall

Since = Literal["1h", "24h", "7d", "30d"]
"""How far back a list reaches: a word of its filter, so that a link to it stays valid."""
SPANS: Final[tuple[str, ...]] = get_args(Since)


def parse_past(call: ApiCall[Any, Any], text: str | None) -> datetime | None:
    """Return the start of a list: a span back from now, or a date and time in the project's zone; None = without a start.

    Raises:
        OptionError: it is neither.
    """
    if text is None:
        return None
    at = parse_instant(text, call.site.clock.now(), call.site.settings.project.timezone, back=True)
    return datetime.fromtimestamp(min(max(at, 0), LATEST_INSTANT) / 1000, UTC)


def list_time_errors(call: ApiCall[Any, Any]) -> dict[str, str]:
    """Return the errors in the fields `since` and `until` of a list, by field; each is shown next to its field."""
    errors = {}
    for name in ("since", "until"):
        try:
            parse_past(call, getattr(call.query, name))
        except OptionError as error:
            errors[name] = f"{error.message}. {error.hint}"
    return errors


def parse_future(call: ApiCall[Any, Any], text: str, field: str) -> datetime:
    """Return the end of something: a span from now, or a date and time in the project's zone.

    Raises:
        ArgumentMismatchError: it is neither, or too far in the future; it names the field.
    """
    try:
        at = parse_instant(text, call.site.clock.now(), call.site.settings.project.timezone, back=False)
    except OptionError as error:
        raise ArgumentMismatchError(error.message, hint=HINT, at=field) from None
    if not 0 <= at <= LATEST_INSTANT:
        raise ArgumentMismatchError(f"{text!r} is too far in the future", hint=HINT, at=field)
    return datetime.fromtimestamp(at / 1000, UTC)


def zone_of_automation(call: ApiCall[Any, Any], definition: Definition | None) -> str:
    """Return the zone in which times of an automation are displayed and typed."""
    return zone_name_of(definition, call.site.settings.project.timezone)


def parse_local_time(text: str, zone: str) -> str:
    """Return the instant (ISO 8601) of a date and time in a zone. Raises OptionError."""
    wall = datetime.fromisoformat(read_moment(text))
    return wall.isoformat() if wall.tzinfo is not None else format_iso(instant_of(wall, find_zone(zone)))


def format_time_field(at: int, zone: str) -> str:
    """Return an instant in the format of a form field, to the second."""
    return to_local(at, find_zone(zone)).strftime("%Y-%m-%dT%H:%M:%S")
