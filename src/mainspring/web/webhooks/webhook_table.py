"""The webhooks that are taken in, by path: made of the triggers in the store, so that they outlive the worker that announced them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.triggers.trigger_cache import CachedTrigger


class WebhookEntry(NamedTuple):
    """One webhook, and the trigger that it is the source of."""

    known: CachedTrigger
    webhook: Webhook

    @property
    def trigger(self) -> str:
        """The name of the trigger."""
        return self.known.name


class WebhookTable:
    """Replaced as a whole, so that a request sees the one or the other."""

    def __init__(self) -> None:
        self._by_path: dict[str, WebhookEntry] = {}
        self._unreadable: frozenset[str] = frozenset()
        self.is_read = False
        """Whether the store has told them at least once: before that nobody knows which paths there are."""

    def take(self, known: Iterable[CachedTrigger], unreadable: Iterable[str] = ()) -> None:
        """Take what the store holds now. `unreadable` = paths of webhooks that this process does not understand."""
        self._by_path = {
            one.path: WebhookEntry(one, one.trigger.source)
            for one in known
            if one.path is not None and isinstance(one.trigger.source, Webhook)
        }
        self._unreadable = frozenset(unreadable)
        self.is_read = True

    def find(self, path: str) -> WebhookEntry | None:
        """Return the webhook of exactly this path."""
        return self._by_path.get(path)

    def is_unreadable(self, path: str) -> bool:
        """Whether something is at this path that this process does not understand."""
        return path in self._unreadable

    def __iter__(self) -> Any:
        return iter(self._by_path.values())

    def __len__(self) -> int:
        return len(self._by_path)
