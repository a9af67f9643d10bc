"""What changed just before a failure."""

from mainspring.domain.incidents.recent_changes import (
    CHANGE_WINDOW_MS,
    Deployment,
    RecentChanges,
    RecordedOperation,
    describe_changes,
)

MINUTE = 60_000
FAILED_AT = 10 * CHANGE_WINDOW_MS


def before(minutes):
    return FAILED_AT - minutes * MINUTE


def test_new_code_and_operations_are_reported_newest_first():
    """With the time from each to the failure; what is of another automation or queue is not told."""
    changes = RecentChanges(
        (Deployment(6, before(50)), Deployment(7, before(12))),
        (
            RecordedOperation(before(3), "ann", "resume", "queue:mail"),
            RecordedOperation(before(40), "bob", "pause", "automation:backup"),
            RecordedOperation(before(2), "ann", "pause", "automation:other"),
            RecordedOperation(before(1), "ann", "pause", "queue:other"),
        ),
    )
    assert describe_changes(changes, FAILED_AT, "backup", "mail", 7, 0) == (
        "queue mail was resumed by ann 3m before; deployment 7 was announced 12m before; it was paused by bob 40m before"
    )


def test_moves_of_a_rollout_are_changes():
    """A failure that begins right after a step forward may come from the new version."""
    operations = (
        RecordedOperation(before(9), "ann", "rollout start", "automation:a"),
        RecordedOperation(before(4), "guard:rollouts", "rollout advance", "automation:a"),
        RecordedOperation(before(2), "guard:rollouts", "rollout roll back", "automation:a"),
    )
    assert describe_changes(RecentChanges(operations=operations), FAILED_AT, "a", "", 7, 0) == (
        "its rollout was rolled back by guard:rollouts 2m before; its rollout was taken to its next step by "
        "guard:rollouts 4m before; its rollout was started by ann 9m before"
    )


def test_only_the_hour_before_counts():
    """Neither what is older nor what came after the failure; its border counts."""
    operations = (
        RecordedOperation(FAILED_AT + 1, "ann", "pause", "automation:a"),
        RecordedOperation(FAILED_AT - CHANGE_WINDOW_MS - 1, "ann", "resume", "automation:a"),
    )
    assert describe_changes(RecentChanges((), operations), FAILED_AT, "a", "default", 1) == ""
    edge = RecentChanges((Deployment(2, FAILED_AT - CHANGE_WINDOW_MS),), ())
    assert describe_changes(edge, FAILED_AT, "a", "default", 2, 0) == "deployment 2 was announced 1h before"


def test_first_deployments_are_no_recent_changes():
    """Neither the first one of all, nor the one that brought the automation: there was nothing that it could have changed."""
    first = RecentChanges((Deployment(1, before(10)),), ())
    assert describe_changes(first, FAILED_AT, "a", "default", 1, 0) == ""
    brought = RecentChanges((Deployment(7, before(10)),), ())
    assert describe_changes(brought, FAILED_AT, "a", "default", 7, before(9)) == ""
    assert describe_changes(brought, FAILED_AT, "a", "default", 7, None) == ""
    assert (
        describe_changes(brought, FAILED_AT, "a", "default", 7, before(11)) == "deployment 7 was announced 10m before"
    )


def test_no_more_than_three_are_reported():
    """A message has to fit."""
    operations = tuple(RecordedOperation(before(n), "ann", "pause", "automation:a") for n in range(1, 6))
    assert describe_changes(RecentChanges((), operations), FAILED_AT, "a", "default", 1).count("paused") == 3
