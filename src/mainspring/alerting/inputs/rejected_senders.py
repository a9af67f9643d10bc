"""Rejected senders for monitors: requests with a wrong signature since the last delivery of a known sender.

Invariant: what is cached between reads is only how far deliveries were read; a new reader finds the same.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from mainspring.alerting.inputs.lost_deliveries import LostDeliveryRow, read_resolved_at
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import RejectedSender
from mainspring.domain.monitors.messaging.rejected_sender import MAX_REQUESTS, REQUEST_WINDOW_MS
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.integrations.base.webhook_verifier import BAD_SIGNATURE, OLD_TIMESTAMP
from mainspring.store.base import StoreReader

_KIND = IncidentKind.SENDER_REJECTED
_OVERLAP = 1_000
"""Deliveries that several processes store become visible out of order."""


class RejectedSenderReader:
    """Reads rejected senders of one store; for one thread."""

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
