"""What changed just before a failure."""

from mainspring.domain.changes import BEFORE_MS, ActOnRecord, Changes, Deployment, changed_before

MINUTE = 60_000
FAILED_AT = 10 * BEFORE_MS


def before(minutes):
    return FAILED_AT - minutes * MINUTE


def test_new_code_and_acts_are_told_newest_first():
    """With the time from each to the failure; what is of another automation or queue is not told."""
    changes = Changes(
        (Deployment(6, before(50)), Deployment(7, before(12))),
        (
            ActOnRecord(before(3), "ann", "resume", "queue:mail"),
            ActOnRecord(before(40), "bob", "pause", "automation:backup"),
            ActOnRecord(before(2), "ann", "pause", "automation:other"),
            ActOnRecord(before(1), "ann", "pause", "queue:other"),
        ),
    )
    assert changed_before(changes, FAILED_AT, "backup", "mail", 7, 0) == (
        "queue mail was resumed by ann 3m before; deployment 7 was announced 12m before; it was paused by bob 40m before"
    )


def test_only_the_hour_before_counts():
    """Neither what is older nor what came after the failure; its border counts."""
    acts = (
        ActOnRecord(FAILED_AT + 1, "ann", "pause", "automation:a"),
        ActOnRecord(FAILED_AT - BEFORE_MS - 1, "ann", "resume", "automation:a"),
    )
    assert changed_before(Changes((), acts), FAILED_AT, "a", "default", 1) == ""
    edge = Changes((Deployment(2, FAILED_AT - BEFORE_MS),), ())
    assert changed_before(edge, FAILED_AT, "a", "default", 2, 0) == "deployment 2 was announced 1h before"


def test_first_deployments_are_no_suspects():
    """Neither the first one of all, nor the one that brought the automation: there was nothing that it could have changed."""
    first = Changes((Deployment(1, before(10)),), ())
    assert changed_before(first, FAILED_AT, "a", "default", 1, 0) == ""
    brought = Changes((Deployment(7, before(10)),), ())
    assert changed_before(brought, FAILED_AT, "a", "default", 7, before(9)) == ""
    assert changed_before(brought, FAILED_AT, "a", "default", 7, None) == ""
    assert changed_before(brought, FAILED_AT, "a", "default", 7, before(11)) == "deployment 7 was announced 10m before"


def test_no_more_than_three_are_told():
    """A message has to fit."""
    acts = tuple(ActOnRecord(before(n), "ann", "pause", "automation:a") for n in range(1, 6))
    assert changed_before(Changes((), acts), FAILED_AT, "a", "default", 1).count("paused") == 3
