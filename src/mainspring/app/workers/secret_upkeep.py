"""Upkeep of each secret, each minute: old versions are retired, the uses of a day get a digest, providers that are away are reported."""

from collections.abc import Callable

from mainspring.domain.clock import Clock
from mainspring.domain.errors import SecretProviderError
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.resources.secret_store import ProviderOutage, SecretStore
from mainspring.service.secret import last_settled_day, record_digest, retire_versions
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.rollouts import list_versions
from mainspring.store.read.status import status
from mainspring.store.schema.rollouts.automation_versions import AutomationVersion
from mainspring.store.views import AutomationView


class SecretUpkeep:
    """The upkeep of one process. Any number of processes may run it: a version is retired under the lock of its file."""

    def __init__(self, find_secrets: Callable[[], SecretStore], clock: Clock, *, is_listed_only: bool) -> None:
        self._find_secrets = find_secrets
        self._clock = clock
        self._is_listed_only = is_listed_only
        self._digest_day = 0
        """The last day for which this process requested a digest."""

    def run(self, store: ProcessStore) -> None:
        """Run one round.

        Raises:
            ConfigError: a provider cannot be used here.
            SecretProviderError: providers do not answer; their last known values are used until they do.
        """
        secrets, clock = self._find_secrets(), self._clock
        now = clock.now()
        day = last_settled_day(now)
        if day != self._digest_day:
            record_digest(store, store.reader, now)
            self._digest_day = day
        retire_versions(
            secrets,
            store,
            store.reader,
            clock,
            lambda automation, version, name: self._may_read(store, automation, version, name),
        )
        outages = [_describe(outage) for outage in secrets.outages.values()]
        if outages:
            raise SecretProviderError("; ".join(outages), transient=True)

    def _may_read(self, store: ProcessStore, automation: str, version: int, name: str) -> bool:
        """Return whether a version of an automation may have read a secret, by its definition in the store."""
        views: list[AutomationVersion | AutomationView] = [*status.automations(store.reader, automation)]
        views[:0] = [known for known in list_versions(store.reader, automation) if known.version == version]
        definition = read_definition(views[0]) if views else None
        allowed = None if definition is None else definition.option("secrets")
        if allowed is None:
            return not self._is_listed_only
        return name in allowed


def _describe(outage: ProviderOutage) -> str:
    names = f" (the last known value is used for {', '.join(outage.names)})" if outage.names else ""
    return f"{outage.reason}{names}"
