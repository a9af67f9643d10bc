"""Due secrets and what uses them, as far as the store knows: triggers."""

from collections.abc import Iterable, Sequence

import msgspec

from mainspring.domain.monitors.inputs import DueSecret
from mainspring.domain.triggers.trigger import read_source
from mainspring.resources.secret_store import secret_variable_name
from mainspring.store.read.automations.monitor_reads import MonitoredTrigger


def add_triggers(secrets: Sequence[DueSecret], listeners: Iterable[MonitoredTrigger]) -> tuple[DueSecret, ...]:
    """Return the secrets with the triggers that use them. Two names of one variable are one secret."""
    if not secrets:
        return ()
    users: dict[str, list[str]] = {}
    for listener in listeners:
        for name in _list_secret_names(listener.definition):
            users.setdefault(secret_variable_name(name), []).append(f"trigger {listener.name}")
    return tuple(
        msgspec.structs.replace(
            secret, used_by=(*secret.used_by, *sorted(users.get(secret_variable_name(secret.name), ())))
        )
        for secret in secrets
    )


def _list_secret_names(definition: bytes) -> Iterable[str]:
    source = read_source(definition)
    return () if source is None else source.secret_names()
