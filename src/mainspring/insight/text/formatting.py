"""Formatting for people: states with their icon, outside text made safe, instants and spans in few characters."""

import shlex
import string
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from mainspring.domain.duration import format_rounded_duration
from mainspring.domain.states import RunState
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.time.rate import Rate
from mainspring.domain.values.plain_json import LATEST_INSTANT

if TYPE_CHECKING:
    from mainspring.domain.incidents.incident import Incident

ICONS: Final[dict[RunState, str]] = {
    RunState.QUEUED: "…",
    RunState.RUNNING: "▶",
    RunState.RETRYING: "↻",
    RunState.WAITING: "☐",
    RunState.PAUSED: "‖",
    RunState.NEEDS_ATTENTION: "!",
    RunState.SUCCEEDED: "✓",
    RunState.FAILED: "✗",
    RunState.CANCELLED: "–",  # noqa: RUF001 - the icon of the design
}
COLOURS: Final[dict[str, str]] = {
    RunState.QUEUED: "white",
    RunState.RUNNING: "cyan",
    RunState.RETRYING: "yellow",
    RunState.WAITING: "blue",
    RunState.PAUSED: "yellow",
    RunState.NEEDS_ATTENTION: "magenta",
    RunState.SUCCEEDED: "green",
    RunState.FAILED: "red",
    RunState.CANCELLED: "white",
}
_MIB, _GIB = 1024**2, 1024**3
GOOD, BAD, WARN = "✓", "✗", "!"

_UNSAFE_CHARACTERS = lazy_pattern("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

_AS_THEY_ARE: Final = frozenset((string.ascii_letters + string.digits + "/._-+=:,@%").encode())


def format_state(state: RunState) -> str:
    """Return icon and word of a state."""
    return f"{ICONS[state]} {state.value}"


def incident_automation(incident: "Incident") -> str:
    """Return the automation that an incident is about, "mainspring" for one about Mainspring itself."""
    return incident.subject.automation or "mainspring"


def escape_text(text: object) -> str:
    """Return outside text made safe for a terminal; printable text is unchanged."""
    plain = str(text)
    # Text that was escaped on arrival has no unsafe character and is not escaped again.
    return escape(plain) if _UNSAFE_CHARACTERS.search(plain) else plain


def escape_line(text: object, limit: int | None = None) -> str:
    """Return text on one line, safe for a terminal, cut to `limit` characters."""
    plain = str(text)
    head = plain if limit is None or len(plain) <= 8 * limit else plain[: 8 * limit]  # of a megabyte no more is read
    line = " ".join(escape_text(head).split())
    is_whole = limit is None or (head is plain and len(line) <= limit)
    return line if is_whole else line[: max(limit or 0, 1) - 1] + "…"


def format_span(ms: int) -> str:
    """Return a span in its two largest units, rounded: "850ms", "41s", "4m10s", "3d2h"."""
    return format_rounded_duration(ms)


def format_rate(count: int | None, per_ms: int | None) -> str:
    """Return a rate as it is written in the configuration: "60/m", "5/10s", "-" for none."""
    return str(Rate(count, timedelta(milliseconds=per_ms))) if count and per_ms else "-"


def format_distance(at: int | None, now: int) -> str:
    """Return an instant as seen from now, in two units: "3m20s ago", "in 2h", "-" for none."""
    if at is None:
        return "-"
    seconds = (abs(now - at) + 500) // 1_000
    if not seconds:
        return "now"
    return (
        f"{format_rounded_duration(seconds * 1_000)} ago"
        if at < now
        else f"in {format_rounded_duration(seconds * 1_000)}"
    )


def format_instant(at: int | None, zone: str = "UTC") -> str:
    """Return an instant on the clock of a zone, to the second: "2026-01-05 03:15:00"."""
    return "-" if at is None else _local_time(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def format_moment(at: int, now: int, zone: str = "UTC") -> str:
    """Return clock time and distance: "03:15:00 (in 12m)", with the date where it is another day."""
    pattern = "%H:%M:%S" if _local_time(at, zone).date() == _local_time(now, zone).date() else "%Y-%m-%d %H:%M:%S"
    return f"{_local_time(at, zone).strftime(pattern)} ({format_distance(at, now)})"


def format_clock_time(at: int, now: int, zone: str) -> str:
    """Return an instant to the minute on the clock of a zone, with its name: "14:00 UTC", with the date on another day."""
    pattern = "%H:%M" if _local_time(at, zone).date() == _local_time(now, zone).date() else "%Y-%m-%d %H:%M"
    return f"{_local_time(at, zone).strftime(pattern)} {zone}"


def format_count(number: object, noun: str, plural: str | None = None) -> str:
    """Return "1 run", "3 runs"."""
    return f"{number} {noun if str(number) == '1' else plural or noun + 's'}"


def status_head(count: int) -> str:
    """Return in a few words whether anything needs a person."""
    return "Healthy" if not count else format_count(count, "thing needs you", "things need you")


def format_share(share: float | None) -> str:
    """Return a share; 100 % and 0 % only for exact values; "-" for none."""
    if share is None:
        return "-"
    text = f"{share:.0%}" if share in (0, 1) else f"{min(max(share, 0.001), 0.999):.1%}"
    return text.replace("%", " %")


def format_bytes(size: int | None) -> str:
    """Return bytes in significant digits: "84 MiB", "1.2 GiB"; "-" for none."""
    if size is None:
        return "-"
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / _MIB:.0f} MiB"


def format_core_share(share: float | None) -> str:
    """Return the share of one core: "3 %", "170 %" for more than one; "-" for none."""
    return "-" if share is None else f"{share * 100:.0f} %"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _local_time(at: int, zone: str) -> datetime:
    """Return an instant on the clock of a zone; one beyond the calendar becomes its last instant."""
    return (_EPOCH + timedelta(milliseconds=min(at, LATEST_INSTANT))).astimezone(ZoneInfo(zone))


def shell_word(name: str | bytes) -> str:
    """Return a name as one word of a shell.

    What a line cannot show (controls, bidirectional marks, blanks in a row, bytes that are no text) is written as bytes in `$'...'`, which
    bash, zsh and ksh know.
    """
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "replace")
    if text.encode() == raw and text.isprintable() and escape_line(text) == text:
        return shlex.quote(text)
    coded = "".join(chr(byte) if byte in _AS_THEY_ARE else f"\\{byte:03o}" for byte in raw)
    return f"$'{coded}'"
