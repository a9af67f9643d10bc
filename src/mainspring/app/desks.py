"""Which desk a trigger needs, made of the project's parts: secrets, clock, and the store that is told how it stands."""

import logging

from mainspring.app.arrivals import Desk
from mainspring.domain.clock import Clock
from mainspring.domain.queue_source import Queue
from mainspring.domain.watched_folder import Files
from mainspring.resources.secret import Secrets
from mainspring.store.commands.triggers import ReportDesk
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.alone import Alone
from mainspring.triggers.desk_state import DeskState as QueueState
from mainspring.triggers.ends import Ends
from mainspring.triggers.folder_state import DeskState as FolderState
from mainspring.triggers.intake import Intake
from mainspring.triggers.known import KnownTrigger

_LOG = logging.getLogger("mainspring.desks")


class Desks:
    """Makes the desks of one process."""

    def __init__(self, store: ProcessStore, clock: Clock, secrets: Secrets) -> None:
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._told: dict[str, ReportDesk] = {}

    def __call__(self, known: KnownTrigger, intake: Intake) -> Desk:
        """Return the desk of a trigger of a kind in FETCHED."""
        source = known.trigger.source
        if isinstance(source, Queue):
            # Imported late: most projects have no broker.
            from mainspring.triggers.queue_desk import QueueDesk  # noqa: PLC0415

            desk = QueueDesk(known.name, source, intake, self._secrets, report=self._report_queue, clock=self._clock)
            return desk if source.partition is None else Alone(desk, known.name, intake)
        from mainspring.triggers.folder_desk import FolderDesk  # noqa: PLC0415

        assert isinstance(source, Files)
        ends = Ends(self._store.reader, intake)
        return FolderDesk(known.name, source, intake, ends, self._report_folder, self._clock)

    def _report_queue(self, state: QueueState) -> None:
        since_at = state.since_at
        why = state.why or (f"it waits for {state.waits_for}" if state.waits_for else "") or state.last_refusal
        connected_at, away_since = (since_at, None) if state.connected else (None, since_at)
        self._report(ReportDesk(state.trigger, connected_at, away_since, why or None), state.queue)

    def _report_folder(self, state: FolderState) -> None:
        self._report(ReportDesk(state.trigger, state.connected_at, state.away_since, state.why), "its folder")

    def _report(self, told: ReportDesk, what: str) -> None:
        """Tell the log and the store when a broker or folder goes away or comes back, and what it leaves out."""
        if self._told.get(told.trigger) == told:
            return
        self._told[told.trigger] = told
        if told.away_since is not None:
            _LOG.warning("trigger %s cannot fetch from %s: %s", told.trigger, what, told.why)
        elif told.why:
            _LOG.warning("trigger %s fetches from %s, but: %s", told.trigger, what, told.why)
        else:
            _LOG.info("trigger %s fetches from %s", told.trigger, what)
        self._store.submit(told, lambda _result: None)
