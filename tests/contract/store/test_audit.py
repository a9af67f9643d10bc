"""Acts: on record with the change, once per command id, in a chain that shows tampering."""

import msgspec
import pytest

from mainspring.domain.errors import StoreError
from mainspring.store.commands.automations import AcquireLock, BreakLock, PauseAutomation, SetMeta, SetQueue
from mainspring.store.commands.results import DONE, LockGranted
from mainspring.store.commands.runs import CancelRun
from mainspring.store.read import audit_pages
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.status.status import audit_rows_of
from tests.contract.store.process import audited


def test_operation_and_its_row_are_one_commit(store):
    """The row says who did what to what, why, and how it was answered."""
    act = audited(PauseAutomation("a", None, "ann", None), verb="auto.pause", reason="noisy", detail={"x": 1})
    assert store.do(act) == DONE
    (row,) = store.read("audit_rows")
    assert (row.command, row.actor, row.verb, row.subject, row.reason, row.detail) == (
        *(act.command, "cli:ann@box", "auto.pause", "it", "noisy", b'{"x":1}'),
    )
    assert store.read("automations", "a")[0].paused_by == "ann"


def test_same_command_works_once(store):
    """The same command id again answers as before and changes nothing, even when the state has moved on."""
    act = audited(AcquireLock("l", "ann"))
    assert store.do(act) == LockGranted(1, 1)
    store.do(BreakLock("l"))
    assert store.do(act) == LockGranted(1, 1)
    assert store.read("locks") == []
    assert len(store.read("audit_rows")) == 1


def test_refused_operation_is_on_record(store):
    """What was tried and refused is on record too, with its answer."""
    act = audited(CancelRun("r_none", "c"))
    refused = store.do(act)
    assert refused.code == "not_found"
    assert b"not_found" in store.read("audit_rows")[0].result
    assert store.do(act) == refused


def test_failed_operation_leaves_no_row(store):
    """An act that cannot be executed is answered with an error; neither it nor its row is committed, others are."""
    results = store.do(audited(SetQueue("good")), audited(object(), "bad"), audited(SetQueue("fine")))
    assert isinstance(results[1], Exception)
    assert isinstance(results[1], StoreError)
    assert [row.command for row in store.read("audit_rows")].count("bad") == 0
    assert {"good", "fine"} <= {queue.name for queue in store.read("queue_views")}


def test_operations_are_found_by_entry_point(store, clock):
    """Newest first, since an instant, among so many of all; a door is not the beginning of another's name."""
    started_at = clock.now()
    for place, who in enumerate(("cli:ann@box", "api:bot", "web:ana", "climb:x")):
        clock.forward(1_000)
        store.do(msgspec.structs.replace(audited(SetQueue("q", concurrency=place + 1), verb=f"v{place}"), actor=who))

    def found(since_at=started_at, among=10, limit=10):
        rows, has_more = audit_rows_of(store.reader, ("cli", "web"), since_at, among=among, limit=limit)
        return [row.actor for row in rows], has_more

    assert found() == (["web:ana", "cli:ann@box"], False)
    assert found(started_at + 2_000) == (["web:ana"], False)
    assert found(among=3) == (["web:ana"], True)
    assert found(started_at + 2_000, among=3) == (["web:ana"], False)
    assert found(limit=1) == (["web:ana"], True)


def fill(store, n=6):
    for i in range(n):
        store.do(audited(SetQueue(f"q{i}", concurrency=i + 1), verb="queue.set", reason="r"))


def test_whole_chain_is_accepted(store, second):
    """A log that no one touched is whole, whichever process wrote it."""
    fill(store, 3)
    fill(second, 3)
    check = store.read("verify_audit")
    assert (check.broken_at, check.rows) == (None, 6)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("update audit_log set actor = 'cli:eve@box' where seq = 3", 3),
        ("update audit_log set reason = null where seq = 4", 4),
        ("update audit_log set at = at + 1 where seq = 1", 1),
        ("update audit_log set result = cast('{}' as BYTES) where seq = 6", 6),
        ("delete from audit_log where seq = 2", 3),
        ("delete from audit_log where seq = 1", 2),
        ("update audit_log set prev_hash = hash where seq = 5", 5),
        ("update audit_log set seq = 9 where seq = 6", 9),
    ],
)
def test_tampering_is_found(store, statement, found):
    """A row that was changed, taken out or renumbered is where the check ends."""
    fill(store)
    store.tamper(statement)
    assert store.read("verify_audit").broken_at == found


def test_pages_of_the_log(store):
    """The log is read newest first, page by page."""
    fill(store)
    first = store.read("audit_rows", limit=4)
    rest = store.read("audit_rows", limit=4, cursor=first[-1].seq)
    assert [row.seq for row in first + rest] == [6, 5, 4, 3, 2, 1]


def test_parts_of_an_operation_are_found_by_its_id(store):
    """Those of this one alone, whatever other ids begin alike."""
    for command in ("c.1", "c.1/a", "c.1/b", "c.10/a", "c.2/a"):
        store.do(audited(SetMeta(command, "1"), command))
    assert [row.command for row in store.read("audit_rows_of_bulk", "c.1")] == ["c.1/a", "c.1/b"]
    assert store.read("audit_rows_of_bulk", "c.3") == []


def act(store, clock, actor, verb, subject):
    """Put an act on record, a second after the last."""
    clock.forward(1_000)
    store.do(msgspec.structs.replace(audited(SetMeta("x", verb), verb=verb), actor=actor, subject=subject))


@pytest.fixture
def log(store, clock):
    """Six acts, a second apart, and the instant before them; one of them is with a run of `a`."""
    started_at = clock.now()
    run = store.start("a").run
    for actor, verb, subject in (
        ("cli:ann@box", "pause", "automation:a"),
        ("cli:ann@lap", "retry", f"run:{run}"),
        ("web:ann", "retry", "run:gone"),
        ("api:annabel", "cancel", "run:gone"),
        ("cli:bob@box", "pause", "automation:b"),
        ("link:bob", "acknowledge", "incident:i"),
    ):
        act(store, clock, actor, verb, subject)
    return started_at


FITTING = [
    ({}, [6, 5, 4, 3, 2, 1]),
    ({"who": "ann"}, [3, 2, 1]),
    ({"who": "cli:ann@box"}, [1]),
    ({"who": "cli:ann@box", "way": "web"}, []),
    ({"who": "ann", "way": "cli"}, [2, 1]),
    ({"who": "an"}, []),
    ({"act": "pause"}, [5, 1]),
    ({"act": "pause", "who": "bob"}, [5]),
    ({"act": "pause", "automation": "b"}, [5]),
    ({"subject": "run:gone"}, [4, 3]),
    ({"subject": "run:gone", "who": "ann"}, [3]),
    ({"subject": "run:gone", "act": "cancel", "way": "api"}, [4]),
    ({"automation": "a"}, [2, 1]),
    ({"way": "link"}, [6]),
    ({"way": "app"}, []),
]


def test_log_is_filtered(store, log):
    """By whom, at which door, what, with which, from and until when; a name means anyone who has it, and no longer one."""
    for filters, expected in FITTING:
        page = audit_page(store.reader, AuditFilter(**filters))
        assert ([row.seq for row in page.rows], page.cursor) == (expected, None), filters
    for since, until, seqs in ((0, 9, "654321"), (3, 9, "6543"), (0, 3, "21"), (2, 4, "32"), (7, 9, ""), (0, 1, "")):
        at = AuditFilter(since_at=log + since * 1000, until_at=log + until * 1000)
        assert "".join(str(row.seq) for row in audit_page(store.reader, at).rows) == seqs, (since, until)


def test_pages_of_a_filter_are_whole(store, log, monkeypatch):
    """However little is looked at for one page, all pages together hold what fits, each once, newest first."""
    for reach in (1, 2):
        monkeypatch.setattr(audit_pages, "MOST_READ", reach)
        for filters, expected in FITTING:
            assert paged(store.reader, AuditFilter(**filters)) == expected, (reach, filters)


def paged(reader, filters):
    """Return what all pages of one row hold; an endless list ends in an error."""
    found, cursor = [], None
    for _ in range(20):
        page = audit_page(reader, filters, limit=1, cursor=cursor)
        found += [row.seq for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError(filters)
