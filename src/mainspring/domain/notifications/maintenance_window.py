"""Maintenance windows: periods of expected problems. Notifications wait for the end; a page is sent at once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.incidents.incident_filter import IncidentAttributes, IncidentFilter, read_incident_filter
from mainspring.domain.time.cron import instant_of
from mainspring.domain.time.schedule import read_moment

_OBJECT = "a maintenance window"
_KEYS = ("from", "to", "match", "reason")


class MaintenanceWindow(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"begin": "from", "end": "to"}
):
    """A window that includes its start but not its end: dates and times of the project's zone, or with an offset of their own."""

    begin: str
    end: str
    match: IncidentFilter = IncidentFilter()
    reason: str = ""

    def ends_at(self, attributes: IncidentAttributes, zone: ZoneInfo, at: int) -> int | None:
        """Return when it ends, if an incident at the instant `at` falls into it."""
        if not self.match.fits(attributes) or not _instant(self.begin, zone) <= at < (end := _instant(self.end, zone)):
            return None
        return end


def read_maintenance_window(value: Any) -> MaintenanceWindow:
    """Return the maintenance window that is written.

    Raises:
        OptionError: a value cannot be used.
        UnknownNameError: no such key.
    """
    if not isinstance(value, Mapping):
        raise OptionError(f"{_OBJECT} must be a table", hint="Write [[notify.maintenance]] and its keys below.")
    for key in value:
        if key not in _KEYS:
            raise UnknownNameError(f"key of {_OBJECT}", key, _KEYS)
    if "from" not in value or "to" not in value:
        raise OptionError(
            f"{_OBJECT} lacks its start or its end", hint='from = "2026-11-01T22:00", to = "2026-11-02T02:00"'
        )
    window = MaintenanceWindow(
        begin=_read_moment(value["from"]),
        end=_read_moment(value["to"]),
        match=read_incident_filter(value.get("match", {}), _OBJECT),
        reason=str(value.get("reason", "")),
    )
    if _instant(window.begin, ZoneInfo("UTC")) >= _instant(window.end, ZoneInfo("UTC")):
        raise OptionError(f"{_OBJECT} ends before it begins: {window.begin} to {window.end}")
    return window


def _read_moment(value: Any) -> str:
    try:
        return read_moment(value)
    except OptionError as error:
        raise OptionError(error.message, hint='Write "2026-11-01T22:00".') from None


def _instant(moment: str, zone: ZoneInfo) -> int:
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None:
        return instant_of(read, zone)
    return round(read.astimezone(UTC).timestamp()) * 1_000
