"""The secret store: secrets by name, from a chain of providers.

Definitions, the store and every message contain names only. A value is read when it is needed, so that a replaced one counts from the next
read on. The first provider that has the name wins. A local provider is read each time; the answer of one on a server counts for a while,
and longer if that server does not answer.
Invariants: no value is part of an error or of a repr; each value that was returned is hidden (`known_secrets`); while a provider is away
and has no last answer, the providers after it are not asked.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.errors import ConfigError, SecretProviderError
from mainspring.domain.redaction.secret_name import secret_variable_name
from mainspring.domain.secrets.errors import UnknownSecretError, require_secret_name
from mainspring.domain.secrets.secret_use import SecretRead
from mainspring.integrations.base.secret_provider import SecretProvider, SecretValue
from mainspring.integrations.secret_providers import ProviderPlace, open_providers
from mainspring.resources.known_secrets import KNOWN_SECRETS

CACHE_MS = 5 * 60_000
OUTAGE_LIMIT_MS = 24 * 3_600_000
_PAUSE_MS = 5_000
"""During an outage with a last known value, the provider is asked again this often."""
_OUTAGE_KNOWN_MS = 10 * 60_000
_SETUP_PLACE = "a file of this name in the folder that secrets.dir names"


class ProviderEntry(msgspec.Struct, frozen=True):
    """A provider of the chain. `is_local` = it is read each time."""

    provider: SecretProvider
    is_local: bool


class ProviderOutage(msgspec.Struct, frozen=True):
    """A provider that does not answer: since when, when it was tried last, why, and which last known values are used."""

    since_at: int
    tried_at: int
    reason: str
    names: tuple[str, ...]


class _CachedAnswer(msgspec.Struct):
    """The last answer of a provider, None = it has no such secret; `retry_at` = when to ask again."""

    value: SecretValue | None
    read_at: int
    retry_at: int


class SecretStore:
    """The secrets of one process. Any thread may read. `cache_ms` and `outage_limit_ms` are for providers on servers."""

    def __init__(
        self,
        entries: Sequence[ProviderEntry],
        *,
        clock: Clock | None = None,
        cache_ms: int = CACHE_MS,
        outage_limit_ms: int = OUTAGE_LIMIT_MS,
    ) -> None:
        self.entries = tuple(entries)
        self._clock = clock or SystemClock()
        self._cache_ms = cache_ms
        self._outage_limit_ms = outage_limit_ms
        self._cached: dict[tuple[int, str], _CachedAnswer] = {}
        self._failures: dict[tuple[int, str], SecretProviderError] = {}
        """The last request, if it failed and no last known value was used."""
        self._locks: dict[tuple[int, str], threading.Lock] = {}
        self._guard = threading.Lock()
        self._outages: dict[str, ProviderOutage] = {}

    @classmethod
    def of(cls, folder: Path | None, env: Mapping[str, str]) -> "SecretStore":
        """Return the secrets of variables, and of the files in a folder (None: there are no files)."""
        KNOWN_SECRETS.add_variables(env)
        place = ProviderPlace(Path(), env, SystemClock().now)
        addresses = ["env:"] if folder is None else ["env:", f"dir:{folder}"]
        return cls([ProviderEntry(provider, is_local=True) for provider in open_providers(addresses, place)])

    def __repr__(self) -> str:
        return f"<Secrets of {', '.join(entry.provider.name for entry in self.entries)}>"

    @property
    def may_block(self) -> bool:
        """Whether a read may wait for a server, so that an event loop reads in a thread."""
        return not all(entry.is_local for entry in self.entries)

    def get(self, name: str) -> str:
        """Return the value of a secret, as `read` does."""
        return self.read(name).value

    def read(self, name: str, *, instead_of: str | None = None) -> SecretRead:
        """Return the secret. `instead_of` = a value that a target refused: it is read again past the cache.

        Raises:
            UnknownSecretError: no provider has it.
            SecretProviderError: a provider does not answer, or its secret cannot be used.
            ConfigError: it is not a valid name.
        """
        entry, value = self._find(require_secret_name(name), instead_of)
        KNOWN_SECRETS.add([value.value] if value.previous is None else [value.value, value.previous])
        return SecretRead(value.value, value.version, entry.provider.name)

    def lines(self, name: str) -> tuple[str, ...]:
        """Return all live values of a secret: one a line, and those of the version before, as during a rotation. Raises as `read` does."""
        _, value = self._find(require_secret_name(name), None)
        values = [value.value, *([] if value.previous is None else [value.previous])]
        KNOWN_SECRETS.add(values)
        return tuple(dict.fromkeys(line.strip() for text in values for line in text.splitlines() if line.strip()))

    def hide_all(self) -> None:
        """Read every secret of local providers, so that this process hides each. What it cannot read, it cannot disclose."""
        for entry in self.entries:
            if not entry.is_local:
                continue
            with suppress(ConfigError):
                for name in entry.provider.list_names() or ():
                    with suppress(ConfigError):
                        self.read(name)

    def known_names(self) -> list[str]:
        """Return the names that local providers list, and those that were read from others."""
        names = {name for (_, name), cached in tuple(self._cached.items()) if cached.value is not None}
        for entry in self.entries:
            if entry.is_local:
                with suppress(ConfigError):
                    names.update(entry.provider.list_names() or ())
        return sorted(names)

    @property
    def outages(self) -> dict[str, ProviderOutage]:
        """The providers that do not answer, by their address. One that was not tried for some minutes may be back, and is left out."""
        from_at = self._clock.now() - _OUTAGE_KNOWN_MS
        return {address: outage for address, outage in self._outages.copy().items() if outage.tried_at >= from_at}

    def close(self) -> None:
        """Close the connections of all providers."""
        for entry in self.entries:
            entry.provider.close()

    def _find(self, name: str, instead_of: str | None) -> tuple[ProviderEntry, SecretValue]:
        for number, entry in enumerate(self.entries):
            provider = entry.provider
            value = provider.read(name) if entry.is_local else self._read_cached(number, provider, name, instead_of)
            if value is not None:
                return entry, value
        raise UnknownSecretError(name, self._names_to_compare(), self._suggest_setup(name))

    def _names_to_compare(self) -> list[str]:
        """Return all names that providers list, for the nearest one in an error. It may take a request to each server."""
        names = set(self.known_names())
        for entry in self.entries:
            if not entry.is_local:
                with suppress(ConfigError):
                    names.update(entry.provider.list_names() or ())
        return sorted(names)

    def _read_cached(
        self, number: int, provider: SecretProvider, name: str, instead_of: str | None
    ) -> SecretValue | None:
        """Return the answer of a provider on a server, at most one request at a time for each name."""
        key, now = (number, name), self._clock.now()
        cached, failed = self._cached.get(key), self._failures.get(key)
        is_current = cached is not None and cached.read_at <= now < cached.retry_at  # the clock may be put back
        if cached is not None and is_current and not _is_refused(cached.value, instead_of):
            return cached.value
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            newest = self._cached.get(key)
            is_news = newest is not None and newest is not cached and not _is_refused(newest.value, instead_of)
            if newest is not None and is_news:
                return newest.value
            failure = self._failures.get(key)
            if failure is not None and failure is not failed:  # of a thread before this one: no time-out for each
                raise SecretProviderError(failure.message, hint=failure.hint, transient=failure.transient)
            return self._request(key, provider, newest)

    def _request(
        self, key: tuple[int, str], provider: SecretProvider, last: _CachedAnswer | None
    ) -> SecretValue | None:
        try:
            value = provider.read(key[1])
        except SecretProviderError as error:
            now = self._clock.now()
            if not error.transient or last is None or not self._is_usable(last, now):
                self._failures[key] = error
                if error.transient:
                    self._note_outage(provider, error, ())
                raise
            self._note_outage(provider, error, (key[1],))
            self._cached[key] = _CachedAnswer(last.value, last.read_at, now + _PAUSE_MS)
            return last.value
        now = self._clock.now()
        self._outages.pop(provider.name, None)
        self._failures.pop(key, None)
        retry_at = now + self._cache_ms
        if value is not None and value.expires_at is not None:
            retry_at = min(retry_at, value.expires_at)
        self._cached[key] = _CachedAnswer(value, now, retry_at)
        return value

    def _is_usable(self, last: _CachedAnswer, now: int) -> bool:
        """Return whether a last known answer counts during an outage."""
        expires_at = None if last.value is None else last.value.expires_at
        return 0 <= now - last.read_at <= self._outage_limit_ms and (expires_at is None or now < expires_at)

    def _note_outage(self, provider: SecretProvider, error: SecretProviderError, names: tuple[str, ...]) -> None:
        now, before = self._clock.now(), self.outages.get(provider.name)
        since_at = now if before is None else before.since_at
        known = () if before is None else before.names
        self._outages[provider.name] = ProviderOutage(since_at, now, error.message, tuple(sorted({*known, *names})))

    def _suggest_setup(self, name: str) -> str:
        places: dict[str, None] = {}
        for entry in self.entries:
            scheme, _, path = entry.provider.name.partition(":")
            if scheme == "env":
                places[f"set {secret_variable_name(name)}"] = None
            elif scheme == "dir":
                places[f"write it to {Path(path) / name} (chmod 600)"] = None
            else:
                places[f"run: mainspring secrets set {name}"] = None
        if all(entry.provider.name.startswith("env:") for entry in self.entries):
            places[f"write it to {_SETUP_PLACE} (chmod 600)"] = None
        text = ", or ".join(places)
        return f"{text[0].upper()}{text[1:]}."


def _is_refused(value: SecretValue | None, instead_of: str | None) -> bool:
    """Return whether a cached answer is the value that a target refused."""
    return instead_of is not None and (value is None or value.value == instead_of)
