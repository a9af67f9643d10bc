"""A crash point: the place in the history of a run at which a test kills the worker."""

import msgspec

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
