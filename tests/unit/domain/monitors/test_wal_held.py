"""A write-ahead log that cannot be emptied: after its time, with the readers of the moment."""

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedProcess
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind

NOW = 1_800_000_000_000
MINUTE = 60_000
MONITOR = MONITORS[IncidentKind.WAL_HELD]
SIZE = ("size", "the write-ahead log is larger than 64 MiB")
READER = ("process 7", "process 7 (python report.py)")


def evaluate_wal(*found, **process):
    """Return what is judged of findings (name, why, minutes that it has lasted) of a watcher."""
    findings = tuple(
        ProcessFinding(ProcessFindingKind.WAL, name, reason, NOW - lasts * MINUTE) for name, reason, lasts in found
    )
    watcher = WatchedProcess(
        session=1, role="watcher", host="box", pid=1, beat_at=NOW, opened_at=0, findings=findings, **process
    )
    return [finding.finding for finding in MONITOR.evaluate(MonitorInputs(processes=(watcher,)), MONITOR.tuning, NOW)]


def test_reader_of_five_minutes_is_a_finding_by_its_name():
    """Not a minute before."""
    assert evaluate_wal((*READER, 4)) == [None]
    (finding,) = evaluate_wal((*READER, 5))
    assert finding.text == "the write-ahead log cannot be emptied: process 7 (python report.py) keeps reading the store"
    assert (finding.severity, finding.since_at) == (Severity.NOTIFY, NOW - 5 * MINUTE)


def test_large_log_is_a_finding_with_its_reader():
    """Also with who has read for a short while only, and with no one."""
    (finding,) = evaluate_wal((*SIZE, 6), (*READER, 1))
    assert finding.text.startswith(
        "the write-ahead log is larger than 64 MiB: process 7 (python report.py) keeps reading"
    )
    (finding,) = evaluate_wal((*SIZE, 6))
    assert finding.text == "the write-ahead log is larger than 64 MiB and is not emptied"
    assert "lsof" in finding.hint


def test_finding_of_a_dead_process_does_not_count():
    """Nor is anything judged where nothing was found."""
    assert evaluate_wal((*SIZE, 9), gone=True) == []
    assert evaluate_wal() == []
