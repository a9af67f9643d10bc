"""Which desk a trigger needs, made of the project's parts: secrets, clock, and the store that is told how it stands."""

import logging

from mainspring.app.arrivals import Desk
from mainspring.domain.clock import Clock
from mainspring.domain.queue_source import Queue
from mainspring.resources.secret import Secrets
from mainspring.store.base import Store
from mainspring.store.commands.triggers import ReportDesk
from mainspring.triggers.desk_state import DeskState
from mainspring.triggers.intake import Intake
from mainspring.triggers.known import KnownTrigger

_LOG = logging.getLogger("mainspring.desks")


class Desks:
    """Makes the desks of one process."""

    def __init__(self, store: Store, clock: Clock, secrets: Secrets) -> None:
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._told: dict[str, tuple[bool, str]] = {}

    def __call__(self, known: KnownTrigger, intake: Intake) -> Desk | None:
        """Return the desk of a trigger; None if nothing is fetched for it."""
        source = known.trigger.source
        if isinstance(source, Queue):
            # Imported late: most projects have no broker.
            from mainspring.triggers.queue_desk import QueueDesk  # noqa: PLC0415

            return QueueDesk(known.name, source, intake, self._secrets, report=self._report, clock=self._clock)
        return None

    def _report(self, state: DeskState) -> None:
        """Tell the log and the store when a broker or folder goes away or comes back."""
        stands = state.connected, state.why
        if self._told.get(state.trigger) == stands:
            return
        self._told[state.trigger] = stands
        if state.connected:
            _LOG.info("trigger %s fetches from %s", state.trigger, state.queue)
        else:
            _LOG.warning("trigger %s cannot fetch from %s: %s", state.trigger, state.queue, state.why)
        self._store.submit(
            ReportDesk(
                state.trigger,
                state.since_at if state.connected else None,
                None if state.connected else state.since_at,
                state.why or None,
            ),
            lambda _result: None,
        )
