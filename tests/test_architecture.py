"""The house rules that a program can check. Each check is also run on a planted fault, so that it is known to bite."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import language

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "mainspring"
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
FORBIDDEN_WORDS = set(language.table_of((ROOT / language.PAGE).read_text(encoding="utf-8"), "Forbidden words"))
# A term of the field, made of a word that means something else by itself.
ALLOWED_TERM = "flow_control"
# The role of a person (docs/adr/0015), where it is declared; no thing that runs is called so.
A_ROLE = "domain/access/permissions.py", "OPERATOR"
UNSAFE_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen"}
# Taken apart, so that this file does not find itself.
FOREIGN = re.compile(
    r"(?<![\w.])/" + r"work/|/" + r"root/\.|/" + r"tmp/v/"
    r"|py"
    + r"pi\.org|python"
    + r"hosted|registry\."
    + r"npmjs|deb\."
    + r"debian|proxy\."
    + r"golang|index"
    + r"-url\s*="
)
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def python_files(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def tracked_files(root: Path = ROOT) -> list[Path]:
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: no list of tracked files")
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True, text=True).stdout
    return [path for name in listing.split("\0") if name and (path := root / name).is_file()]


def oversized(folder: Path) -> list[str]:
    """Return what is longer than a file or function may be."""
    found = []
    for path, tree in python_files(folder):
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES:
            found.append(f"{path}: {lines} lines, {MAX_FILE_LINES} allowed: split it by noun")
        for node in ast.walk(tree):
            if (
                isinstance(node, FUNCTIONS)
                and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
            ):
                found.append(f"{path}:{node.lineno}: {node.name} has {length} lines, {MAX_FUNCTION_LINES} allowed")
    return found


def words(name: str) -> set[str]:
    """Return the words of a snake_case, kebab-case or CamelCase name."""
    return set("_".join(language.parts_of(name)).replace(ALLOWED_TERM, "").split("_"))


def named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each name that a module itself gives to something."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id


def forbidden_words(folder: Path) -> list[str]:
    """Return names of paths and things that use a word we do not use."""
    found = [
        f"{path}: forbidden word in a path: {bad}"
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts and (bad := words(path.stem) & FORBIDDEN_WORDS)
    ]
    for path, tree in python_files(folder):
        bad_names = [(line, name) for line, name in named(tree) if words(name) & FORBIDDEN_WORDS]
        is_role = path.as_posix().endswith(A_ROLE[0])
        found += [f"{path}:{line}: {name}" for line, name in bad_names if not (is_role and name == A_ROLE[1])]
    return found


def unsafe(folder: Path) -> list[str]:
    """Return imports and calls that would run data as code or hand text to a shell."""
    found = []
    for path, tree in python_files(folder):
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr)):
            match node:
                case ast.Import(names=names):
                    bad = any(alias.name.split(".")[0] in UNSAFE_MODULES for alias in names)
                case ast.ImportFrom(module=str(module)):
                    bad = module.split(".")[0] in UNSAFE_MODULES
                case ast.Call(func=func, keywords=keywords):
                    bad = ast.unparse(func) in UNSAFE_CALLS or any(
                        word.arg == "shell" and getattr(word.value, "value", True) is not False for word in keywords
                    )
                case _:
                    bad = False
            if bad:
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    return found


def clock_reads(folder: Path) -> list[str]:
    """Return calls that read the wall clock through datetime."""
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in python_files(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and re.search(r"\b(datetime|date)\.(now|utcnow|today)$", ast.unparse(node.func))
    ]


def undocumented_tests(folder: Path) -> list[str]:
    """Return tests without their one sentence."""
    return [
        f"{path}:{node.lineno}: {node.name} has no docstring"
        for path, tree in python_files(folder)
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]


def lines_matching(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """Return the lines of text files that hold the pattern."""
    found = []
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts of this project on the package under `root`/src."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    return subprocess.run(
        [*command, "--no-cache", str(ROOT / "pyproject.toml")],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_keep_their_contracts():
    """Imports go down the floors only, and the other contracts of pyproject.toml hold."""
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("store/planted.py", "from mainspring import engine\n"),
        ("domain/planted.py", "import asyncio\n"),
        ("service/planted.py", "import apsw\n"),
        ("annex/__init__.py", ""),
    ],
    ids=["upward import", "event loop in the domain", "database above the store", "undeclared layer"],
)
def test_contracts_catch_a_planted_import(tmp_path, path, text):
    """Each kind of contract fails on a fault planted in a copy of the package."""
    shutil.copytree(SOURCE, tmp_path / "src" / "mainspring", ignore=shutil.ignore_patterns("__pycache__"))
    planted = tmp_path / "src" / "mainspring" / path
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text)
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert planted.stem.strip("_") in result.stdout or "annex" in result.stdout


@pytest.mark.parametrize("check", [oversized, forbidden_words, unsafe])
def test_source_follows_the_layer_rules(check):
    """No file or function is too long, no forbidden word is a name, nothing runs data as code."""
    assert check(SOURCE) == []


def test_domain_reads_no_clock():
    """Time comes into the domain as an argument."""
    assert clock_reads(SOURCE / "domain") == []


def test_tests_have_docstrings():
    """Each test carries one sentence that says what it proves."""
    assert undocumented_tests(ROOT / "tests") == []


@pytest.mark.parametrize("pattern", [UNFINISHED, FOREIGN], ids=["unfinished work", "machine or registry address"])
def test_tracked_files_hold_nothing_foreign(pattern):
    """No tracked file holds a note of unfinished work, a path of one machine or the address of a registry."""
    assert lines_matching(pattern, tracked_files()) == []


def test_core_requirements_equal_the_declared_dependencies():
    """What `make demo` installs is what the package declares."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements" / "core.in").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == declared


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (oversized, "x = 1\n" * (MAX_FILE_LINES + 1)),
        (oversized, "def long():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
        (forbidden_words, "class RunPipeline: ...\n"),
        (forbidden_words, "def start(flow): ...\n"),
        (forbidden_words, "http_helper = 1\n"),
        (unsafe, "import pickle\n"),
        (unsafe, "from marshal import loads\n"),
        (unsafe, "eval(text)\n"),
        (unsafe, "os.system(text)\n"),
        (unsafe, "run(text, shell=True)\n"),
        (unsafe, "run(text, shell=wanted)\n"),
        (clock_reads, "at = datetime.datetime.now(UTC)\n"),
        (undocumented_tests, "def test_x(): ...\n"),
    ],
)
def test_check_catches_a_planted_fault(tmp_path, check, text):
    """Each check of the source finds the fault that it is for, and nothing in clean code."""
    (tmp_path / "clean.py").write_text(
        'def start(run, flow_control, shell=False):\n    """Start it."""\n    call(run, shell=False)\n'
    )
    assert check(tmp_path) == []
    (tmp_path / "planted.py").write_text(text)
    assert len(check(tmp_path)) == 1


def test_forbidden_word_in_a_path_is_caught(tmp_path):
    """A folder with a forbidden name is found even when it is empty."""
    (tmp_path / "http_utils").mkdir()
    assert len(forbidden_words(tmp_path)) == 1


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TO" + "DO later"),
        (FOREIGN, "see /wo" + "rk/main"),
        (FOREIGN, "https://py" + "pi.org/simple"),
    ],
)
def test_tracked_text_check_catches_a_planted_line(tmp_path, pattern, line):
    """The patterns for foreign text match what they are for, and leave binary files alone."""
    (tmp_path / "clean.md").write_text("A network, framework/tools and the root of it.\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + line.encode())
    (tmp_path / "planted.md").write_text(line + "\n")
    assert len(lines_matching(pattern, sorted(tmp_path.iterdir()))) == 1
