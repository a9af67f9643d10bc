"""Secrets of running attempts: which of them an automation may read, and the record of what it read.

Invariant: a name that the automation may not read is refused before any provider is asked.
"""

from collections.abc import Callable

from mainspring.domain.secrets.errors import SecretNotAllowedError
from mainspring.domain.secrets.secret_use import SecretRead, SecretUse
from mainspring.resources.secret_store import SecretStore

AllowList = Callable[[str, int], frozenset[str] | None]
"""Returns the names that a version of an automation lists in its option secrets=; None if it has no such option."""


class AttemptSecrets:
    """The secrets of a worker's attempts. `actor` = the name of the worker. `is_listed_only` = no list means no secret."""

    def __init__(self, store: SecretStore, allow_list: AllowList, actor: str, *, is_listed_only: bool = False) -> None:
        self._store = store
        self._allow_list = allow_list
        self._actor = actor
        self._is_listed_only = is_listed_only

    def read(self, name: str, automation: str, version: int = 1, *, instead_of: str | None = None) -> SecretRead:
        """Return a secret for a version of an automation. Any thread may call it.

        Raises:
            SecretNotAllowedError: the automation may not read it.
            UnknownSecretError, SecretProviderError, ConfigError: it cannot be read.
        """
        allowed = self._allow_list(automation, version)
        if name not in allowed if allowed is not None else self._is_listed_only:
            raise SecretNotAllowedError(name, automation, allowed)
        return self._store.read(name, instead_of=instead_of)

    def make_use(self, name: str, read: SecretRead, automation: str, step: str) -> SecretUse:
        """Return the record of a use."""
        return SecretUse(
            secret=name,
            version=read.version,
            provider=read.provider,
            actor=self._actor,
            automation=automation,
            step=step,
        )
