"""Phrases for people: choices, and figures as in the first line of an incident."""

from collections.abc import Iterable, Mapping
from typing import Any

from mainspring.domain.duration import format_rounded_duration
from mainspring.domain.text.byte_size import UNITS


def format_span(ms: int) -> str:
    """Return a span in its two largest units, rounded: "1d2h", "4m10s", "850ms"; "0s" for none."""
    return format_rounded_duration(ms) if ms > 0 else "0s"


def format_bytes(size: float) -> str:
    """Return a size in its largest unit, as it is read: "20B", "1.9GB"."""
    for unit in ("TB", "GB", "MB", "kB"):
        if size >= UNITS[unit]:
            return f"{size / UNITS[unit]:.3g}{unit}"
    return f"{size:.0f}B"


def format_percent(share: float) -> str:
    """Return "35 %"."""
    return f"{share * 100:.0f} %"


def format_count(number: int, noun: str) -> str:
    """Return "1 run", "3 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_numbers(numbers: Mapping[str, float]) -> str:
    """Return "cost 12.5, rows 3,000": measured numbers by name, to six digits."""
    return ", ".join(f"{name} {value:,.6g}" for name, value in numbers.items())


def join_choices(words: Iterable[str]) -> str:
    """Return "a, b or c" of one or more words."""
    *first_words, last = words
    return f"{', '.join(first_words)} or {last}" if first_words else last


def format_metric(name: str, value: Any) -> str:
    """Return a figure of a monitor as text, by the unit in its name; instants need a caller that knows a time zone."""
    if value is None:
        return "-"
    if name.endswith("_ms"):
        return format_span(value)
    if name.endswith("_bytes"):
        return format_bytes(value)
    return format_percent(value) if name.endswith("_share") else str(value)
