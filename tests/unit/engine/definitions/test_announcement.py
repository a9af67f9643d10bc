"""What a process can run, as data."""

from typing import Any

import msgspec

import mainspring as ms
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.announcement import build_announcement, encode_problems
from mainspring.engine.definitions.registry import Registry

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def declared(version: int = 1, **options: Any) -> Registry:
    with Registry() as registry:

        @ms.task(version=version, **options)
        def work(account: str = "main") -> None: ...

    return registry


def test_announcement_holds_each_definition_as_data():
    """Name, kind, version, fingerprint, and all of it as JSON."""
    (row,) = build_announcement(declared(3, owner="ops"), NOW).automations
    assert (row.name, row.kind, row.version) == ("work", "task", 3)
    assert msgspec.json.decode(row.definition)["options"]["owner"] == "ops"


def test_schedule_gets_its_next_slot_from_the_instant_of_the_announcement():
    """The slot after it, never one that is over."""
    (schedule,) = build_announcement(declared(cron="0 3 * * *"), NOW).schedules
    assert (schedule.name, schedule.next_slot_at) == ("work", NOW + 3 * 3_600_000)


def test_several_schedules_of_one_automation_have_names_of_their_own():
    """They are numbered, so that each keeps its own last slot."""
    schedules = build_announcement(declared(cron=["0 3 * * *", "0 4 * * *"]), NOW).schedules
    assert [schedule.name for schedule in schedules] == ["work#1", "work#2"]


def test_schedule_that_cannot_start_by_itself_becomes_a_problem_once():
    """A default that is too large to be saved is no value at a due time."""
    with Registry() as registry:

        @ms.task(every="1h")
        def work(account: str = "x" * 100) -> None: ...

    for _ in range(2):
        assert build_announcement(registry, NOW, Sealing(limit=50)).schedules == ()
    (problem,) = msgspec.json.decode(encode_problems(registry))
    assert "cannot start without arguments" in problem["what"]
    assert problem["how"]


def test_fingerprint_changes_with_version_and_not_with_order():
    """It numbers deployments: the same definitions are the same deployment."""
    assert build_announcement(declared(), NOW).fingerprint == build_announcement(declared(), NOW + 5).fingerprint
    assert build_announcement(declared(), NOW).fingerprint != build_announcement(declared(2), NOW).fingerprint


def test_former_name_is_announced():
    """History and runs are carried over by it."""
    (row,) = build_announcement(declared(was="old_work"), NOW).automations
    assert row.was == "old_work"
