"""Who may come in, on every store: a way in opens what it says, once taken away it opens nothing."""

import itertools

import pytest

from mainspring.domain.access.permissions import IDLE_TIMEOUT_MS, SESSION_LIFETIME_MS, Role, SignInMethod, Visitor
from mainspring.store.commands.automations import ApplyRetention, AuditedCommand
from mainspring.store.commands.people import (
    AddPerson,
    ChangePerson,
    CreateStartLink,
    CreateToken,
    EndWebSession,
    EndWebSessions,
    OpenWebSession,
    RecordFailedSignIn,
    RecordVisit,
    RemovePerson,
    RevokeToken,
    SetPassword,
)
from mainspring.store.commands.results import DONE, NumberAnswer, Refused
from mainspring.store.read import people

_NUMBERS = itertools.count(1)
PRUNE = ApplyRetention(None, None, None, None, None)


class Site:
    """A store with the admin ana and the viewer bob, who sees billing only."""

    def __init__(self, store):
        self.store = store
        self.reader = store.reader
        self.clock = store.clock
        store.do(AddPerson("ana", "pw-a", Role.ADMIN, None))
        store.do(AddPerson("bob", "pw-b", Role.VIEWER, ("billing-*",)))

    def opening(self, hash, name="bob", **fields):
        fields = {"source": SignInMethod.PASSWORD, "proof": f"pw-{name[0]}"} | fields
        until = self.clock.now() + SESSION_LIFETIME_MS
        return OpenWebSession(
            hash=hash, id=f"w_{next(_NUMBERS)}", name=name, until_at=until, address="::1", browser="x", **fields
        )

    def sign_in(self, hash, name="bob", **fields):
        return self.store.do(self.opening(hash, name, **fields))

    def visitor(self, hash):
        found = people.web_session(self.reader, hash)
        return found and found.visitor(self.clock.now())

    def make_token(self, name, *, until_at=None, role=Role.OPERATOR):
        made = CreateToken(
            id=f"t_{name}", name=name, hash=f"h-{name}", role=role, automations=("a",), by="web:ana", until_at=until_at
        )
        return self.store.do(made)


@pytest.fixture
def site(store):
    return Site(store)


def test_session_makes_the_visitor_that_its_person_is(site):
    """What a person may is read at each request; one that is removed has no sessions."""
    assert site.sign_in("h1") == DONE
    bob = Visitor(entry_point="web", name="bob", role=Role.VIEWER, automations=("billing-*",))
    assert site.visitor("h1") == bob
    assert site.visitor("h2") is None
    assert site.store.do(ChangePerson("bob", Role.OPERATOR, None)) == DONE
    assert site.visitor("h1") == Visitor(entry_point="web", name="bob", role=Role.OPERATOR)
    assert site.store.do(RemovePerson("bob")) == DONE
    assert site.visitor("h1") is None
    assert [person.name for person in people.people(site.reader)] == ["ana"]


def test_session_opens_only_with_the_password_that_was_compared(site):
    """A password that was changed between the look and the commit signs no one in."""
    assert site.store.do(SetPassword("bob", "pw-2", proof="pw-b")) == DONE
    assert site.sign_in("h1").code == "changed"
    assert site.sign_in("h1", "eve").code == "changed"
    assert site.visitor("h1") is None
    assert site.sign_in("h1", proof="pw-2") == DONE


def test_session_is_over_when_it_was_idle_or_old(site):
    """Twelve hours without a request, seven days in any case; upkeep forgets it then."""
    site.sign_in("idle")
    site.sign_in("busy")
    site.clock.forward(IDLE_TIMEOUT_MS - 1)
    site.store.do(RecordVisit("busy"))
    assert site.visitor("idle") is not None
    site.clock.forward(1)
    assert site.visitor("idle") is None
    assert site.visitor("busy") is not None
    site.store.do(PRUNE)
    assert people.web_session(site.reader, "idle") is None
    assert people.web_session(site.reader, "busy") is not None
    for _ in range(2 * SESSION_LIFETIME_MS // IDLE_TIMEOUT_MS):
        site.clock.forward(IDLE_TIMEOUT_MS // 2)
        site.store.do(RecordVisit("busy"))
    assert site.visitor("busy") is None


def test_sign_in_ends_the_session_that_the_browser_had(site):
    """A number that was known before it means something afterwards opens nothing."""
    site.sign_in("h1")
    site.sign_in("h2", replaces="h1")
    assert site.visitor("h1") is None
    assert site.visitor("h2") is not None


def test_new_password_ends_all_other_sessions(site):
    """Anyone who came in by the old one is out; others are not touched."""
    site.sign_in("h1")
    site.sign_in("h2")
    site.sign_in("h3", "ana")
    assert site.store.do(SetPassword("bob", "pw-2", proof="old", keep="h2")).code == "changed"
    assert site.visitor("h1") is not None
    assert site.store.do(SetPassword("bob", "pw-2", proof="pw-b", keep="h2")) == DONE
    assert [site.visitor(hash) is not None for hash in ("h1", "h2", "h3")] == [False, True, True]
    assert site.store.do(SetPassword("eve", "pw")).code == "not_found"


def test_sessions_end_one_by_one_and_all_at_once(site):
    """One is ended by its id, by its own name only where that is said."""
    for hash in ("h1", "h2", "h3"):
        site.sign_in(hash)
    site.sign_in("h4", "ana")
    listed = people.web_sessions(site.reader, site.clock.now(), "bob")
    assert {session.hash for session in listed} == {"h1", "h2", "h3"}
    assert len(people.web_sessions(site.reader, site.clock.now())) == 4
    first = people.web_session(site.reader, "h1").id
    assert site.store.do(EndWebSession(first, "ana")).code == "not_found"
    assert site.store.do(EndWebSession(first, "bob")) == DONE
    assert site.visitor("h1") is None
    assert site.store.do(EndWebSessions("bob", keep="h3")) == NumberAnswer(1)
    assert [site.visitor(hash) is not None for hash in ("h2", "h3", "h4")] == [False, True, True]


def test_last_admin_stays(site):
    """Someone can always say who may come in; with a second one the first may go."""
    assert site.store.do(RemovePerson("ana")).code == "last_admin"
    assert site.store.do(ChangePerson("ana", Role.VIEWER, None)).code == "last_admin"
    assert site.store.do(ChangePerson("bob", Role.ADMIN, None)) == DONE
    assert site.store.do(RemovePerson("ana")) == DONE
    assert site.store.do(RemovePerson("ana")).code == "not_found"
    assert site.store.do(AddPerson("bob", "pw", Role.ADMIN, None)).code == "taken"


def test_start_link_opens_once_and_for_a_while(site):
    """The second who follows it, and anyone who comes late, stays outside."""
    local = {"name": "local", "source": SignInMethod.LINK, "role": Role.ADMIN, "proof": None}
    site.store.do(CreateStartLink("l1", site.clock.now() + 1000), CreateStartLink("l2", site.clock.now() + 1000))
    assert site.sign_in("h1", link="l1", **local) == DONE
    assert site.visitor("h1") == Visitor(entry_point="web", name="local", role=Role.ADMIN)
    assert site.sign_in("h2", link="l1", **local).code == "over"
    site.clock.forward(1000)
    assert site.sign_in("h3", link="l2", **local).code == "over"
    assert site.visitor("h2") is site.visitor("h3") is None


def test_name_of_a_new_person_is_of_no_one_else(site):
    """Who came in as "eve" by a provider does not become the person of that name."""
    site.sign_in("h1", "eve", source=SignInMethod.PROVIDER, role=Role.OPERATOR, automations=("a",), proof=None)
    assert site.visitor("h1") == Visitor(entry_point="web", name="eve", role=Role.OPERATOR, automations=("a",))
    site.store.do(AddPerson("eve", "pw", Role.ADMIN, None))
    assert site.visitor("h1") is None
    assert (
        site.sign_in("h2", "eve", source=SignInMethod.PROVIDER, role=Role.OPERATOR, proof=None).code == "somebody_else"
    )


def test_token_lets_in_until_it_expires_or_is_revoked(site):
    """It is found by its hash, and a name is one token's."""
    now = site.clock.now()
    assert site.make_token("bot", until_at=now + 1000) == DONE
    assert site.make_token("ci") == DONE
    assert site.make_token("ci").code == "taken"
    found = people.token_of(site.reader, "h-bot")
    assert found.visitor(now) == Visitor(entry_point="api", name="bot", role=Role.OPERATOR, automations=("a",))
    assert found.visitor(now + 1000) is None
    site.store.do(RecordVisit("h-ci", is_token=True))
    assert people.token_of(site.reader, "h-ci").used_at == site.clock.now()
    assert people.token_of(site.reader, "h-other") is None
    site.clock.forward(1000)
    site.store.do(PRUNE)
    assert [token.name for token in people.tokens(site.reader)] == ["ci"]
    assert site.store.do(RevokeToken("t_ci")) == DONE
    assert people.token_of(site.reader, "h-ci") is None
    assert site.store.do(RevokeToken("t_ci")).code == "not_found"


def test_audit_rows_name_a_person_a_token_or_a_link(store):
    """An empty store lets no one in."""
    now = store.clock.now()

    def may():
        return people.has_credentials(store.reader, now)

    assert not may()
    store.do(CreateStartLink("l1", now + 1))
    assert may()
    assert not people.has_credentials(store.reader, now + 1)
    store.do(AddPerson("ana", "pw", Role.ADMIN, None))
    assert people.has_credentials(store.reader, now + 1)


def test_refused_sign_in_is_on_record(site):
    """It changes nothing, and everyone can read that it was tried; a lost answer does not sign in twice."""
    refused = Refused("not_let_in", "wrong")
    assert (
        site.store.twice(
            AuditedCommand(
                "c1", "web:bob", "sign in", "person:bob", RecordFailedSignIn("not_let_in", "wrong"), None, None
            )
        )
        == refused
    )
    site.store.twice(AuditedCommand("c2", "web:bob", "sign in", "person:bob", site.opening("h1"), None, None))
    assert len(people.web_sessions(site.reader, site.clock.now())) == 1
    rows = site.store.read("audit_rows")
    assert {(row.verb, row.subject) for row in rows} == {("sign in", "person:bob")}
    assert len(rows) == 2
