"""The status bar, title and icon of every page: whether anything is wrong. The overview shows the same status as a sentence."""

import msgspec

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.text.formatting import format_count
from mainspring.web.api.call import HandlerContext


class StatusBar(msgspec.Struct, frozen=True):
    """`tone` = of static/css/tokens.css; `icon` names a file in static/marks; `count` = what needs a person."""

    tone: str
    icon: str
    text: str
    count: int


def read_status_bar(site: HandlerContext, visitor: Visitor) -> StatusBar:
    """Return the status for a visitor. The cached status is of the whole project; this one is limited to what the visitor sees."""
    try:
        snapshot = site.project_status.of(site)
    except MainspringError:
        return StatusBar("bad", "bad", "the store does not answer", 1)
    status = snapshot.of(visitor)
    if not status.count:
        if status.put_off:  # the overview says by whom and until when
            return StatusBar("warn", "warn", f"{format_count(status.put_off, 'problem')} acknowledged", 0)
        return StatusBar("good", "good", "healthy", 0)
    is_loud = any(
        incident.state is IncidentState.OPEN and incident.severity is Severity.PAGE
        for incident in snapshot.visible_incidents(visitor)
    )
    tone = "bad" if is_loud else "warn"
    return StatusBar(tone, tone, status.head, status.count)
