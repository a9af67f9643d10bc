"""What a release is checked for, and that nothing of ours is built with what has no hash."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from scripts import release_check

ROOT = Path(__file__).resolve().parents[1]
CLEAN = {"dependencies": [{"name": "click", "version": "8.1", "vulns": []}]}
VULNERABLE = {
    "dependencies": [{"name": "click", "version": "8.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["8.2"]}]}]
}


def answering(stdout="", stderr="", code=0):
    """A tool that answers so, whatever it is asked."""
    return lambda words: subprocess.CompletedProcess(words, code, stdout, stderr)


@pytest.mark.parametrize("strict", [False, True])
def test_known_vulnerability_is_a_finding(strict):
    """With its package, its id and the version that has it no more, in each list."""
    found = release_check.audit(answering(json.dumps(VULNERABLE), code=1), strict=strict)
    assert found == [f"{name}.txt: click 8.1 has PYSEC-1 (fixed in: 8.2)" for name in release_check.LISTS]
    assert release_check.audit(answering(json.dumps(CLEAN)), strict=strict) == []


@pytest.mark.parametrize(("strict", "findings"), [(False, 0), (True, len(release_check.LISTS))])
def test_database_that_cannot_be_reached_is_reported_and_fails_where_ci_requests(capsys, strict, findings):
    """It is never taken for a clean result."""
    away = answering("", "ERROR: ...\nconnection refused", code=1)
    assert len(release_check.audit(away, strict=strict)) == findings
    output = capsys.readouterr().out
    assert output.count("NOT CHECKED") == len(release_check.LISTS)
    assert "connection refused" in output


def test_parts_are_listed_with_their_versions(tmp_path):
    """One without a version is a finding, and so is a list that cannot be made."""

    def listing(words):
        parts = {"specVersion": "1.6", "components": [{"name": "a", "version": "1"}, {"name": "b"}]}
        Path(words[words.index("-o") + 1]).write_text(json.dumps(parts))
        return subprocess.CompletedProcess(words, 0, "", "")

    assert release_check.list_parts(listing, tmp_path) == ["b has no version in mainspring.cdx.json"]
    assert len(release_check.list_parts(answering(stderr="no", code=1), tmp_path)) == 1
    assert len(release_check.build(answering(stderr="no", code=1), tmp_path)) == 1


def test_builds_use_pinned_requirements_only():
    """Each line of a lock has a version and hashes; Makefile and Dockerfile build without isolation, which would fetch what has none."""
    for name in ("build", "release", "server", "core"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            assert re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [line for line in makefile.splitlines() if " -e ." in line and "--no-build-isolation" not in line] == []
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    for command in re.split(r"\n|&&", dockerfile):
        if " pip wheel " in command:
            assert "--no-build-isolation" in command
        elif " pip install " in command:
            assert "--require-hashes" in command or "--no-index" in command, command
    expected = (ROOT / "requirements" / "build.txt").read_text(encoding="utf-8")
    assert "\nhatchling==" in expected
    assert "\nnodejs-wheel-binaries==24." in expected
