"""Read the items of an incident's failed runs for a message: the title of a run, else its item.

A title that a codec sealed stays sealed: a message leaves the store, so the item is named instead, as in a list without the codec.
"""

from mainspring.alerting.inputs.failure_groups import Redact
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.notifications.failed_items import FailedItems, collect_failed_items
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import members, run_items

_READ_AT_MOST = 50


def read_incident_items(reader: StoreReader, incident: Incident, redact: Redact) -> FailedItems:
    """Return what the open failed runs of an incident are about; where none is open, what all of them were about."""
    counts = members(reader, [incident.id]).get(incident.id)
    if counts is None:
        return FailedItems()
    opening = RowUnsealer(PLAIN_SEALING, lenient=True)
    rows = [row for row in run_items(reader, incident.id, _READ_AT_MOST) if row.is_open or not counts.open]
    # Redacted first, then cut: half of a secret would not be recognized.
    items = [redact(opening.text(row.title) or row.item) for row in rows]
    return collect_failed_items(items, counts.open or counts.failed)
