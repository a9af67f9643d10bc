"""A new column: what is set when a run starts and read when it is claimed touches few files, and none can be forgotten."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
MOST_FILES = 6
STORE = "src/mainspring/store"
ADDED = {
    f"{STORE}/sqlite/migrations/0002_origin.sql": "alter table runs add column origin text;\n",
    f"{STORE}/postgres/migrations/0002_origin.sql": "alter table runs add column origin text;\n",
}
"""New files of the change."""
CHANGED = {
    f"{STORE}/schema/runs/runs.py": [
        (
            '        integer("window_at", null=True),\n',
            '        integer("window_at", null=True),\n        text("origin", null=True),\n',
        ),
        (
            "    healthy: str\n    item: str | None\n    concurrency_key",
            "    healthy: str\n    item: str | None\n    origin: str | None\n    concurrency_key",
        ),
    ],
    f"{STORE}/commands/runs.py": [
        (
            "    awaited: bool = False\n    healthy:",
            "    awaited: bool = False\n    origin: str | None = None\n    healthy:",
        ),
        (
            "    facts: tuple[Fact, ...] = ()\n    losses:",
            "    origin: str | None = None\n    facts: tuple[Fact, ...] = ()\n    losses:",
        ),
    ],
    f"{STORE}/write/runs/start.py": [
        ("command.healthy, command.item)", "command.healthy, command.item, command.origin)")
    ],
}
"""Changed files: what stands there once, and what replaces it."""
CONTRACT = '''"""The change as its author would test it."""


def test_origin_of_a_start_is_read_at_the_claim(store):
    started = store.start(origin="there").run
    (claimed,) = store.claim().runs
    assert (claimed.id, claimed.origin) == (started, "there")
    assert not claimed.facts


def test_origin_may_be_unknown(store):
    store.start()
    assert store.claim_one().origin is None


def test_many_starts_keep_their_origins(store):
    store.do(*[store.starting(origin=str(n)) for n in range(5)])
    assert [run.origin for run in store.claim().runs] == ["0", "1", "2", "3", "4"]
'''
USE = "from mainspring.store.commands.runs import ClaimedRun\n\n\ndef origin_of(run: ClaimedRun) -> str | None:\n    return run.origin\n"
"""What the change is for: the engine reads it."""


def change(folder, leave_out=()):
    """Apply the change to a copy of the source, without some of its files."""
    for file, edits in CHANGED.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        for old, new in () if file in leave_out else edits:
            assert text.count(old) == 1, f"{file} has changed: give this test the words that are there now"
            text = text.replace(old, new)
        (folder / file).write_text(text, encoding="utf-8")
    for file, text in ADDED.items():
        (folder / file).unlink(missing_ok=True)
        if file not in leave_out:
            (folder / file).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the source and of the tests that prove a column, with a use of the new one."""
    folder = tmp_path_factory.mktemp("copy")
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", folder / "src", ignore=no_caches)
    for path in ("tests/contract/store", "tests/unit/store"):
        shutil.copytree(ROOT / path, folder / path, ignore=no_caches)
    for file in (ROOT / "pyproject.toml", *(ROOT / "tests").glob("*.py")):
        shutil.copy(file, folder / file.relative_to(ROOT))
    (folder / "tests/contract/store/test_new_column.py").write_text(CONTRACT, encoding="utf-8")
    (folder / "src/mainspring/engine/origin.py").write_text(USE, encoding="utf-8")
    return folder


def type_errors(folder):
    """Return what mypy says of the places that a column passes through."""
    files = [f"{STORE}/schema", f"{STORE}/commands/runs.py", f"{STORE}/write/runs", f"{STORE}/postgres/bulk"]
    options = ["--follow-imports=silent", "--cache-dir=.mypy_cache", "src/mainspring/engine/origin.py", *files]
    return run(folder, "mypy", *options)


def failures(folder):
    """Return what the contract and the tests of the schema say."""
    tests = [
        "tests/contract/store/test_new_column.py",
        "tests/unit/store/schema/test_table.py",
        "tests/unit/store/test_schemas.py",
    ]
    return run(folder, "pytest", *tests, "-q", "-n", "0", "-p", "no:cacheprovider", "-k", "not postgres or schema")


def run(folder, *command):
    """Return the output of a program in the copy if it fails, else an empty string."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "MYPYPATH": "src"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_new_column_of_runs_touches_few_files_and_none_can_be_forgotten(copy):
    """The whole change is right; without any one of its files a type or a test is wrong (each of them only in the long tier)."""
    files = [*ADDED, *CHANGED]
    assert len(files) <= MOST_FILES
    change(copy)
    assert type_errors(copy) == ""
    assert failures(copy) == ""
    for forgotten in files if os.environ.get("TESTS_LONG") else files[-1:]:
        change(copy, leave_out={forgotten})
        assert type_errors(copy) or failures(copy), f"no check notices that {forgotten} was forgotten"
