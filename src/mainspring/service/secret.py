"""Operations on a secret: each is an audit row without the value. Retirement of old versions, and the digest of the uses of a day."""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError, OptionError
from mainspring.integrations.base.secret_provider import RotatingProvider
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.perform import perform
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.secrets import RecordSecretOperation
from mainspring.store.read.secret_uses import MOST_OF_A_DAY, list_old_attempts, list_secret_uses
from mainspring.store.schema.processes.secret_uses import SecretUseCount

MIN_LENGTH = 8
"""Characters of a secret that every form of output hides."""
DAY_MS = 86_400_000
_SETTLE_MS = 600_000
"""After the end of a day, until no commit of that day can come any more."""
_UPKEEP = Actor("upkeep", "secrets")


def check_new_value(value: str, *, may_be_short: bool) -> str:
    """Return a new value if it can be a secret. Raises OptionError, which does not repeat it."""
    if not value.strip():
        raise OptionError(
            "the value is empty", hint="Write it at the prompt, or pipe it: printf %s VALUE | mainspring ..."
        )
    if "\0" in value:
        raise OptionError("the value has a NUL character, which no variable and no header can have")
    if len(value) < MIN_LENGTH and not may_be_short:
        raise OptionError(
            f"the value has {len(value)} characters, and only secrets of {MIN_LENGTH} or more are masked in every form of output",
            hint="Use a longer secret, or add --short.",
        )
    return value


def choose_provider(secrets: SecretStore, name: str, address: str | None = None) -> ProviderEntry:
    """Return the provider that stores a secret: `address`, the one that has it, or the first that can.

    Raises:
        OptionError: the project has no provider of this address.
        ConfigError: none can store it, or a provider cannot be read.
    """
    if address is not None:
        for entry in secrets.entries:
            if address in (entry.provider.name, entry.provider.name.partition(":")[0]):
                return entry
        known = ", ".join(entry.provider.name for entry in secrets.entries)
        raise OptionError(f"{address!r} is no provider of this project", hint=f"Its providers: {known}")
    for entry in secrets.entries:
        if entry.provider.read(name) is not None:
            return entry
    writable = [entry for entry in secrets.entries if not entry.provider.name.startswith("env:")]
    rotating = [entry for entry in writable if isinstance(entry.provider, RotatingProvider)]
    if not writable:
        raise ConfigError("no provider of this project can store a secret", hint="Create one: mainspring secrets init")
    return (rotating or writable)[0]


def record_operation(
    store: Store, verb: str, name: str, *, act: OperationContext, detail: Mapping[str, object] | None = None
) -> None:
    """Record an operation of a person on a secret."""
    perform(store, act, verb, f"secret:{name}", RecordSecretOperation(), detail)


def retire_versions(
    secrets: SecretStore,
    store: Store,
    reader: StoreReader,
    clock: Clock,
    may_read: Callable[[str, int, str], bool],
) -> list[str]:
    """Delete the versions whose grace time is over and that no running attempt can have; return them as NAME VERSION.

    `may_read(automation, version, secret)` = whether this version of the automation may have read it.
    """
    retired: list[str] = []
    now = clock.now()
    for entry in secrets.entries:
        provider = entry.provider
        if not isinstance(provider, RotatingProvider):
            continue
        for name in provider.list_names() or ():
            current, *older = provider.live_versions(name)
            over = [item for item in older if item.retired_at is not None and item.retired_at <= now]
            if not over or any(
                may_read(automation, version, name)
                for automation, version in list_old_attempts(reader, current.written_at)
            ):
                continue
            for version in provider.retire(name):
                act = operation_context(_UPKEEP, clock)
                record_operation(store, "retire", name, act=act, detail={"version": version, "provider": provider.name})
                retired.append(f"{name} {version}")
    return retired


def hash_uses(uses: list[SecretUseCount]) -> str:
    """Return the digest of the uses of a day, in their order."""
    return hashlib.sha256(msgspec.json.encode(uses)).hexdigest()


def last_settled_day(now: int) -> int:
    """Return the number of the last day whose uses are complete."""
    return (now - _SETTLE_MS) // DAY_MS - 1


def record_digest(store: Store, reader: StoreReader, now: int) -> str | None:
    """Record the digest of the uses of the last complete day, if there were any; the second call of a day changes nothing."""
    day = last_settled_day(now)
    from_at = day * DAY_MS
    uses = list(list_secret_uses(reader, None, from_at, from_at + DAY_MS, MOST_OF_A_DAY))
    if not uses:
        return None
    digest = hash_uses(uses)
    act = OperationContext(_UPKEEP, None, f"secret-uses:{day}")
    detail = {"from_at": from_at, "rows": len(uses), "sha256": digest}
    perform(store, act, "digest", "secrets:uses", RecordSecretOperation(), detail)
    return digest
