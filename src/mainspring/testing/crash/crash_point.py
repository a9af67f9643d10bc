"""A crash point: the place in the history of a run at which a test kills the worker."""

from typing import Self

import msgspec

from mainspring.domain.errors import OptionError

BEFORE_CALL, AFTER_RETURN = "before the call", "after the return"


class CrashPoint(msgspec.Struct, frozen=True, order=True):
    """`step` = its identity in the journal, "" for what the run itself does. `number` = 1 for the first time that this is passed."""

    automation: str
    step: str
    attempt: int
    phase: str
    number: int

    @property
    def text(self) -> str:
        """Text for a person, and for `--at`: "orders, charge, attempt 1, after the return"."""
        parts = [self.automation]
        if self.step:
            parts += [self.step, f"attempt {self.attempt}"]
        parts.append(self.phase)
        if self.number > 1:
            parts.append(f"number {self.number}")
        return ", ".join(parts)

    @classmethod
    def choose(cls, text: str, points: "list[Self]") -> "list[Self]":
        """Return the points that contain this text.

        Raises:
            OptionError: none does.
        """
        chosen = [point for point in points if point.text == text] or [point for point in points if text in point.text]
        if not chosen:
            examples = "\n".join(f"  {point.text}" for point in points[:20])
            raise OptionError(f"no crash point has {text!r}", hint=f"Crash points of this run:\n{examples}")
        return chosen
