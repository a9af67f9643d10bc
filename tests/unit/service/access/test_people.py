"""Letting people and programs in: what is shown once, what is on record, what no one hears."""

import pytest

from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import (
    AlreadyExistsError,
    BusyError,
    ConflictError,
    NotFoundError,
    OptionError,
    StoreError,
)
from mainspring.service.access import people, sign_in
from mainspring.service.access.access_keys import hash_key
from mainspring.service.access.sign_in import SignInOrigin, SignInService
from mainspring.service.actor import Actor, operation_context
from mainspring.store.read.people import person, token_of, web_session
from mainspring.store.read.status.status import audit_rows
from mainspring.store.sqlite.store import SqliteStore

CHEAP = ScryptCost(log_n=4)
PASSWORD = "correct horse battery"
HOSTILE = [
    "<script>",
    "a b",
    "a/../b",
    "a'; drop table people",
    "\u202eana",
    "\ud800",
    "",
    "x" * 81,
    "аna",
    "local",
    "unknown",
]


class Site:
    """A store with the admin ana, and the one place that lets people in."""

    def __init__(self, path):
        self.clock = SystemClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.store.open()
        self.sign_in = SignInService(self.store, self.clock, CHEAP)
        self.add("ana", Role.ADMIN)

    def act(self, command=None):
        return operation_context(Actor.web("ana"), self.clock, command=command)

    def add(self, name, role=Role.VIEWER, automations=None, password=PASSWORD, command=None):
        return people.add_person(
            self.store, name, role, automations, password, clock=self.clock, act=self.act(command), cost=CHEAP
        )

    def enter(self, name="ana", password=PASSWORD, address="10.0.0.1", cookie=None):
        return self.sign_in.by_password(name, password, SignInOrigin(address, "Firefox", cookie))

    def session(self, cookie):
        return web_session(self.store.reader, hash_key(cookie))

    def operations(self):
        return [(row.verb, row.subject) for row in audit_rows(self.store.reader)]

    def token(self, name="bot", until_at=None, automations=None, command=None):
        return people.make_token(
            self.store, name, Role.OPERATOR, automations, until_at, clock=self.clock, act=self.act(command)
        )


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "s.db")
    yield site
    site.store.close()


def test_person_signs_in_and_out(site):
    """By the name however it is written; the number that the browser gets is not in the store."""
    cookie = site.enter(" ANA ")
    assert site.session(cookie).visitor(site.clock.now()).role is Role.ADMIN
    assert site.store.reader.read_text(
        "select count(*) from web_sessions where hash = ? or id = ?", (cookie, cookie)
    ) == [(0,)]
    session = site.session(cookie)
    for _ in range(2):
        site.sign_in.sign_out(session)
    assert site.session(cookie) is None
    assert ("sign in", "person:ana") in site.operations()
    assert ("sign out", "person:ana") in site.operations()


def test_session_has_a_new_number_at_each_sign_in(site):
    """A number that someone put into the browser before opens nothing afterwards."""
    first = site.enter()
    second = site.enter(cookie=first)
    assert first != second
    assert site.session(first) is None
    assert site.session(site.enter(cookie="planted")) is not None
    assert site.session("planted") is None


def test_unknown_name_costs_what_a_wrong_password_costs(site, monkeypatch):
    """The same comparison at the same price, the same row on record, the same answer; what was typed as a name is not kept."""
    compared = []
    monkeypatch.setattr(
        sign_in, "verify_password", lambda password, stored: compared.append((password, stored[:13])) or False
    )
    for name in ("ana", "eve", "hunter2 is my password"):
        assert site.enter(name, "wrong") is None
    assert compared == [("wrong", "scrypt$4$8$1$")] * 3
    assert site.operations()[:3] == [
        ("sign in", "person:unknown"),
        ("sign in", "person:unknown"),
        ("sign in", "person:ana"),
    ]
    assert "hunter2" not in str(site.store.reader.read_text("select subject, actor, detail, result from audit_log"))


def test_guesses_make_a_name_wait_from_wherever_they_come(site):
    """Six addresses, one name: even the right password waits, and nothing is compared meanwhile."""
    for number in range(5):
        assert site.enter(password="wrong", address=f"10.0.0.{number}") is None
    with pytest.raises(BusyError) as caught:
        site.enter(address="10.0.0.9")
    assert 0 < caught.value.retry_after.total_seconds() <= 1
    assert len([operation for operation in site.operations() if operation[0] == "sign in"]) == 5


def test_guesses_make_an_address_wait_whatever_the_names(site):
    """Known or not; a right password between them does not begin the count again."""
    for number in range(4):
        assert site.enter(f"n{number}", "wrong") is None
    assert site.enter() is not None
    assert site.enter("n9", "wrong") is None
    with pytest.raises(BusyError):
        site.enter()
    assert site.enter(address="10.0.0.2") is not None


def test_too_many_at_once_get_retry_after(site):
    """Each comparison takes 128 MiB: a crowd waits outside. Who was sent away has guessed nothing."""
    for _ in range(8):
        assert site.sign_in._waiting.acquire(blocking=False)
    for _ in range(6):
        with pytest.raises(BusyError, match="too many people sign in at once"):
            site.enter()
    site.sign_in._waiting.release()
    assert site.enter() is not None


def test_store_that_does_not_answer_blocks_no_one(site):
    """Nothing was compared, so nothing was wrong; what was wrong before stays counted."""
    for _ in range(4):
        assert site.enter(password="wrong") is None
    site.store.close()
    for _ in range(3):
        with pytest.raises(StoreError):
            site.enter()
    site.store.open()
    assert site.enter(password="wrong") is None
    with pytest.raises(BusyError):
        site.enter()


def test_password_is_computed_with_one_at_a_time(site, monkeypatch):
    """A new one and one that is compared alike: each takes 128 MiB."""
    held = []
    monkeypatch.setattr(people, "hash_password", lambda *_: held.append(people.PASSWORD_LOCK.locked()) or "x")
    monkeypatch.setattr(sign_in, "verify_password", lambda *_: held.append(people.PASSWORD_LOCK.locked()) or False)
    site.add("bob")
    assert site.enter() is None
    assert held == [True, True]


def test_start_link_makes_an_admin_once(site):
    """The second who follows it stays outside, as anyone who makes one up."""
    token = people.offer_link(site.store, clock=site.clock, act=site.act())
    assert site.operations()[0] == ("offer", "link:start-up")
    cookie = site.sign_in.by_link(token, SignInOrigin("127.0.0.1"))
    assert str(site.session(cookie).visitor(site.clock.now())) == "web:local"
    assert site.sign_in.by_link(token, SignInOrigin("127.0.0.1")) is None
    assert site.sign_in.by_link("made up", SignInOrigin("127.0.0.1")) is None
    assert token not in str(site.store.reader.read_text("select hash from start_links"))


def test_provider_signs_no_one_in_as_a_person_with_a_password(site):
    """The same name at a provider may be someone else."""
    with pytest.raises(ConflictError):
        site.sign_in.by_provider("ana", Role.VIEWER, None, SignInOrigin("::1"))
    cookie = site.sign_in.by_provider("eve@example.com", Role.VIEWER, ("a",), SignInOrigin("::1"))
    assert site.session(cookie).visitor(site.clock.now()).automations == ("a",)


@pytest.mark.parametrize("name", HOSTILE)
def test_name_that_could_mislead_is_not_taken(site, name):
    """Neither as a person's nor as a token's, and it signs no one in."""
    with pytest.raises(OptionError):
        site.token(name)
    with pytest.raises(OptionError):
        site.add(name)
    assert site.enter(name, "wrong") is None


def test_person_is_added_changed_and_removed_on_record(site):
    """Twice with one command id acts once; patterns and role are checked."""
    assert site.add("bob", Role.VIEWER, ["b-*"], command="c1") == "bob"
    assert site.add("bob", Role.VIEWER, ["b-*"], command="c1") == "bob"
    with pytest.raises(AlreadyExistsError):
        site.add("bob")
    with pytest.raises(OptionError):
        site.add("eve", Role.ADMIN, ["b-*"])
    with pytest.raises(OptionError):
        site.add("eve", password="short")
    people.change_person(site.store, "bob", Role.OPERATOR, None, act=site.act())
    assert person(site.store.reader, "bob").role is Role.OPERATOR
    people.remove_person(site.store, "bob", act=site.act())
    with pytest.raises(NotFoundError):
        people.remove_person(site.store, "bob", act=site.act())
    with pytest.raises(ConflictError, match="last admin"):
        people.remove_person(site.store, "ana", act=site.act())
    assert PASSWORD not in str(site.store.reader.read_text("select password from people")) + str(
        audit_rows(site.store.reader)
    )


def test_password_is_changed_by_who_knows_it(site):
    """The old one is compared; all other sessions end."""
    session, other_session = site.enter(), site.enter()
    origin = SignInOrigin("10.0.0.1")
    assert site.sign_in.confirms("ana", "wrong", origin) is None
    proof = site.sign_in.confirms("ana", PASSWORD, origin)
    options = {"clock": site.clock, "cost": CHEAP, "proof": proof, "keep": hash_key(session)}
    people.set_password(site.store, "ana", "another long one", act=site.act(), **options)
    assert (site.session(session) is None, site.session(other_session) is None) == (False, True)
    with pytest.raises(ConflictError):
        people.set_password(site.store, "ana", "yet another long one", act=site.act(), **options)
    assert site.enter() is None
    assert site.enter(password="another long one") is not None


def test_sessions_are_ended_by_who_may(site):
    """One of the own name, or all of a name."""
    first, second = site.enter(), site.enter()
    with pytest.raises(NotFoundError):
        people.end_session(site.store, site.session(first).id, "bob", act=site.act())
    people.end_session(site.store, site.session(first).id, "ana", act=site.act())
    assert site.session(first) is None
    assert people.end_sessions(site.store, "ana", act=site.act()) == 1
    assert site.session(second) is None


def test_token_is_displayed_once_and_kept_as_a_hash(site):
    """A repeated command cannot show it again; a revoked one opens nothing."""
    text = site.token(automations=["a"], command="c1")
    assert text.startswith("ms_")
    assert len(text) == 46
    found = token_of(site.store.reader, hash_key(text))
    assert (str(found.visitor(site.clock.now())), found.automations, found.by) == ("api:bot", ("a",), "web:ana")
    assert text not in str(site.store.reader.read_text("select * from api_tokens")) + str(audit_rows(site.store.reader))
    with pytest.raises(ConflictError, match="was created before"):
        site.token(automations=["a"], command="c1")
    with pytest.raises(AlreadyExistsError):
        site.token()
    with pytest.raises(OptionError):
        site.token("late", until_at=site.clock.now() - 1)
    people.revoke_token(site.store, found.id, act=site.act())
    assert token_of(site.store.reader, hash_key(text)) is None
