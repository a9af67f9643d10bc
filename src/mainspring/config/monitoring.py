"""`[monitors]`: whether each monitor is on, and what is set of it. Made of the table of monitors, so that there is one list of them."""

from msgspec import Struct, defstruct

from mainspring.domain.incident import IncidentKind
from mainspring.domain.monitors.table import MONITORS
from mainspring.domain.monitors.tuning import Tuning

MonitorsSettings = defstruct(
    "MonitorsSettings",
    [(kind.value, type(monitor.tuning), monitor.tuning) for kind, monitor in MONITORS.items()],
    frozen=True,
    kw_only=True,
    module=__name__,
)


def tunings_of(settings: Struct) -> dict[IncidentKind, Tuning]:
    """Return what is in force of each monitor."""
    return {kind: getattr(settings, kind.value) for kind in MONITORS}
