"""Derived keys of effects: those of calls without a key of the user, in one attempt of a step or inside of one outer effect."""

import itertools
from collections.abc import Iterator
from contextvars import ContextVar

from mainspring.domain.effects.earlier_effects import name_use, prefix_of_parts
from mainspring.domain.ids import derive_id, read_instant


class DerivedKeys:
    """The derived keys under one prefix; any thread may take the next one. `number` and `is_new` are those of an EffectScope.

    `id` = the idempotency key of the outer effect, "" for an attempt of a step.
    """

    __slots__ = ("_counts", "id", "is_new", "number", "prefix")

    def __init__(self, prefix: str, number: int, *, is_new: bool, id: str = "") -> None:
        self.prefix = prefix
        self.number = number
        self.is_new = is_new
        self.id = id
        self._counts: dict[str, Iterator[int]] = {}

    @classmethod
    def of_parts(cls, id: str, intent: int) -> "DerivedKeys":
        """Return the keys of the parts of an outer effect."""
        return cls(prefix_of_parts(id), intent, is_new=intent == 1, id=id)

    @property
    def has_parts(self) -> bool:
        """Whether a key was taken, or earlier calls may have taken one."""
        return bool(self._counts) or not self.is_new

    def next_key(self, action: str, identity: bytes) -> str:
        """Return the key of a call: what it does, and how often it was done before. `identity` is canonical JSON without known secrets."""
        name = name_use(action, identity)
        return f"{self.prefix}{name}.{next(self._counts.setdefault(name, itertools.count(1)))}"

    def derive_id(self, key: str) -> str | None:
        """Return the idempotency key of a part: it follows from that of the outer effect. None in a step: the ledger makes one."""
        return derive_id("e", read_instant(self.id), self.id, key) if self.id else None


RUNNING_EFFECT: ContextVar[DerivedKeys | None] = ContextVar("mainspring_effect", default=None)
"""The effect whose function runs now: its id, and the keys of its parts."""
