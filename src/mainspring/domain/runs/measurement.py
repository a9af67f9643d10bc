"""Measurements: numbers that the code of a step gives, committed with its outcome. Pure.

A step has one number under each name: the sum of what it measured. The number of a run is the sum over its steps, and over the runs that
it started.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.outbox import OutboxEntry
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern

MAX_NAMES = 100
"""The most names in one step."""
MAX_VALUE = 1e15
"""The greatest value, positive or negative, so that a sum over any number of steps stays finite."""

_NAME = lazy_pattern(r"[A-Za-z0-9_.-]{1,64}")


class Measurement(msgspec.Struct, frozen=True, tag="measurement"):
    """The number of a step under a name. A later one of the same attempt takes its place."""

    name: str
    value: float

    @property
    def id(self) -> str:
        """The same for each measurement of one name in an attempt."""
        return f"measurement {self.name}"


StepRecord = OutboxEntry | Measurement
"""A record of the code of a step: the commit of the outcome carries it."""


def check_measurement_name(name: str) -> None:
    """Do nothing if a measurement can have this name.

    Raises:
        ArgumentError: it is no text of 1 to 64 letters, digits, hyphens, dots and underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ArgumentError(
            f"{escape(repr(name), 80)} cannot be the name of a measurement",
            hint="Use 1 to 64 letters, digits, hyphens, dots and underscores, for example 'rows_loaded'.",
        )


def check_measured_value(name: str, value: float) -> None:
    """Do nothing if a measurement can have this value.

    Raises:
        ArgumentError: it is no int or float, not finite, or too large.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= MAX_VALUE:  # NaN compares as false
        raise ArgumentError(
            f"ms.measure({name!r}, {escape(repr(value), 60)}): expected a number between -1e15 and 1e15",
            hint="Pass an int or a float; convert other types first: ms.measure(name, float(value)). Use a larger unit for larger numbers.",
        )


def sum_measurements(steps: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the numbers of a run from those of its steps, by name. The order of the steps makes no difference."""
    values: dict[str, list[float]] = {}
    for numbers in steps:
        for name, value in numbers.items():
            values.setdefault(name, []).append(value)
    return {name: math.fsum(values[name]) for name in sorted(values)}
