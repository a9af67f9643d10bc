"""The table of webhooks by path, built from the triggers in the store, so that it survives the worker that announced them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.triggers.trigger_cache import CachedTrigger


class WebhookEntry(NamedTuple):
    """One webhook, and its trigger."""

    known: CachedTrigger
    webhook: Webhook

    @property
    def trigger(self) -> str:
        """The name of the trigger."""
        return self.known.name


class WebhookTable:
    """The table. It is replaced as a whole, so that a request sees the old or the new one."""

    def __init__(self) -> None:
        self._by_path: dict[str, WebhookEntry] = {}
        self._unreadable: frozenset[str] = frozenset()
        self.is_read = False
        """Whether the store was read at least once: before that no path is known."""

    def replace(self, triggers: Iterable[CachedTrigger], unreadable: Iterable[str] = ()) -> None:
        """Replace the contents. `unreadable` = paths of webhooks that this process cannot read."""
        self._by_path = {
            trigger.path: WebhookEntry(trigger, trigger.trigger.source)
            for trigger in triggers
            if trigger.path is not None and isinstance(trigger.trigger.source, Webhook)
        }
        self._unreadable = frozenset(unreadable)
        self.is_read = True

    def find(self, path: str) -> WebhookEntry | None:
        """Return the webhook of exactly this path."""
        return self._by_path.get(path)

    def is_unreadable(self, path: str) -> bool:
        """Return whether a webhook that this process cannot read is at this path."""
        return path in self._unreadable

    def __iter__(self) -> Any:
        return iter(self._by_path.values())

    def __len__(self) -> int:
        return len(self._by_path)
