"""The verdict in the bar, the title and the icon of every page: is anything wrong. It is the one that Now tells in a sentence."""

import msgspec

from mainspring.domain.access import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.incident import Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.words import many
from mainspring.web.api.call import Site


class Verdict(msgspec.Struct, frozen=True):
    """`tone` = of static/css/tokens.css; `icon` names the picture in static/marks; `count` = what needs a person."""

    tone: str
    icon: str
    text: str
    count: int


class Verdicts:
    """What is kept for a second is whole; what a visitor may not see is taken out for it alone."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def of(self, visitor: Visitor) -> Verdict:
        """Return how it stands, as far as this visitor sees."""
        try:
            stand = self._site.kept.of(self._site)
        except MainspringError:
            return Verdict("bad", "bad", "the store does not answer", 1)
        count = stand.of(visitor).count
        if not count:
            return Verdict("good", "good", "all is well", 0)
        is_loud = any(
            one.state is IncidentState.OPEN and one.severity is Severity.PAGE for one in stand.told_to(visitor)
        )
        tone = "bad" if is_loud else "warn"
        return Verdict(tone, tone, many(count, "thing needs you", "things need you"), count)

    def forget(self) -> None:
        """Judge anew for whoever asks next: something was done."""
        self._site.kept.forget()
