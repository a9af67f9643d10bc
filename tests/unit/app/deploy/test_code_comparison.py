"""Comparison of loaded code with what a store has, as plain data."""

from typing import Any

import msgspec

from mainspring.app.deploy.code_comparison import StoredCode, list_code_findings
from mainspring.app.deploy.report import DeployFinding, DeployFindingKind
from mainspring.app.replay.replay_protocol import LoadedCode
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.states import RolloutState
from mainspring.engine.definitions.flag_questions import FlagQuestionPlace
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.store.read.runs.replayable_runs import RunGroupKey
from mainspring.store.views import AutomationView


def define(name: str, **more: Any) -> Definition:
    return Definition(kind=DefinitionKind.WORKFLOW, name=name, **more)


def store_with(
    *definitions: Definition, flags: list[str] | None = None, rollouts: list[Rollout] | None = None, **scheduled: int
) -> StoredCode:
    views = []
    for definition in definitions:
        values: dict[str, Any] = dict.fromkeys(AutomationView.__struct_fields__)
        data = msgspec.json.encode(definition.to_data())
        values |= {"name": definition.name, "kind": "workflow", "version": definition.version, "definition": data}
        views.append(AutomationView(**values))
    return StoredCode(views, scheduled, flags, rollouts or [])


def rollout(old: int, new: int, state: RolloutState) -> Rollout:
    """Return the only rollout of the automation order."""
    values: dict[str, Any] = {
        "steps": (500_000, 1_000_000),
        "step": 0,
        "hold_ms": 1,
        "age_ms": 1,
        "margin": 1,
        "started_at": 0,
    }
    values |= {"old_version": old, "new_version": new, "fingerprint": "f", "in_flight": InFlightPolicy.FINISH}
    return Rollout(id=1, automation="order", state=state, step_at=0, **values)


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


def test_code_that_lacks_the_version_in_force_is_found() -> None:
    """A version with rollout=True takes no run by itself, and neither does one that was rolled back."""
    stored = store_with(define("order"))
    (finding,) = list_code_findings(load(define("order", version=2, options={"rollout": True})), stored, {})
    assert (finding.kind, finding.version) == (DeployFindingKind.REMOVED, 1)
    assert finding.text == "version 1 is in force, and the code has version 2"
    stored = store_with(define("order"), rollouts=[rollout(1, 2, RolloutState.ROLLED_BACK)])
    (finding,) = list_code_findings(load(define("order", version=2)), stored, {group("order"): ["r1"]})
    assert finding.text == "version 1 is in force, 1 unfinished run of version 1, and the code has version 2"
    assert list_code_findings(load(define("order", version=3)), stored, {})[0].kind is DeployFindingKind.DEFINITION


def test_code_that_lacks_a_version_of_a_rollout_in_progress_is_found() -> None:
    """Its part of the new runs would wait; another version without rollout=True ends the rollout, and the finding says so."""
    stored = store_with(define("order"), rollouts=[rollout(1, 2, RolloutState.PAUSED)])
    (finding,) = list_code_findings(load(define("order")), stored, {})
    assert finding.text == "version 2 gets new runs by a rollout, and the code has version 1"
    assert finding.hint == "They wait for a worker that loads it. Keep it, or first: mainspring rollout abort order"
    (finding,) = list_code_findings(load(define("order", version=3)), stored, {})
    assert finding.hint == "It takes force at once, and ends the rollout to version 2."


def test_changed_version_of_a_rollout_in_progress_is_found() -> None:
    """Its definition is not in force yet, and the evidence is about the code before. One that waits for a rollout changes nothing."""
    code = load(define("order"), define("order", version=2, options={"rollout": True, "queue": "mail"}))
    row = store_with(define("order", version=2, options={"rollout": True})).automations[0]
    stored = store_with(define("order"), rollouts=[rollout(1, 2, RolloutState.RUNNING)])
    (finding,) = list_code_findings(code, msgspec.structs.replace(stored, candidates=[row]), {})
    assert (finding.kind, finding.automation, finding.version) == (DeployFindingKind.DEFINITION, "order", 2)
    assert [(change.path, change.was, change.now) for change in finding.changes] == [("queue", "default", "mail")]
    assert finding.hint == "It takes force when its rollout finishes. The evidence so far is about the code before."
    assert list_code_findings(code, stored, {}) == []


def test_old_version_does_not_change_what_a_rollout_brought_into_force() -> None:
    """Its code stays in the deployment until its last run has ended."""
    stored = store_with(define("order", version=2), rollouts=[rollout(1, 2, RolloutState.FINISHED)])
    (finding,) = list_code_findings(load(define("order", options={"every": "1h"})), stored, {})
    assert (finding.kind, finding.version) == (DeployFindingKind.REMOVED, 2)


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
