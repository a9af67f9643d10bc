"""The list of secrets: names, providers, versions and uses, for people. It returns no value, and reads none from a server."""

from collections.abc import Mapping

import msgspec

from mainspring.domain.errors import ConfigError
from mainspring.integrations.base.secret_provider import LiveVersion, RotatingProvider, SecretProvider
from mainspring.resources.secret_store import SecretStore
from mainspring.store.base import StoreReader
from mainspring.store.read.secret_uses import LastSecretUse, list_last_uses

_USES_MS = 90 * 86_400_000
_OLD_MS = 365 * 86_400_000
"""A secret that was not changed for this long should be rotated."""


class SecretLine(msgspec.Struct, frozen=True):
    """A secret in a list. `version` "" = not known; `older` = the version before, until `older_until_at` or while attempts have it.

    `last_used_by` = the step, program or part that used it last. `hint` = what a person should do.
    """

    name: str
    provider: str
    version: str = ""
    changed_at: int | None = None
    older: str | None = None
    older_until_at: int | None = None
    last_used_at: int | None = None
    last_used_by: str | None = None
    due: str | None = None
    hint: str | None = None


def list_secrets(
    secrets: SecretStore, reader: StoreReader | None, due: Mapping[str, str], now: int, *, is_local_only: bool = False
) -> tuple[list[SecretLine], list[str]]:
    """Return the secrets of all providers that can list them, by name, and what prevents a provider from doing so.

    With `is_local_only`, no server is asked; secrets from there are listed once they were used.
    """
    uses: dict[str, LastSecretUse] = {}
    for use in [] if reader is None else list_last_uses(reader, now - _USES_MS):
        if use.secret not in uses or use.last_at > uses[use.secret].last_at:
            uses[use.secret] = use
    lines: dict[str, SecretLine] = {}
    problems: list[str] = []
    for entry in secrets.entries:
        provider = entry.provider
        if is_local_only and not entry.is_local:
            continue
        try:
            names = provider.list_names()
            for name in names or ():
                if name not in lines:  # the first provider that has it wins
                    lines[name] = _make_line(
                        name, provider, uses.get(name), due.get(name), now, is_local=entry.is_local
                    )
        except ConfigError as error:
            problems.append(f"{provider.name}: {error.message}")
            continue
        if names is None:
            problems.append(f"{provider.name} cannot list its names: those that were used are listed")
    for name, use in uses.items():
        if name not in lines:
            lines[name] = _make_line(name, None, use, due.get(name), now, is_local=False)
    return [lines[name] for name in sorted(lines)], problems


def _make_line(
    name: str, provider: SecretProvider | None, use: LastSecretUse | None, due: str | None, now: int, *, is_local: bool
) -> SecretLine:
    versions = provider.live_versions(name) if isinstance(provider, RotatingProvider) else []
    if not versions and provider is not None and is_local:
        value = provider.read(name)
        changed = None if value is None or not value.version.startswith("t") else int(value.version[1:])
        versions = [] if changed is None or value is None else [LiveVersion(value.version, changed, None)]
    current = versions[0] if versions else None
    older = versions[1] if len(versions) > 1 else None
    return SecretLine(
        name=name,
        provider="unknown" if provider is None else provider.name,
        version="" if current is None else current.version,
        changed_at=None if current is None else current.written_at,
        older=None if older is None else older.version,
        older_until_at=None if older is None else older.retired_at,
        last_used_at=None if use is None else use.last_at,
        last_used_by=None if use is None else describe_user(use.automation, use.step, use.actor),
        due=due,
        hint=_suggest(name, current, older, now),
    )


def _suggest(name: str, current: LiveVersion | None, older: LiveVersion | None, now: int) -> str | None:
    if older is not None and older.retired_at is not None and older.retired_at <= now:
        return f"{older.version} is stored until no attempt from before the rotation runs"
    if current is not None and now - current.written_at > _OLD_MS:
        return f"not changed for a year: mainspring secrets rotate {name}"
    return None


def describe_user(automation: str, step: str, actor: str) -> str:
    """Return who used a secret, for people: the step of an automation, or a program."""
    if not automation:
        return actor
    return f"{automation}/{step}" if step else automation
