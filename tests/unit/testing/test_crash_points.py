"""Crash points: a run is killed everywhere, and the report names what is not safe to repeat."""

import os

import pytest

from mainspring.testing import Lab
from mainspring.testing.crash.crash_everywhere import CrashOptions
from tests.crash_samples.samples import PLANTED, make_sample

LONG = os.environ.get("TESTS_LONG") == "1"
FAULTY, RIGHT = (200, 100) if LONG else (10, 5)

INSIDE = ("check after effect", "lost finally")
"""Faults that a kill finds only between two lines of the step."""


@pytest.mark.parametrize("seed", range(FAULTY))
def test_planted_fault_is_named(tmp_path, seed):
    """The step with the fault is in a finding."""
    sample = make_sample(seed, faulty=True)
    with Lab(sample.write(tmp_path)) as lab:
        report = lab.crash_everywhere("sample", 7, options=CrashOptions(lines=sample.kind in INSIDE))
    named = [case.point.step.partition("#")[0] for case in report.findings]
    assert PLANTED in named, f"{sample.kind}\n{sample.source}\n{report}"


@pytest.mark.parametrize("seed", range(RIGHT))
def test_correct_workflow_has_no_finding(tmp_path, seed):
    """No false alarm, and each point was reached."""
    sample = make_sample(seed, faulty=False)
    with Lab(sample.write(tmp_path)) as lab:
        report = lab.crash_everywhere("sample", 7, options=CrashOptions(lines=LONG))
    assert report.ok, f"{sample.kind}\n{sample.source}\n{report}"
    assert not [case for case in report.cases if case.verdict == "not reached"], str(report)
