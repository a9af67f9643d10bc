"""What needs the secrets that are due, as far as the store tells: triggers."""

from collections.abc import Iterable, Sequence

import msgspec

from mainspring.domain.monitors.facts import DueSecret
from mainspring.domain.queue_address import secrets_of
from mainspring.domain.queue_source import Queue
from mainspring.domain.trigger import source_in
from mainspring.domain.webhook import Webhook
from mainspring.resources.secret import variable_of
from mainspring.store.reads.watched import ListenerView


def with_triggers(secrets: Sequence[DueSecret], listeners: Iterable[ListenerView]) -> tuple[DueSecret, ...]:
    """Return the secrets with the triggers that need them; two names of one variable are one secret."""
    if not secrets:
        return ()
    users: dict[str, list[str]] = {}
    for one in listeners:
        for name in _named_by(one.definition):
            users.setdefault(variable_of(name), []).append(f"trigger {one.name}")
    return tuple(
        msgspec.structs.replace(one, used_by=(*one.used_by, *sorted(users.get(variable_of(one.name), ()))))
        for one in secrets
    )


def _named_by(definition: bytes) -> Iterable[str]:
    source = source_in(definition)
    if isinstance(source, Webhook):
        return dict.fromkeys(source.verify.secrets)
    return dict.fromkeys(secrets_of(source.server)) if isinstance(source, Queue) else ()
