"""Questions about flags in source files that were really loaded."""

import sys
from pathlib import Path

import pytest

from mainspring.engine.definitions.flag_questions import find_flag_questions
from mainspring.engine.definitions.registry import Registry

CODE = """
import mainspring as ms
import mainspring
from mainspring import flag as is_on, flag_async
from questions_part import ask_more

class Menu:
    def flag(self, name): ...

@ms.workflow
async def order(run: ms.Run) -> None:
    await run.flag("by-run", by="7")
    await run.flag(name="by-keyword")
    await run.flag(f"computed-{run.id}")

async def other(current: ms.Run) -> None:
    await current.flag("by-other-name")
    await flag_async("by-function")

def step() -> None:
    ms.flag("by-alias", default=False)
    mainspring.flag("by-package")
    is_on("by-renamed-function")
    Menu().flag("no-flag")
"""


def test_flag_questions_are_found_with_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the loaded file and in what it imports; calls of other functions and computed names are not."""
    file, part = tmp_path / "questions_work.py", tmp_path / "questions_part.py"
    file.write_text(CODE)
    part.write_text('import mainspring as ms\n\ndef ask_more() -> bool:\n    return ms.flag("by-part")\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    before = frozenset(sys.modules)
    registry = Registry.load([file])
    assert registry.problems == []
    found = find_flag_questions(registry, before)
    assert {question.flag for question in found} == {
        "by-run",
        "by-keyword",
        "by-other-name",
        "by-function",
        "by-alias",
        "by-package",
        "by-renamed-function",
        "by-part",
    }
    assert f"{part}:4" in {question.where for question in found}
    assert find_flag_questions(registry, frozenset(sys.modules)) == []
