"""Decide from an exception whether trying again can help."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a failure says about trying again."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one failure."""

    kind: Kind
    code: str
    retry_after: timedelta | None = None
    not_sent: bool = False


Rule = Callable[[BaseException], Verdict | None]


class Classifier:
    """The table."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)

    def classify(self, exc: BaseException, now: datetime | None = None) -> Verdict:
        """Return the verdict."""
        raise NotImplementedError

    def extended(self, rule: Rule) -> "Classifier":
        """Return a classifier that asks `rule` first."""
        return Classifier((rule, *self.rules))


def classify(exc: BaseException, now: datetime | None = None) -> Verdict:
    """Return the verdict of the table alone."""
    return Classifier().classify(exc, now)
