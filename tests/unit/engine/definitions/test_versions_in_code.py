"""Versions of changes that the code of a workflow asks for, read from its code objects."""

import mainspring as ms
from mainspring.engine.definitions.reachable_names import find_versions, has_versions

NAME = "computed"


async def helper(run: ms.Run) -> None:
    await run.version("in-helper", 3)


class Shop:
    def __init__(self, run: ms.Run) -> None:
        self.run = run

    async def ask(self) -> int:
        return await self.run.version("in-method", 70_000)


async def order(run: ms.Run) -> None:
    await helper(run)
    await Shop(run).ask()
    if await run.version("plain", 2) >= 2 and await run.version("plain", 4) >= 4:
        await run.version(change="keyword", newest=2)

    async def nested() -> None:
        await run.version("nested", 2)

    await nested()
    await run.version(NAME, 2)
    await run.version("plain", len(NAME))


def test_questions_with_constants_are_found():
    """Of several questions for one change the newest version counts; a computed id or number is not seen."""
    versions = dict(find_versions(order))
    assert versions == {"in-helper": 3, "in-method": 70_000, "plain": 4, "keyword": 2, "nested": 2}
    assert has_versions([order])


def test_code_without_questions_has_none(tmp_path):
    """Such code costs a worker one search."""
    module = {"__name__": "quiet", "__file__": str(tmp_path / "quiet.py")}
    exec(compile("async def order(run):\n    await run.step(print, 1)\n", module["__file__"], "exec"), module)
    assert not has_versions([module["order"]])


def test_version_that_the_call_refuses_is_not_found(tmp_path):
    """A bool is no number of a version, so no run is stored with it."""
    module = {"__name__": "flagged", "__file__": str(tmp_path / "flagged.py")}
    body = '    await run.version("flagged", True)\n    await run.version("counted", 2)\n'
    exec(compile(f"async def order(run):\n{body}", module["__file__"], "exec"), module)
    assert dict(find_versions(module["order"])) == {"counted": 2}
