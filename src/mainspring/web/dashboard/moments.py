"""Times that are typed into forms: on the clock of an automation's zone, as browsers write them."""

from datetime import datetime
from typing import Any

from mainspring.domain.cron import instant_of, to_local, zone_of
from mainspring.domain.definition import Definition
from mainspring.domain.plain import iso
from mainspring.domain.schedule import read_moment
from mainspring.web.api.call import Call


def zone_for(call: Call[Any, Any], definition: Definition) -> str:
    """Return the zone in which times of an automation are typed: that of its schedule, else the project's."""
    found: str | None = definition.schedules[0].tz if definition.schedules else definition.option("tz")
    return found or call.site.settings.project.timezone


def typed_moment(text: str, zone: str) -> str:
    """Return the instant (ISO 8601) of a date and time in a zone. Raises OptionError."""
    wall = datetime.fromisoformat(read_moment(text))
    return wall.isoformat() if wall.tzinfo is not None else iso(instant_of(wall, zone_of(zone)))


def clock_text(at: int, zone: str) -> str:
    """Return an instant as a field of a form has it, to the second."""
    return to_local(at, zone_of(zone)).strftime("%Y-%m-%dT%H:%M:%S")
