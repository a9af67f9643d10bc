"""The sign of life to an address outside, as healthchecks.io has it: sent only while all that has to move does, so that its absence is the alarm."""

import logging
import time
from collections.abc import Iterable
from typing import Final

from mainspring.domain.incident import Incident, IncidentKind
from mainspring.operations.notifiers.base import ChannelFault
from mainspring.operations.notifiers.http import HttpLink
from mainspring.resources.fault_text import FaultText
from mainspring.store.reads.incidents import ChannelView

EVERY_S: Final = 60.0
UNTOLD_MS: Final = 10 * 60_000
"""So long may an alert have waited for its channel at most."""
_STANDS_STILL = frozenset({IncidentKind.WORKER_LOST, IncidentKind.STORE_LOST})
