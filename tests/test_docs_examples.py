"""Every Python block of the pages that is marked runnable runs, each in a new process and an empty folder."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.scripts import load_scripts
from tests.command_lines import unknown_in

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
EVERY_PAGE = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"^<!-- runnable -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Lines of code blocks and words in backticks that call the program.
COMMAND_LINE = re.compile(
    r"(?:^ {4}(?:[\d*/]+ +){0,5}|`)mainspring ((?:[^`\n;&]|\\n(?! ))+?)(?=`|$| [;&])", re.MULTILINE
)
SCRIPT = re.compile(r"^ *\[script\.\w+\]\n(?: *\w+ = .*\n)+", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
DECLARING = re.compile(r"^(?P<mark>.*)\n```python\n(?P<code>(?:(?!```).*\n)*?@ms\.(?:.*\n)*?)```$", re.MULTILINE)
UNFINISHED = "<!-- fragment -->"
"""Before a block that is no whole declaration, so that it cannot be loaded."""
BLOCKS = [
    pytest.param(found[1], id=f"{page.stem}-{number}")
    for page in PAGES
    for number, found in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("code", BLOCKS)
def test_block_runs(code, tmp_path):
    """What a page shows works when it is copied."""
    program = tmp_path / "copied.py"
    program.write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.stem)
def test_displayed_automations_can_be_loaded(page, tmp_path):
    """Each Python block of a page that declares automations loads, and each of its declarations can be used."""
    for number, found in enumerate(DECLARING.finditer(page.read_text(encoding="utf-8"))):
        if found["mark"] in (UNFINISHED, "<!-- runnable -->"):
            continue
        file = tmp_path / f"block{number}.py"
        file.write_text(f"import mainspring as ms\n{found['code']}", encoding="utf-8")
        registry = Registry.load([file], tmp_path)
        assert registry.problems == []
        assert list(registry) or "@ms.step" in found["code"], found["code"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_displayed_scripts_can_be_loaded(page, tmp_path):
    """Each `[script.NAME]` that a page shows declares a script without a problem."""
    text = page.read_text(encoding="utf-8")
    for found in SCRIPT.finditer(text):
        file = tmp_path / "scripts.toml"
        file.write_text(textwrap.dedent(found[0]), encoding="utf-8")
        scripts, problems = load_scripts(file)
        assert problems == []
        assert len(scripts) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_displayed_command_lines_exist(page):
    """Each command and option that a page shows is one of the program's."""
    for line in COMMAND_LINE.findall(page.read_text(encoding="utf-8")):
        assert unknown_in(line) == [], f"{page.name}: {line}"


def test_pages_have_runnable_blocks():
    """The mark is still the one that is looked for."""
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs").glob("**/*.md"))], ids=lambda page: page.name)
def test_links_of_pages_lead_somewhere(page):
    """A relative link names a file that is there."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
