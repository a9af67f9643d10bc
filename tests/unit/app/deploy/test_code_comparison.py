"""Comparison of loaded code with what a store has, as plain data."""

from typing import Any

import msgspec

from mainspring.app.deploy.code_comparison import StoredCode, list_code_findings
from mainspring.app.deploy.replay_protocol import LoadedCode
from mainspring.app.deploy.report import DeployFinding, DeployFindingKind
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.engine.definitions.flag_questions import FlagQuestionPlace
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.store.read.runs.replayable_runs import RunGroupKey
from mainspring.store.views import AutomationView


def define(name: str, **more: Any) -> Definition:
    return Definition(kind=DefinitionKind.WORKFLOW, name=name, **more)


def store_with(*definitions: Definition, flags: list[str] | None = None, **scheduled: int) -> StoredCode:
    views = []
    for definition in definitions:
        values: dict[str, Any] = dict.fromkeys(AutomationView.__struct_fields__)
        data = msgspec.json.encode(definition.to_data())
        values |= {"name": definition.name, "kind": "workflow", "version": definition.version, "definition": data}
        views.append(AutomationView(**values))
    return StoredCode(views, scheduled, flags)


def load(*definitions: Definition, **more: Any) -> LoadedCode:
    values: dict[str, Any] = {"former_names": {}, "problems": [], "questions": [], **more}
    return LoadedCode([definition.to_data() for definition in definitions], **values)


def group(automation: str, version: int = 1, *, is_ended: bool = False, kind: str = "workflow") -> RunGroupKey:
    return RunGroupKey(automation, kind, version, is_ended, frozenset())


def kinds_of(findings: list[DeployFinding]) -> list[tuple[DeployFindingKind, str | None]]:
    return [(finding.kind, finding.automation) for finding in findings]


def test_code_that_lacks_an_automation_is_found_only_if_something_is_lost() -> None:
    """Unfinished runs or schedules; not for one that has neither, nor for its finished runs."""
    stored = store_with(define("order"), define("report"), define("idle"), report=2)
    groups = {group("order"): ["r1", "r2"], group("idle", is_ended=True): ["r3"], group("step", kind="step"): ["r4"]}
    findings = list_code_findings(load(), stored, groups)
    assert kinds_of(findings) == [(DeployFindingKind.REMOVED, "order"), (DeployFindingKind.REMOVED, "report")]
    assert "2 unfinished runs" in findings[0].text
    assert findings[0].runs == ["r1", "r2"]
    assert "2 schedules" in findings[1].text


def test_code_with_another_version_is_found_while_runs_have_the_old_one() -> None:
    """The finding counts them and names both versions; code that has both versions is complete."""
    groups = {group("order", 1): ["r1"], group("order", 2): ["r2"]}
    (finding,) = list_code_findings(load(define("order", version=2)), None, groups)
    assert (finding.kind, finding.version, finding.number) == (DeployFindingKind.REMOVED, 1, 1)
    assert "1 unfinished run of version 1, and the code has version 2" in finding.text
    assert list_code_findings(load(define("order", version=2), define("order")), None, groups) == []


def test_code_that_renames_an_automation_loses_nothing() -> None:
    """The new name is a change of the definition."""
    stored = store_with(define("order"), order=1)
    code = load(define("sale"), former_names={"order": "sale"})
    (finding,) = list_code_findings(code, stored, {group("order"): ["r1"]})
    assert (finding.kind, finding.automation) == (DeployFindingKind.DEFINITION, "sale")
    assert [(change.path, change.was, change.now) for change in finding.changes] == [("name", "order", "sale")]


def test_unknown_flags_are_named_once_with_their_places() -> None:
    """With the nearest name; a provider that answers for flags knows others than the store."""
    places = [
        FlagQuestionPlace(name, f"work.py:{line}") for line, name in enumerate(("new-mialer", "old", "new-mialer"))
    ]
    stored = store_with(flags=["new-mailer", "old"])
    (finding,) = list_code_findings(load(questions=places), stored, {})
    assert finding.kind is DeployFindingKind.UNKNOWN_FLAG
    assert "work.py:0, work.py:2" in finding.text
    assert "'new-mailer'" in (finding.hint or "")
    assert list_code_findings(load(questions=places), store_with(flags=None), {}) == []


def test_problems_of_the_code_name_a_refused_connection() -> None:
    """A module that connects while it is imported does not load in the check."""
    problem = LoadProblem(where="work.py:1", what="failed to load: PermissionError", how="Fix the import.")
    (finding,) = list_code_findings(load(problems=[problem], refused=["socket.connect"]), None, {})
    assert finding.kind is DeployFindingKind.NOT_LOADED
    assert "socket.connect was refused" in (finding.hint or "")
