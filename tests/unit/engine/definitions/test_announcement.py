"""What a process can run, as data."""

import json
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.announcement import (
    build_announcement,
    encode_problems,
    find_load_findings,
    find_unloaded_automations,
)
from mainspring.engine.definitions.registry import Registry
from mainspring.store.views import AutomationView

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z

GOOD = """
import mainspring as ms

@ms.task
def kept() -> None: ...
"""
SCRIPTS = """
[script.copy]
cmd = "true"
[script.sweep]
cmd = "true"
frequency = "daily"
"""


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


def known(name, *, file="", module="", retired_at=None, kind="task", problem=None):
    """What the store has of an automation."""
    definition = json.dumps({"kind": kind, "name": name, "file": str(file), "module": str(module)}).encode()
    return AutomationView(name, kind, 3, definition, "code", 1, None, None, None, None, retired_at, problem, NOW)


@pytest.fixture
def project(tmp_path):
    """One module that loads, one that does not, a package that does not, and scripts, one of them wrong."""
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text("import gone_with_the_deploy\n" + GOOD)
    (tmp_path / "shop_of_the_test").mkdir()
    (tmp_path / "shop_of_the_test" / "__init__.py").write_text("raise RuntimeError('no stock\\nat all')\n")
    (tmp_path / "scripts.toml").write_text(SCRIPTS)
    return tmp_path


@pytest.fixture
def registry(project):
    return Registry.load(["*.py", "*.toml", "shop_of_the_test"], project)


def test_file_that_fails_reports_what_was_announced_from_it(project, registry):
    """Each with the reason as the last line, and without a definition: the last good one stays."""
    first, other = known("first", file=project / "bad.py"), known("other", file=project / "elsewhere.py")
    (row,) = find_unloaded_automations(registry, [first, other, known("kept", file=project / "bad.py")])
    assert (row.name, row.kind, row.version, row.fingerprint, row.definition) == ("first", "task", 3, "code", None)
    assert row.problem == f"{project / 'bad.py'}:1\nModuleNotFoundError: No module named 'gone_with_the_deploy'"


def test_module_that_fails_reports_its_parts_too(registry):
    """Of what it and what is below it declared, not of what is called alike."""
    rows = find_unloaded_automations(
        registry,
        [known(name, module=name) for name in ("shop_of_the_test", "shop_of_the_test.orders", "shop_of_the_testers")],
    )
    assert [row.name for row in rows] == ["shop_of_the_test", "shop_of_the_test.orders"]


def test_script_that_is_wrong_reports_itself_only(project, registry):
    """The others of its file are there."""
    scripts = [known(name, file=project / "scripts.toml", kind="script") for name in ("copy", "sweep")]
    (row,) = find_unloaded_automations(registry, scripts)
    assert row.name == "sweep"
    assert "frequency" in row.problem


def test_file_of_scripts_that_cannot_be_read_reports_all(project):
    """A slip in one line keeps every script of the file out."""
    (project / "scripts.toml").write_text("[script.copy\n")
    scripts = [known(name, file=project / "scripts.toml", kind="script") for name in ("copy", "sweep")]
    rows = find_unloaded_automations(Registry.load(["scripts.toml"], project), scripts)
    assert [row.name for row in rows] == ["copy", "sweep"]


def test_file_without_known_automations_is_a_finding(project, registry):
    """Where a known automation reports the problem, the project does not report it again."""
    scripts = [known("sweep", file=project / "scripts.toml", kind="script")]
    new, module = find_load_findings(registry, scripts, NOW)
    where, fix = new.why.split("\n")
    assert (new.name, new.since_at, module.name) == (str(project / "bad.py"), NOW, "shop_of_the_test")
    assert (
        where == f"{project / 'bad.py'}:1: failed to load: ModuleNotFoundError: No module named 'gone_with_the_deploy'"
    )
    assert fix.startswith("Install 'gone_with_the_deploy'")
    assert new not in find_load_findings(registry, [*scripts, known("first", file=project / "bad.py")], NOW)


def test_declaration_that_fails_is_a_finding_of_its_file(project):
    """An automation that was never known has no incident of its own."""
    (project / "calendar.py").write_text(GOOD.replace("@ms.task", "@ms.task(cron='nonsense')"))
    (finding,) = find_load_findings(Registry.load(["calendar.py"], project), [], NOW)
    assert finding.name == str(project / "calendar.py")


def test_retired_automation_is_not_missed(project, registry):
    """Someone said that it is over."""
    assert find_unloaded_automations(registry, [known("first", file=project / "bad.py", retired_at=NOW)]) == ()


def test_nothing_is_missing_where_all_is_healthy(project):
    """What is gone from the code without a problem is reported by its absence."""
    registry = Registry.load(["good.py"], project)
    assert (
        find_unloaded_automations(
            registry, [known("kept", file=project / "good.py"), known("gone", file=project / "good.py")]
        )
        == ()
    )


def test_new_version_of_a_change_is_a_new_deployment(tmp_path):
    """Also where the text of the workflow is the same, and a function that it calls asks for the version."""
    text = """
import mainspring as ms

async def pay(run): {}

@ms.workflow
async def order(run: ms.Run) -> None:
    await pay(run)
"""
    announced = []
    for number, body in enumerate(["return 1", "await run.version('by-card', 2)", "await run.version('by-card', 3)"]):
        (tmp_path / f"release_{number}.py").write_text(text.format(body))
        announced.append(build_announcement(Registry.load([f"release_{number}.py"], tmp_path), NOW))
    assert len({command.fingerprint for command in announced}) == 3
    assert len({row.fingerprint for command in announced for row in command.automations}) == 3


def test_problem_is_over_once_its_place_loads_without_it(project, registry):
    """Its definition was deleted since, or its file: what was wrong with that is no reason any more. Who had no problem is left alone."""
    gone = known("gone", file=project / "good.py", problem="ModuleNotFoundError: x")
    deleted = known("deleted", file=project / "was_here.py", problem="ModuleNotFoundError: x")
    script = known("removed", file=project / "scripts.toml", problem="no such option", kind="script")
    rows = find_unloaded_automations(registry, [gone, deleted, script, known("well", file=project / "good.py")])
    assert [(row.name, row.problem, row.definition) for row in rows] == [
        ("gone", None, None),
        ("deleted", None, None),
        ("removed", None, None),
    ]


def test_problem_of_what_is_loaded_elsewhere_stays(tmp_path, registry):
    """A worker that loads other modules, or has no such folder, cannot say that it is over."""
    loaded = [
        known("module", module="billing.orders", problem="ModuleNotFoundError: x"),
        known("folder", file=tmp_path / "other" / "file.py", problem="ModuleNotFoundError: x"),
    ]
    assert find_unloaded_automations(registry, loaded) == ()
