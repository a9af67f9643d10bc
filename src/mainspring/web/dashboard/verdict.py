"""The verdict that stands in the bar, the title and the icon of every page: is anything wrong. Looked up at most once a second."""

from threading import Lock
from typing import Final

import msgspec

from mainspring.domain.access import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.incident import Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.words import many
from mainspring.store.reads import incidents as wrong
from mainspring.web.api.call import Site

_FRESH_MS: Final = 1_000
_MOST: Final = 1_000


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
        self._lock = Lock()
        self._read_at = -_FRESH_MS
        self._wrong: list[tuple[str | None, Severity]] = []
        self._is_away = False

    def of(self, visitor: Visitor) -> Verdict:
        """Return how it stands, as far as this visitor sees."""
        with self._lock:
            now = self._site.clock.now()
            if not 0 <= now - self._read_at < _FRESH_MS:
                self._read()
                self._read_at = now
            seen = [severity for automation, severity in self._wrong if _sees(visitor, automation)]
            is_away = self._is_away
        if is_away:
            return Verdict("bad", "bad", "the store does not answer", 1)
        if not seen:
            return Verdict("good", "good", "all is well", 0)
        tone = "bad" if Severity.PAGE in seen else "warn"
        return Verdict(tone, tone, f"{many(len(seen), 'problem needs', 'problems need')} you", len(seen))

    def _read(self) -> None:
        try:
            found = wrong.told(self._site.reader, _MOST)
        except MainspringError:
            self._is_away = True
            return
        self._is_away = False
        self._wrong = [
            (one.subject.automation or None, one.severity) for one in found if one.state is IncidentState.OPEN
        ]


def _sees(visitor: Visitor, automation: str | None) -> bool:
    return visitor.is_for_all if automation is None else visitor.may_see(automation)
