"""The record of uses of secrets by webhooks: each version that verified senders, once an hour for a webhook, not for each request."""

from contextlib import suppress

from mainspring.app.setup.process_log import process_name
from mainspring.domain.errors import ConfigError
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.resources.secret_store import SecretStore
from mainspring.web.webhooks.webhook_table import WebhookEntry

_HOUR_MS = 3_600_000


class SecretUseRecord:
    """The uses of one process. Any thread may call it."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._verified: dict[str, WebhookEntry] = {}
        """The webhooks that verified a sender since `take_new`, by trigger."""
        self._hour = -1
        self._recorded: set[SecretUse] = set()
        """The uses of this hour that were returned."""

    def note(self, hook: WebhookEntry) -> None:
        """Note that the secrets of a webhook verified a sender."""
        self._verified[hook.trigger] = hook

    def take_new(self, now: int) -> tuple[SecretUse, ...]:
        """Return the uses that are not on record in this hour. Blocking."""
        verified, self._verified = self._verified, {}
        if self._hour != now // _HOUR_MS:
            self._hour, self._recorded = now // _HOUR_MS, set()
        uses = {use for hook in verified.values() for use in self._list_uses(hook)} - self._recorded
        self._recorded |= uses
        return tuple(sorted(uses, key=lambda use: (use.automation, use.secret)))

    def _list_uses(self, hook: WebhookEntry) -> list[SecretUse]:
        automation, end = split_trigger_name(hook.trigger)
        uses = []
        for name in hook.webhook.verify.secrets:
            with suppress(ConfigError):  # another one of them verified the sender
                read = self._secrets.read(name)
                uses.append(
                    SecretUse(
                        secret=name,
                        version=read.version,
                        provider=read.provider,
                        actor=f"web {process_name()}",
                        automation=automation,
                        step=end,
                    )
                )
        return uses
