"""A setting that is wrong in a decorator's argument keeps out the declaration that uses it, and nothing else of its file."""

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.engine.definitions.registry import Registry


def loaded(tmp_path, text):
    file = tmp_path / "jobs.py"
    file.write_text("import mainspring as ms\n\n" + text)
    return Registry.load([file], tmp_path), file


def test_wrong_retry_in_a_decorator_keeps_out_one_declaration(tmp_path):
    """The others of the file load; the problem names its automation and place."""
    registry, file = loaded(
        tmp_path,
        """
@ms.task
def good() -> int:
    return 1

@ms.workflow(retry=ms.Retry(attempts=0))
async def flow(run: ms.Run) -> int:
    return 7

@ms.task(retry=0)
def plain() -> int:
    return 1
""",
    )
    assert sorted(registry.automations) == ["good"]
    assert registry.loaded == [str(file)]
    flow, plain = registry.problems
    assert (flow.automation, flow.where, flow.target) == ("flow", f"{file}:8", "")
    assert "retry attempts=0 is not a whole number from 1" in flow.what
    assert plain.automation == "plain"


def test_wrong_retry_that_several_declarations_use_keeps_them_out(tmp_path):
    """Each has a problem of its own; a step's keeps out the workflow that asks for it."""
    registry, _ = loaded(
        tmp_path,
        """
RETRY = ms.Retry(initial="2h", max="1h")

@ms.step(retry=RETRY)
def act() -> None: ...

@ms.workflow
async def flow(run: ms.Run) -> None:
    await run.step(act)

@ms.task(retry=RETRY)
def single() -> int:
    return 1

@ms.task
def good() -> int:
    return 1
""",
    )
    assert sorted(registry.automations) == ["good"]
    assert sorted(problem.automation for problem in registry.problems) == ["flow", "single"]


def test_wrong_retry_that_no_declaration_uses_is_a_problem_too(tmp_path):
    """It is named by the line that constructs it."""
    registry, file = loaded(tmp_path, "RETRY = ms.Retry(attempts=0)\n\n@ms.task\ndef good() -> int:\n    return 1\n")
    assert sorted(registry.automations) == ["good"]
    (problem,) = registry.problems
    assert problem.where == f"{file}:3"


def test_wrong_retry_outside_a_load_raises():
    """At the line that constructs it."""
    with pytest.raises(OptionError, match="attempts=0"):
        ms.Retry(attempts=0)


def test_argument_that_raises_anything_else_keeps_the_file_out(tmp_path):
    """The problem says that nothing of it loads."""
    registry, file = loaded(
        tmp_path,
        "@ms.task\ndef good() -> int:\n    return 1\n\n@ms.on.cron('61 * * * *', 3)\n@ms.task\ndef bad() -> None: ...\n",
    )
    assert list(registry.automations) == []
    (problem,) = registry.problems
    assert problem.target == str(file)
    assert "automations" in problem.how
