"""Watched measurement: a number that the guard of a rollout compares because a person named it. Pure."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.runs.measurement import check_measurement_name
from mainspring.domain.text.escaping import escape

MAX_WATCHED = 10
"""Each takes a part of the error budget, so more of them find less."""
QUANTILES = (50, 95)
"""The percentiles of the old version with which each number is compared."""


class WorseDirection(StrEnum):
    """The direction in which a number gets worse."""

    HIGHER = "higher"
    LOWER = "lower"


class WatchedMeasurement(msgspec.Struct, frozen=True):
    """A name of `ms.measure`, and the direction in which its numbers get worse."""

    name: str
    worse: WorseDirection = WorseDirection.HIGHER

    def __str__(self) -> str:
        """The text that `parse_watched` reads."""
        return self.name if self.worse is WorseDirection.HIGHER else f"{self.name}:{self.worse}"

    def name_metric(self, percent: int) -> str:
        """Return the metric that compares its numbers with a percentile of the old version."""
        return f"measure.{self.name}.p{percent}"

    @property
    def missing_metric(self) -> str:
        """The metric of the runs that succeeded without measuring it: a version that stops measuring must not pass."""
        return f"measure.{self.name}.missing"

    def list_metrics(self) -> dict[str, str]:
        """Return its metrics, each with a text for a run that is bad in it."""
        side = "above" if self.worse is WorseDirection.HIGHER else "below"
        median, high = QUANTILES
        return {
            self.name_metric(median): f"{self.name} {side} the old median",
            self.name_metric(high): f"{self.name} {side} {high} % of the old runs",
            self.missing_metric: f"no measured {self.name}",
        }


def parse_watched(texts: Sequence[str]) -> tuple[WatchedMeasurement, ...]:
    """Return the measurements that texts such as "cost" and "score:lower" name. Without a direction, higher numbers are worse.

    Raises:
        OptionError: a direction is unknown, a name stands twice, or there are too many.
        ArgumentError: a name cannot be that of a measurement.
    """
    watched = []
    for text in texts:
        name, _, direction = text.partition(":")
        check_measurement_name(name)
        if direction not in ("", *WorseDirection):
            raise OptionError(
                f"{escape(repr(text), 80)}: a number is worse if it is higher or lower",
                hint=f"Write --watch {name}:higher or --watch {name}:lower.",
            )
        watched.append(WatchedMeasurement(name, WorseDirection(direction or WorseDirection.HIGHER)))
    names = [measurement.name for measurement in watched]
    if len(names) != len(set(names)):
        raise OptionError("a measurement is watched twice", hint="Name each one once: --watch NAME.")
    if len(names) > MAX_WATCHED:
        raise OptionError(
            f"a rollout watches at most {MAX_WATCHED} measurements, got {len(names)}",
            hint="Watch the few that decide: each takes a part of the error budget.",
        )
    return tuple(watched)
