"""Upkeep of each secret, each minute: old versions are retired, the uses of a day get a digest, providers that are away are reported."""

from collections.abc import Callable

from mainspring.domain.clock import Clock
from mainspring.domain.errors import SecretProviderError
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.resources.secret_store import SecretStore
from mainspring.service.secret import DAY_MS, record_digest, retire_versions
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.status import status


class SecretUpkeep:
    """The upkeep of one process. Any number of processes may run it: a version is retired under the lock of its file."""

    def __init__(self, find_secrets: Callable[[], SecretStore], clock: Clock, *, is_listed_only: bool) -> None:
        self._find_secrets = find_secrets
        self._clock = clock
        self._is_listed_only = is_listed_only
        self._digest_day = 0
        """The last day for which this process asked for a digest."""

    def run(self, store: ProcessStore) -> None:
        """Run one round.

        Raises:
            ConfigError: a provider cannot be used here.
            SecretProviderError: a provider is away; its last known values are used meanwhile.
        """
        secrets, clock = self._find_secrets(), self._clock
        now = clock.now()
        if now // DAY_MS != self._digest_day or now % DAY_MS < DAY_MS // 24:
            record_digest(store, store.reader, now)
            self._digest_day = now // DAY_MS
        retire_versions(
            secrets, store, store.reader, clock, lambda automation, name: self._may_read(store, automation, name)
        )
        for address, outage in secrets.outages.items():
            names = f"; the last known value is used for {', '.join(outage.names)}" if outage.names else ""
            raise SecretProviderError(f"{address}: {outage.reason}{names}", transient=True)

    def _may_read(self, store: ProcessStore, automation: str, name: str) -> bool:
        """Return whether an automation may have read a secret, by the definition in the store."""
        views = status.automations(store.reader, automation)
        definition = read_definition(views[0]) if views else None
        allowed = None if definition is None else definition.option("secrets")
        if allowed is None:
            return not self._is_listed_only
        return name in allowed
