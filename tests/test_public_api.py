"""The public surface: its names, that they are real, and that asking for them late keeps the start fast."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import mainspring

SOURCE = Path(mainspring.__file__)
# What the names are, once more: adding or removing one is a decision, and this list is where it shows.
PUBLIC = [
    "__version__",
    "App",
    "Classifier",
    "Event",
    "File",
    "FileRef",
    "Handle",
    "ItemFailed",
    "MainspringError",
    "NotSent",
    "Permanent",
    "QueryFailed",
    "QuestionInfo",
    "Retry",
    "Run",
    "RunDetails",
    "RunEnded",
    "RunFailed",
    "RunFile",
    "RunInfo",
    "RunInvocation",
    "RunState",
    "ScheduleInfo",
    "StartedRun",
    "StepFailed",
    "StepInfo",
    "StepInvocation",
    "StreamRecord",
    "Throttled",
    "Transient",
    "Truncated",
    "Tx",
    "Update",
    "UpdateFailed",
    "UpdateRejected",
    "Verdict",
    "action",
    "attempt",
    "checkpoint",
    "connect",
    "flag",
    "flag_async",
    "headers",
    "heartbeat",
    "idempotency_key",
    "last_checkpoint",
    "lock",
    "log",
    "measure",
    "middleware",
    "on",
    "once",
    "progress",
    "publish",
    "schedules",
    "script",
    "secret",
    "send",
    "step",
    "stream",
    "task",
    "verify",
    "workflow",
]
HEAVY = ("apsw", "rich", "click", "msgspec", "tenacity", "asyncio", "httpx2", "starlette", "sqlite3")


def loaded_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after running `code`."""
    show = "import sys; " + code + "; print('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_public_names_are_pinned():
    """The sorted `__all__` is the pinned list, and holds the table's names."""
    assert mainspring.__all__ == sorted(PUBLIC)
    assert mainspring.__all__ == sorted([*mainspring._PUBLIC, "__version__"])


def test_public_names_are_defined_where_the_table_states():
    """Each public name is the object of the module that the table names."""
    for name, module in mainspring._PUBLIC.items():
        assert getattr(mainspring, name) is getattr(importlib.import_module(module), name)


def test_public_names_are_displayed_to_type_checkers():
    """The block for type checkers imports exactly the table's names from the table's modules."""
    displayed = {
        alias.asname: node.module
        for block in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert displayed == mainspring._PUBLIC


def test_unknown_public_name_is_an_attribute_error():
    """A misspelt name fails as on any module."""
    with pytest.raises(AttributeError, match="no attribute 'worklow'"):
        mainspring.worklow  # noqa: B018


@pytest.mark.parametrize(
    "code",
    ["import mainspring", "import mainspring.__main__ as m; sys.argv = ['mainspring', 'version']; m.main()"],
    ids=["import", "version"],
)
def test_start_imports_nothing_heavy(code):
    """Neither `import mainspring` nor `mainspring version` loads a store, terminal, web or HTTP module."""
    assert {name for name in loaded_after(code) if name.split(".")[0] in HEAVY} == set()


def test_clock_of_tests_imports_nothing_heavy():
    """A test that needs only `FakeClock` does not load the app and the store of `ActionContract`, which is there all the same."""
    loaded = loaded_after("from mainspring.testing import FakeClock")
    assert {name for name in loaded if name.split(".")[0] in HEAVY} == set()
    assert "mainspring.testing.action_contract" in loaded_after("from mainspring.testing import ActionContract")
    assert {name for name in dir(importlib.import_module("mainspring.testing")) if name[0].isupper()} >= {
        "ActionContract",
        "FakeClock",
    }


def test_heavy_module_would_be_noticed():
    """The check above sees a heavy module when there is one."""
    assert "sqlite3" in loaded_after("import mainspring, sqlite3")


def test_version_is_printed():
    """`python -m mainspring version` prints one line with the version."""
    result = subprocess.run([sys.executable, "-m", "mainspring", "version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"mainspring {mainspring.__version__}\n"
