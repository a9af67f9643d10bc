"""Derived keys of effects: those of calls without a key of the user, in one attempt of a step or inside of one outer effect."""

import heapq
import threading
from contextvars import ContextVar

from mainspring.domain.effects.earlier_effects import name_use
from mainspring.domain.effects.effect import prefix_of_parts
from mainspring.domain.ids import derive_id, read_instant


class DerivedKeys:
    """The derived keys under one prefix; any thread may take the next one. `number` and `is_new` are those of an EffectScope.

    `id` = the idempotency key of the outer effect, "" for an attempt of a step. Code may call an action again that was not done: the
    second call has the key of the first one.
    """

    __slots__ = ("_counts", "_lock", "_returned", "conflict", "id", "is_new", "number", "prefix")

    def __init__(self, prefix: str, number: int, *, is_new: bool, id: str = "") -> None:
        self.prefix = prefix
        self.number = number
        self.is_new = is_new
        self.id = id
        self.conflict: BaseException | None = None
        """The last error of a call that was not performed, because it may be another one on record."""
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._returned: dict[str, list[int]] = {}
        """The numbers of calls that were not done, by what they do: the next such call has the lowest one."""

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
        name = self.prefix + name_use(action, identity)
        with self._lock:
            if returned := self._returned.get(name):
                return f"{name}.{heapq.heappop(returned)}"
            number = self._counts[name] = self._counts.get(name, 0) + 1
        return f"{name}.{number}"

    def return_key(self, key: str) -> None:
        """Let the next such call have this key: its effect is not done."""
        name, _, number = key.rpartition(".")
        with self._lock:
            heapq.heappush(self._returned.setdefault(name, []), int(number))

    def derive_id(self, key: str) -> str | None:
        """Return the idempotency key of a part: it follows from that of the outer effect. None in a step: the ledger makes one."""
        return derive_id("e", read_instant(self.id), self.id, key) if self.id else None


RUNNING_EFFECT: ContextVar[DerivedKeys | None] = ContextVar("mainspring_effect", default=None)
"""The effect whose function runs now: its id, and the keys of its parts."""
