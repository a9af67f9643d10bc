"""Findings of replays: what several runs have in common is one finding."""

from mainspring.app.deploy.replay_findings import ReplayFindings
from mainspring.app.deploy.report import DeployFindingKind
from mainspring.app.replay.replay_protocol import ReplayReport
from mainspring.engine.driver.replay import ReplayResult, ReplayVerdict
from mainspring.store.read.runs.replayable_runs import RunGroupKey

GROUP = RunGroupKey("order", "workflow", 1, False, frozenset())


def drift(ident: str, was: str) -> ReplayReport:
    changes = [{"path": "$.amount", "was": was, "now": "0"}]
    return ReplayReport(ReplayResult(ReplayVerdict.DRIFT, f"the step ({ident}) differs", ident, changes, "Accept it."))


def test_replay_findings_of_one_step_are_one_finding() -> None:
    """Keys of a step may differ, uses of its name may not; the first run gives the text and the differences."""
    findings = ReplayFindings()
    for run, ident in (("r1", "charge[17]"), ("r2", "charge[18]"), ("r3", "mail#1"), ("r4", "mail#2")):
        findings.add(GROUP, run, drift(ident, was=run))
    first, *other_findings = findings.build()
    assert (first.kind, first.step, first.number, first.runs) == (
        DeployFindingKind.DRIFT,
        "charge[17]",
        2,
        ["r1", "r2"],
    )
    assert [change.was for change in first.changes] == ["r1"]
    assert [finding.step for finding in other_findings] == ["mail#1", "mail#2"]


def test_replay_findings_without_a_step_compare_texts_without_their_values() -> None:
    """A thousand runs that fail with their own number are one finding, with five of them."""
    findings = ReplayFindings()
    for number in range(1_000):
        text = f"the stored run succeeded, and the code failed: ValueError: order {number}"
        findings.add(GROUP, f"r{number}", ReplayReport(ReplayResult(ReplayVerdict.OTHER_END, text)))
    (finding,) = findings.build()
    assert (finding.number, finding.runs) == (1_000, ["r0", "r1", "r2", "r3", "r4"])


def test_replay_findings_name_a_refused_call_instead_of_what_followed() -> None:
    """A body without its connection takes another path, which says nothing about the code."""
    findings = ReplayFindings()
    report = ReplayReport(drift("charge#1", "7").result, ["socket.connect"])
    findings.add(GROUP, "r1", report)
    findings.add(GROUP, "r2", ReplayReport(ReplayResult(ReplayVerdict.SAME)))
    (finding,) = findings.build()
    assert (finding.kind, finding.number) == (DeployFindingKind.NOT_REPLAYED, 1)
    assert "socket.connect" in finding.text
