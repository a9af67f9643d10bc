"""Questions about flags in the source of the loaded modules, found without running it.

Found are `await run.flag("name")`, `ms.flag("name")` and `ms.flag_async("name")`, also under another name of the import. A name that is no
constant is not found.
"""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec

from mainspring.engine.definitions.registry import Registry

_FUNCTIONS = ("flag", "flag_async")
_PACKAGE = "mainspring"
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


class FlagQuestionPlace(msgspec.Struct, frozen=True):
    """A place that asks for a flag: "file:line"."""

    flag: str
    where: str


def find_flag_questions(registry: Registry, before: frozenset[str]) -> list[FlagQuestionPlace]:
    """Return the questions in the modules that the code of this registry brought; `before` = names of the modules that were there."""
    own_packages = {automation.definition.module.partition(".")[0] for automation in registry}
    questions: list[FlagQuestionPlace] = []
    for name, module in sorted(sys.modules.items()):
        package = name.partition(".")[0]
        if name in before or package == _PACKAGE:
            continue
        file = _find_source(module)
        if file is not None and (package in own_packages or not str(file).startswith(_INSTALLED)):
            questions += _read_questions(file)
    return list(dict.fromkeys(questions))


def _find_source(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) and file.endswith(".py") else None


def _read_questions(file: Path) -> Iterator[FlagQuestionPlace]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    modules, functions = _find_imports(tree)
    awaited = {node.value for node in ast.walk(tree) if isinstance(node, ast.Await)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(attr=attribute, value=owner) if attribute in _FUNCTIONS:
                owner_name = owner.id if isinstance(owner, ast.Name) else None
                is_question = node in awaited or owner_name in {*modules, "run"}
            case ast.Name(id=function):
                is_question = function in functions
            case _:
                is_question = False
        name = _read_name(node) if is_question else None
        if name is not None:
            yield FlagQuestionPlace(name, f"{file}:{node.lineno}")


def _find_imports(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names of the package in this source, and those of its functions that ask."""
    modules: set[str] = set()
    functions: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                modules |= {alias.asname or alias.name for alias in aliases if alias.name == _PACKAGE}
            case ast.ImportFrom(module=module, names=aliases, level=0) if module == _PACKAGE:
                functions |= {alias.asname or alias.name for alias in aliases if alias.name in _FUNCTIONS}
    return modules, functions


def _read_name(call: ast.Call) -> str | None:
    values = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "name")]
    first = values[0] if values else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
