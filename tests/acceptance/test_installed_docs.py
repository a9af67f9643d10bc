"""The documentation of an installed package, with nothing of this checkout in reach."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mainspring.cli.docs.topics import list_pages

TIMEOUT_S = 60


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_installed_package_has_its_pages(tmp_path: Path, built_environment: Path) -> None:
    """All pages of the checkout, but those about the project itself; an error's command shows its section."""

    def call(*words: str) -> "subprocess.CompletedProcess[str]":
        program = built_environment / "bin" / "mainspring"
        env = {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        env["MAINSPRING_STORE_URL"] = str(tmp_path / "none.db")  # not that of root
        words = (str(program), *words)
        return subprocess.run(
            words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    listed = json.loads(call("docs", "list", "--json").stdout)
    assert sorted(topic["page"] for topic in listed) == sorted(list_pages())
    (installed,) = built_environment.glob("lib/python*/site-packages/mainspring/docs")
    assert sorted(path.relative_to(installed).as_posix() for path in installed.rglob("*.*")) == sorted(list_pages())

    error = json.loads(call("runs", "list", "--json").stderr)
    assert error["docs"] == "mainspring docs show errors#no_store"
    section = call(*error["docs"].split()[1:])
    assert section.returncode == 0
    assert section.stdout.startswith("## no_store\n")
    assert call("docs", "show", "no-such-page").returncode != 0
