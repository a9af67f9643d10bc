"""Handlers of the commands in `store/commands/incidents.py`."""

from typing import Final

from mainspring.store.commands.incidents import (
    AcknowledgeIncident,
    RecordEvaluation,
    RecordStoreOutage,
    ResolveIncident,
    SnoozeIncident,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.incidents import incident_changes, store_outage

HANDLERS: Final[HandlerTable] = dict(
    (
        RecordEvaluation.answered_by(incident_changes.record_evaluation),
        RecordStoreOutage.answered_by(store_outage.record_store_outage),
        AcknowledgeIncident.answered_by(incident_changes.acknowledge_incident),
        SnoozeIncident.answered_by(incident_changes.snooze_incident),
        ResolveIncident.answered_by(incident_changes.resolve_incident),
    )
)
