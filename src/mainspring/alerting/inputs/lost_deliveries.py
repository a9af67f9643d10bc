"""Lost deliveries for monitors and people: rejected or failed, and not yet settled by a replay or a person."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import UndecidedDeliveries
from mainspring.domain.triggers.trigger import read_source, split_trigger_name
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.integrations.base.webhook_verifier import BAD_SIGNATURE, NO_SIGNATURE, OLD_TIMESTAMP
from mainspring.integrations.verifiers import VERIFIERS, find_verifier
from mainspring.store.base import StoreReader
from mainspring.store.read.automations.monitor_reads import MonitoredTrigger

UNVERIFIED = frozenset({NO_SIGNATURE, BAD_SIGNATURE, OLD_TIMESTAMP})
"""Results of verification if the sender of a request is unknown."""
READ_AT_MOST = 100
"""Most deliveries that are read of each trigger."""
_KINDS = {True: IncidentKind.DELIVERY_REJECTED, False: IncidentKind.DELIVERY_FAILED}


class LostDeliveryRow(NamedTuple):
    """A row of list_rejected_deliveries or list_failed_deliveries.

    `verified` = the result of its verifier, or why it was rejected `at_the_door`.
    """

    trigger: str
    id: str
    note: str | None
    verified: str | None
    at_the_door: int
    received_at: int
    seq: int


def read_rejected_deliveries(reader: StoreReader) -> list[LostDeliveryRow]:
    """Return the deliveries that were rejected and did not arrive again."""
    return [LostDeliveryRow(*row) for row in reader.read("list_rejected_deliveries")]


def read_lost_deliveries(
    reader: StoreReader, listeners: Iterable[MonitoredTrigger], rejected: Iterable[LostDeliveryRow] | None = None
) -> list[UndecidedDeliveries]:
    """Return the lost deliveries of each declared trigger, newest first in it, without those of unknown senders.

    `rejected` = what read_rejected_deliveries returned, if it was read already.
    """
    known = {listener.name: listener for listener in listeners}
    rejected = read_rejected_deliveries(reader) if rejected is None else rejected
    failed = [LostDeliveryRow(*row) for row in reader.read("list_failed_deliveries", (READ_AT_MOST,))]
    found: dict[tuple[str, bool], list[LostDeliveryRow]] = {}
    for rows, is_rejected in ((rejected, True), (failed, False)):
        for row in rows:
            if row.trigger in known and not (is_rejected and row.verified in UNVERIFIED):
                found.setdefault((row.trigger, is_rejected), []).append(row)
    if not found:
        return []
    settled = read_resolved_at(reader, _KINDS.values())
    lost = []
    for (trigger, is_rejected), rows in found.items():
        if is_rejected and not _knows_senders(known[trigger]):
            continue
        subject = Subject(known[trigger].automation, _KINDS[is_rejected], trigger)
        left = [row for row in rows if row.received_at > settled.get(subject, 0)]
        if left:
            lost.append(_join_rows(trigger, left, is_rejected=is_rejected))
    return lost


def _join_rows(trigger: str, rows: list[LostDeliveryRow], *, is_rejected: bool) -> UndecidedDeliveries:
    newest = max(rows, key=lambda row: row.received_at)
    return UndecidedDeliveries(
        trigger=trigger,
        is_rejected=is_rejected,
        number=len(rows),
        since_at=min(row.received_at for row in rows),
        newest=newest.id,
        why=newest.note or "",
        is_stored=not newest.at_the_door,
    )


def _knows_senders(listener: MonitoredTrigger) -> bool:
    source = read_source(listener.definition)
    if not isinstance(source, Webhook) or source.verify.kind not in VERIFIERS:
        return True
    return find_verifier(source.verify.kind).checks_sender


def read_resolved_at(reader: StoreReader, kinds: Iterable[IncidentKind]) -> dict[Subject, int]:
    """Return when a person last resolved the incident of each subject of these kinds."""
    rows = reader.read("list_manual_resolutions", (json.dumps(sorted(kind.value for kind in kinds)),))
    return {Subject(automation, IncidentKind(kind), fingerprint): at for automation, kind, fingerprint, at in rows}


def group_by_automation(lost: Iterable[UndecidedDeliveries]) -> dict[str, tuple[UndecidedDeliveries, ...]]:
    """Return lost deliveries by the automation of their trigger."""
    found: dict[str, list[UndecidedDeliveries]] = {}
    for delivery in lost:
        found.setdefault(split_trigger_name(delivery.trigger)[0], []).append(delivery)
    return {name: tuple(deliveries) for name, deliveries in found.items()}
