"""What the steps of a simulation did to the world, kept where no simulated crash reaches it."""

from collections import Counter
from typing import Any


class Effects:
    """`raw` counts applied effects by idempotency key, `committed` holds the keys whose outcome is in the store."""

    def __init__(self) -> None:
        self.raw: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.saved: Counter[str] = Counter()
        """The last checkpoint that a step heard was committed, by key."""
        self.started: Counter[str] = Counter()
        """The last one that a step began to save, by key: it may be committed."""
        self.at_most_once: set[str] = set()
        self.committed: set[str] = set()
        self.to_undo: set[str] = set()
        self.undone: set[str] = set()
        self.given: dict[str, set[str]] = {}
        """Idents whose result a person gave, by run: they may have a second outcome."""
        self.errors: list[str] = []

    def start(self, node: Any, key: str, attempt: int) -> None:
        """An attempt begins."""
        self.attempts[key] += 1
        if key in self.committed and not node.declared_dead:
            self.errors.append(
                f"a step whose outcome is committed was executed again: {key}, attempt {attempt}, on {node}"
            )

    def happens(self, key: str) -> None:
        """An effect is applied."""
        self.raw[key] += 1

    def check(self) -> list[str]:
        """Return what must not be."""
        twice = [
            f"an at-most-once effect was had {self.raw[key]} times: {key}"
            for key in self.at_most_once
            if self.raw[key] > 1
        ]
        return self.errors + twice
