"""The base of all commands: a command carries the type of its answer.

`submit`, `apply` and `commit_and_wait` return what the class of the command declares, and a handler is registered only
if it returns that. The parameter costs nothing at run time: it is no field.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar, cast

import msgspec

Answer_co = TypeVar("Answer_co", covariant=True)
Answer = TypeVar("Answer")
Tx = TypeVar("Tx")


class StoreCommand(msgspec.Struct, Generic[Answer_co], frozen=True):
    """One change of state, as a value; a handler answers it with an `Answer_co`.

    A command that can be rejected has `Refused` in its answer type: `StoreCommand[StartAnswer | Refused]`.
    """

    def accepts_input(self) -> bool:
        """Whether it accepts input or a decision that would be lost with its commit: a run, a delivery, a person's choice."""
        return True

    def is_evidence(self) -> bool:
        """Whether it only reports what has happened outside, so that a session that was declared dead may write it, too."""
        return False

    @classmethod
    def answered_by(
        cls, handler: Callable[[Tx, Self], Answer_co]
    ) -> "tuple[type[StoreCommand[object]], Callable[[Tx, StoreCommand[object]], object]]":
        """Return the entry of this command in a table of handlers; the types of command and answer are compared here."""
        return cls, cast("Callable[[Tx, StoreCommand[object]], object]", handler)

    @classmethod
    def batched_by(
        cls, answer: Callable[[Tx, list[Self]], Sequence[Answer_co | None]]
    ) -> Callable[[Tx, list[Self]], Sequence[object]]:
        """Return the function, which answers many commands at once (None = the handler must answer); compares types."""
        return answer


class BookkeepingCommand(StoreCommand[Answer_co], frozen=True):
    """A command that any process can create again after its commit was lost."""

    def accepts_input(self) -> bool:
        """Return False."""
        return False


class PersonalCommand(BookkeepingCommand[Answer_co], frozen=True):
    """A command of a person that decides nothing about runs."""
