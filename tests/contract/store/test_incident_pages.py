"""Lists of incidents in a filter, page by page: each once, the newest change first."""

from itertools import product

import pytest

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.states import IncidentState
from mainspring.store.commands.incidents import Acknowledge, Found, Observe, Resolve
from mainspring.store.reads.incidents import incident_page

K, S = IncidentKind, IncidentState


@pytest.fixture
def rows(store, clock):
    """Eight incidents of two automations and two kinds, two found at a time, newest first; some are over, one is folded."""
    for n in range(0, 8, 2):
        pair = [Subject("ab"[n % 4 // 2], kind, f"f{n}") for kind in (K.SILENCE, K.TOO_SLOW)]
        to_tell = tuple(
            Found(
                id=f"i{n}{place}",
                finding=Finding(subject=one, severity=Severity.PAGE, text="bad", since_at=1),
                to=(),
                parent=Subject("a", K.SILENCE, "f0") if n == 6 and place else None,
            )
            for place, one in enumerate(pair)
        )
        store.do(Observe(looked_at=clock.now(), found=to_tell))
        clock.forward(1_000)
    store.do(Acknowledge("i20", by="cli:a@b", note=None), Resolve("i40", by="cli:a@b", note=None))
    return incident_page(store.reader, states=tuple(S), limit=50)


def walked(store, **asked):
    found, after = [], None
    while True:
        page = incident_page(store.reader, limit=2, after=after, **asked)
        if not page:
            return found
        found += [one.id for one in page]
        after = (page[-1].changed_at, page[-1].id)


def test_pages_hold_what_is_asked_for_once_each(store, rows):
    """By state, kind, automation and age; without a state, what is not resolved."""
    assert len(rows) == 8
    assert [one.changed_at for one in rows] == sorted((one.changed_at for one in rows), reverse=True)
    states = ((), (S.RESOLVED,), (S.OPEN, S.RESOLVED), (S.ACKNOWLEDGED,))
    for some, kinds, names, apart in product(states, ((), (K.SILENCE,)), (None, ["a"], []), (True, False)):
        wanted = [
            one.id
            for one in rows
            if (one.state in some if some else one.state is not S.RESOLVED)
            and (not kinds or one.subject.kind in kinds)
            and (names is None or one.subject.automation in names)
            and not (apart and one.parent)
        ]
        assert walked(store, states=some, kinds=kinds, names=names, apart=apart) == wanted, (some, kinds, names, apart)
    late = rows[2].changed_at
    assert walked(store, states=tuple(S), since_at=late) == [one.id for one in rows if one.changed_at >= late]
