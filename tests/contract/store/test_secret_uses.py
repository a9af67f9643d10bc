"""Uses of secrets on every store: counted by hour, once for a command, digested once a day, and what delays a retirement."""

import pytest

from mainspring.domain.access.permissions import EntryPoint
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.service.secret import DAY_MS, hash_uses, record_digest
from mainspring.store.commands.secrets import RecordSecretUses
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.secret_uses import list_last_uses, list_old_attempts, list_secret_uses

HOUR_MS = 3_600_000


def use(secret="STRIPE", version="v1", step="charge", automation="pay"):
    return SecretUse(
        secret=secret, version=version, provider="age:x", actor="worker a", automation=automation, step=step
    )


@pytest.fixture
def day(store):
    """The start of the day of the store's clock, which is set to its first hour."""
    now = store.clock.now()
    store.clock.forward(DAY_MS - now % DAY_MS + 60_000)
    return store.clock.now() // DAY_MS * DAY_MS


def rows(store, day, secret=None):
    found = list_secret_uses(store.reader, secret, day, day + DAY_MS, 100)
    return [(row.hour_at - day, row.secret, row.version, row.step, row.number) for row in found]


def test_uses_are_counted_by_hour(store, second, day):
    """Of two processes together; one command that is sent again counts once."""
    for number, uses in enumerate([(use(), use("MAIL")), (use(),), (use(version="v2"),)], start=1):
        store.do(RecordSecretUses(number, uses))
    store.do(RecordSecretUses(2, (use(),)))
    second.do(RecordSecretUses(1, (use(),)))
    store.clock.forward(HOUR_MS)
    store.do(RecordSecretUses(4, (use(step="refund"),)))
    assert rows(store, day) == [
        (HOUR_MS, "STRIPE", "v1", "refund", 1),
        (0, "MAIL", "v1", "charge", 1),
        (0, "STRIPE", "v1", "charge", 3),
        (0, "STRIPE", "v2", "charge", 1),
    ]
    assert rows(store, day, "MAIL") == [(0, "MAIL", "v1", "charge", 1)]
    last = {(found.secret, found.version): found.step for found in list_last_uses(store.reader, day)}
    assert last == {("STRIPE", "v1"): "refund", ("STRIPE", "v2"): "charge", ("MAIL", "v1"): "charge"}
    assert list_old_attempts(store.reader, store.clock.now()) == []


def test_uses_sent_again_in_the_next_hour_count_once(store, day):
    """A lost answer, then an outage over the end of the hour; a later command of the same group is new."""
    store.do(RecordSecretUses(1, (use(), use("MAIL"))))
    store.clock.forward(HOUR_MS)
    store.again(RecordSecretUses(1, (use(), use("MAIL"))), RecordSecretUses(2, (use(),)), RecordSecretUses(3, (use(),)))
    assert rows(store, day) == [
        (HOUR_MS, "STRIPE", "v1", "charge", 2),
        (0, "MAIL", "v1", "charge", 1),
        (0, "STRIPE", "v1", "charge", 1),
    ]


def test_digest_of_a_day_is_recorded_once(store, day):
    """In the hash chain of the audit log, after no commit of that day can come any more; it is that of the rows."""
    store.do(RecordSecretUses(1, (use(),)))
    assert record_digest(store, store.reader, store.clock.now()) is None, "the day is not over"
    store.clock.forward(DAY_MS)
    assert record_digest(store, store.reader, store.clock.now()) is None, "a commit may be on its way"
    store.clock.forward(HOUR_MS)
    digest = record_digest(store, store.reader, store.clock.now())
    assert digest == hash_uses(list(list_secret_uses(store.reader, None, day, day + DAY_MS, 100)))
    record_digest(store, store.reader, store.clock.now())
    (entry,) = audit_page(store.reader, AuditFilter(subject="secrets:uses")).rows
    assert digest.encode() in (entry.detail or b"")
    assert entry.actor.partition(":")[0] not in list(EntryPoint)
