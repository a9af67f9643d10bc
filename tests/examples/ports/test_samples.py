"""Each port is one file that runs by the command of its docstring, and the page of its peer lists it."""

import ast
import re
from pathlib import Path

import pytest

from mainspring.engine.definitions.registry import Registry
from tests.command_lines import unknown_in
from tests.examples.ports.port_worker import SAMPLES

PEERS = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
FILES = sorted(SAMPLES.glob("*/*.py"))
PAGES = SAMPLES.parents[1] / "docs" / "how-to"
COMMAND = re.compile(
    r"^    mainspring ((?:run|auto next|auto graph|auto backfill) ?([\w-]*)\b.*?)(?:  .*)?$", re.MULTILINE
)


@pytest.mark.parametrize("peer", PEERS)
def test_page_lists_its_samples(peer: str) -> None:
    """All files of the folder, at least twelve, and no other."""
    page = (PAGES / f"from-{peer}.md").read_text(encoding="utf-8")
    listed = re.findall(rf"\]\(\.\./\.\./examples/ports/{peer}/(\w+\.py)\)", page)
    assert sorted(listed) == sorted(path.name for path in (SAMPLES / peer).glob("*.py"))
    assert len(listed) >= 12


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_single_sample_loads_and_its_command_exists(file: Path) -> None:
    """Without a problem; the command names an automation of the file, and options that exist."""
    registry = Registry.load([file], file.parent)
    assert registry.problems == []
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")), clean=False)
    assert doc is not None
    line, name = COMMAND.findall(doc)[0]
    assert unknown_in(line) == []
    assert name in registry.names or line.startswith("auto graph")
    if "-m " in line:
        assert f"-m examples/ports/{file.parent.name}/{file.name}" in line
