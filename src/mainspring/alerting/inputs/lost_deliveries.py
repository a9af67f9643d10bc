"""Lost deliveries for monitors and people: rejected or failed, and not yet settled by a replay or a person."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import RejectedSender, UndecidedDeliveries
from mainspring.domain.monitors.messaging.rejected_sender import MAX_REQUESTS, REQUEST_WINDOW_MS
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

_KIND = IncidentKind.SENDER_REJECTED
_OTHER_DELIVERY = re.compile(r"\bdelivery d_\w+")
"""In a note: the delivery that holds the key. It was not rejected, so it is no example, and each note would be a reason of its own."""
_OVERLAP = 1_000
"""Deliveries that several processes store become visible out of order."""


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
    newest_first = sorted(rows, key=lambda row: row.received_at, reverse=True)
    newest = newest_first[0]
    return UndecidedDeliveries(
        trigger=trigger,
        is_rejected=is_rejected,
        number=len(rows),
        since_at=min(row.received_at for row in rows),
        newest=newest.id,
        reasons=tuple(
            dict.fromkeys(_OTHER_DELIVERY.sub("an earlier delivery", row.note or "") for row in newest_first)
        ),
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


class RejectedSenderReader:
    """Reads rejected senders of one store; for one thread.

    Invariant: what is cached between reads is only how far deliveries were read; a new reader finds the same.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._progress: dict[str, tuple[int, int, int]] = {}
        """By trigger: the first and the last delivery that was read, and when the last verified one arrived (0 = none)."""

    def read(self, rejected: Iterable[LostDeliveryRow]) -> dict[str, tuple[RejectedSender, ...]]:
        """Return the rejected senders by automation, from the requests that list_rejected_deliveries returns."""
        rows: dict[str, list[LostDeliveryRow]] = defaultdict(list)
        for row in rejected:
            if row.at_the_door and row.verified in (BAD_SIGNATURE, OLD_TIMESTAMP):
                rows[row.trigger].append(row)
        dense = {trigger: sorted(deliveries, key=lambda row: row.seq) for trigger, deliveries in rows.items()}
        dense = {trigger: deliveries for trigger, deliveries in dense.items() if _is_dense(deliveries)}
        self._progress = {trigger: progress for trigger, progress in self._progress.items() if trigger in dense}
        found: dict[str, list[RejectedSender]] = defaultdict(list)
        settled = read_resolved_at(self._reader, (_KIND,)) if dense else {}
        for trigger, deliveries in dense.items():
            sender = self._build_sender(
                trigger, deliveries, settled.get(Subject(split_trigger_name(trigger)[0], _KIND, trigger), 0)
            )
            if sender is not None:
                found[split_trigger_name(trigger)[0]].append(sender)
        return {name: tuple(senders) for name, senders in found.items()}

    def _build_sender(self, trigger: str, rows: Sequence[LostDeliveryRow], settled_at: int) -> RejectedSender | None:
        verified_at = self._verified_at(trigger, rows[0].seq)
        unsettled = [row for row in rows if row.received_at > max(verified_at, settled_at)]
        if not unsettled:
            return None
        was_known = bool(verified_at or self._reader.read("has_verified_delivery_before", (trigger, rows[0].seq)))
        return RejectedSender(
            trigger=trigger,
            number=len(unsettled),
            since_at=unsettled[0].received_at,
            dense=_is_dense(unsettled),
            was_known=was_known,
        )

    def _verified_at(self, trigger: str, first: int) -> int:
        """Return when the last delivery of a known sender arrived after the delivery of number `first`; 0 if none did."""
        from_seq, to_seq, known_at = self._progress.get(trigger, (first, first, 0))
        if from_seq > first:  # an older request than before: read again
            to_seq, known_at = first, 0
        newest = int(self._reader.read("find_newest_delivery_number")[0][0])
        rows = self._reader.read(
            "list_last_verified_deliveries", (max(to_seq - _OVERLAP, first), json.dumps([trigger]))
        )
        verified_at = max(known_at, *(at for _, at in rows)) if rows else known_at
        self._progress[trigger] = (first, newest, verified_at)
        return verified_at


def _is_dense(rows: Sequence[LostDeliveryRow]) -> bool:
    """Whether more than MAX_REQUESTS of these arrived within a few minutes."""
    pairs = zip(rows, rows[MAX_REQUESTS:], strict=False)
    return any(last.received_at - first.received_at <= REQUEST_WINDOW_MS for first, last in pairs)
