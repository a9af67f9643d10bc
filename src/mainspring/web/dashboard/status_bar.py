"""The verdict in the bar, the title and the icon of every page: is anything wrong. It is the one that Now tells in a sentence."""

import msgspec

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.text.formatting import format_count
from mainspring.web.api.call import HandlerContext


class StatusBar(msgspec.Struct, frozen=True):
    """`tone` = of static/css/tokens.css; `icon` names the picture in static/marks; `count` = what needs a person."""

    tone: str
    icon: str
    text: str
    count: int


def read_status_bar(site: HandlerContext, visitor: Visitor) -> StatusBar:
    """Return how it stands, as far as this visitor sees; what is kept for a second is whole, the rest is taken out here."""
    try:
        stand = site.project_status.of(site)
    except MainspringError:
        return StatusBar("bad", "bad", "the store does not answer", 1)
    found = stand.of(visitor)
    if not found.count:
        if found.put_off:  # by whom and until when is said where there is room
            return StatusBar("warn", "warn", f"{format_count(found.put_off, 'problem')} looked after", 0)
        return StatusBar("good", "good", "all is well", 0)
    is_loud = any(
        one.state is IncidentState.OPEN and one.severity is Severity.PAGE for one in stand.visible_incidents(visitor)
    )
    tone = "bad" if is_loud else "warn"
    return StatusBar(tone, tone, found.head, found.count)
