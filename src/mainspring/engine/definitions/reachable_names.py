"""The reachable names of a workflow's code: those by which the current code could request a step.

They are read from code objects: global and attribute names, constants and nested functions of the workflow's function, of all that it
refers to, and of all functions of their modules. Only the user's own modules are searched; of the standard library and installed
packages only the name counts. In tables (lists, dicts, ...) only functions count: text in them may be data.
"""

import ast
import dis
import enum
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from mainspring.engine.attempts.isolation import unwrap_function
from mainspring.engine.definitions.automation import Automation, Step

_MAX_ITEMS = 1_000
_GENERATED = "<string>"
"""The file of methods that `dataclasses` writes: they name fields, not steps."""

_ANY = ".*"
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_CONSTANTS = ("LOAD_CONST", "LOAD_SMALL_INT")
_BETWEEN = frozenset({"PUSH_NULL", "KW_NAMES", "CACHE", "EXTENDED_ARG", "PRECALL"})


@dataclass(frozen=True, slots=True)
class ReachableNames:
    """The names that code can reach, and the patterns of the names that it computes."""

    names: frozenset[str]
    computed: tuple[re.Pattern[str], ...]

    def __contains__(self, name: object) -> bool:
        """Return whether the code can request a step of this name."""
        return name in self.names or any(pattern.fullmatch(str(name)) for pattern in self.computed)


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """Return the code of the user's own function below its decorators; None if it has none."""
    inner = inspect.unwrap(unwrap_function(function))
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    return code if isinstance(code, CodeType) else None


@functools.lru_cache(maxsize=128)
def find_reachable_names(function: Callable[..., Any], step: CodeType | None = None) -> ReachableNames:
    """Return the names that a workflow's function can reach.

    `step` = the code of a step, whose names do not count: a step requests no steps, and often has the name of what it calls.
    """
    search = _Search(step)
    search.visit(function)
    search.run()
    return ReachableNames(frozenset(search.names), tuple(search.computed))


@functools.lru_cache(maxsize=128)
def find_versions(function: Callable[..., Any]) -> Mapping[str, int]:
    """Return the newest version of each change for which a workflow's function asks with constants: `run.version("id", 2)`."""
    return _find_versions([function])


def has_versions(functions: Iterable[Callable[..., Any]]) -> bool:
    """Return whether the code of any of these functions asks for the version of a change."""
    return bool(_find_versions(functions))


def _find_versions(functions: Iterable[Callable[..., Any]]) -> dict[str, int]:
    search = _Search(None, reads_sources=False)
    for function in functions:
        search.visit(function)
    search.run()
    versions: dict[str, int] = {}
    for code in search.codes:
        for change, version in _versions_in(code):
            versions[change] = max(version, versions.get(change, 0))
    return versions


class _Search:
    def __init__(self, step: CodeType | None, *, reads_sources: bool = True) -> None:
        self._step = step
        self._reads_sources = reads_sources
        self.names: set[str] = set()
        self.codes: list[CodeType] = []
        self.computed: list[re.Pattern[str]] = []
        self._functions: list[FunctionType] = []
        self._visited: set[int] = set()
        self._namespaces: set[int] = set()

    def run(self) -> None:
        while self._functions:
            function = self._functions.pop()
            used = set() if function.__code__ is self._step else set(_names_of(function.__code__))
            self.names |= used
            self.codes.append(function.__code__)
            for cell in function.__closure__ or ():
                self._visit_cell(cell)
            for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
                self.visit(value)
            namespace = function.__globals__
            for name in used:
                if name in namespace:
                    self.visit(namespace[name])
            self._visit_module(namespace, function.__module__)

    def visit(self, value: Any) -> None:
        """Collect the names of a value, and of the values that it refers to."""
        if isinstance(value, str):
            self.names.add(value)
            return
        if id(value) in self._visited or value is None or isinstance(value, int | float | bytes):
            return
        self._visited.add(id(value))
        match value:
            case Step():
                self.names |= {value.name, *value.was}
                self.visit(value.fn)
            case Automation():
                self.names |= {value.name, *value.was}
                self.visit(value.fn)
            case functools.partial():
                self.visit(value.func)
            case MethodType():
                self.visit(value.__func__)
            case FunctionType():
                self._visit_function(value)
            case type():
                self._visit_class(value)
            case ModuleType():
                if _is_own(value.__name__, getattr(value, "__file__", None)):
                    self._visit_module(vars(value), value.__name__)
            case dict() | list() | tuple() | set() | frozenset():
                self._visit_items(value)
            case _:
                self._visit_class(type(value))
                self.names |= {str(name) for name in [getattr(value, "__name__", "")] if name}

    def _visit_function(self, function: FunctionType) -> None:
        self.names.add(function.__name__)
        if function.__code__.co_filename != _GENERATED and _is_own(function.__module__, function.__code__.co_filename):
            self._functions.append(function)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped)

    def _visit_class(self, cls: type) -> None:
        self.names.add(cls.__name__)
        module = sys.modules.get(cls.__module__)
        if not _is_own(cls.__module__, getattr(module, "__file__", None)):
            return
        self._visited.add(id(cls))
        if issubclass(cls, enum.Enum):
            self.names |= {str(member.value) for member in cls}
        for base in cls.__mro__[1:-1]:
            self.visit(base)
        for value in vars(cls).values():
            function = getattr(value, "__func__", value)
            if isinstance(function, FunctionType):
                # A method can be requested only by code that names it: its definition alone does not count.
                is_known = function.__name__ in self.names
                self.visit(function)
                if not is_known:
                    self.names.discard(function.__name__)

    def _visit_items(self, values: Any) -> None:
        items: list[Any] = [*values.keys(), *values.values()] if isinstance(values, dict) else list(values)
        for item in items[:_MAX_ITEMS]:
            if not isinstance(item, str):
                self.visit(item)

    def _visit_cell(self, cell: Any) -> None:
        try:
            self.visit(cell.cell_contents)
        except ValueError:  # not filled yet
            return

    def _visit_module(self, namespace: Mapping[str, Any], module: str | None) -> None:
        """Visit the functions that a module itself defines."""
        if id(namespace) in self._namespaces:
            return
        self._namespaces.add(id(namespace))
        file = namespace.get("__file__")
        if isinstance(file, str) and self._reads_sources:
            self.computed += find_computed_names(file, namespace)
        for value in list(namespace.values()):
            if getattr(value, "__module__", None) == module and isinstance(
                value, FunctionType | type | Step | Automation
            ):
                self.visit(value)


def _names_of(code: CodeType) -> Iterator[str]:
    """Yield the names and text constants of a code object and its nested ones, without its own name and those of local variables."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        yield from _texts_of(constant)


@functools.lru_cache(maxsize=4096)
def _versions_in(code: CodeType) -> list[tuple[str, int]]:
    """Return the questions for versions of changes in a code object and its nested ones.

    They are read from the code, not from its source: a process that runs old code may find a newer file.
    """
    found: list[tuple[str, int]] = []
    if "version" in code.co_names:
        texts: list[object] | None = None
        for instruction in dis.get_instructions(code):
            if instruction.opname in _ATTRIBUTES and instruction.argval == "version":
                texts = []
            elif texts is not None and instruction.opname.startswith(_CONSTANTS):
                texts.append(instruction.argval)
                if len(texts) == 2:
                    change, version = texts
                    if isinstance(change, str) and type(version) is int:  # not a bool, which the call refuses
                        found.append((change, version))
                    texts = None
            elif texts is not None and instruction.opname not in _BETWEEN:
                texts = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _versions_in(constant)
    return found


def _texts_of(constant: Any) -> Iterator[str]:
    if isinstance(constant, str):
        yield constant
    elif isinstance(constant, CodeType):
        yield constant.co_name
        yield from _names_of(constant)
    elif isinstance(constant, tuple | frozenset):
        for item in constant:
            yield from _texts_of(item)


def _is_own(module: str | None, file: str | None) -> bool:
    """Return whether a module is the user's, not of the standard library, an installed package or Mainspring."""
    top = (module or "").partition(".")[0]
    if top == "mainspring" or top in sys.stdlib_module_names - {"__main__"}:
        return False
    return file is None or not any(f"/{folder}/" in file for folder in ("site-packages", "dist-packages"))


def find_computed_names(file: str, namespace: Mapping[str, Any]) -> list[re.Pattern[str]]:
    """Return the patterns of the names that a module computes for steps and children; none if its source cannot be read.

    They are read from the source of a module. A name that is a constant, or a text variable of the module, is not computed. An expression
    that cannot be resolved (a variable of a function, the result of a call, `**options`) may be any name.
    """
    try:
        tree = _parsed(Path(file).read_bytes())
    except OSError:
        return []
    if tree is None:
        return []
    patterns = {pattern for call in ast.walk(tree) for pattern in _patterns_of(call, namespace)}
    return [re.compile(pattern, re.DOTALL) for pattern in sorted(patterns)]


@functools.lru_cache(maxsize=32)
def _parsed(source: bytes) -> ast.Module | None:
    """Parse the text of a module; cached by text, not by path: a process that loads an edited file again must read the new text."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _patterns_of(node: ast.AST, namespace: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    if node.func.attr == "options":
        for keyword in node.keywords:
            if keyword.arg is None:
                yield _ANY
            elif keyword.arg == "name" and not _is_known(keyword.value, namespace):
                yield _pattern(keyword.value)
    elif node.func.attr in ("child", "start") and node.args:
        automation = node.args[0]
        if not isinstance(automation, ast.Attribute) and not _is_known(automation, namespace):
            yield _pattern(automation)


def _is_known(value: ast.expr, namespace: Mapping[str, Any]) -> bool:
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id in namespace)


def _pattern(value: ast.expr) -> str:
    """Return the regular expression of the texts that an expression may produce."""
    match value:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(map(_pattern, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _pattern(left) + _pattern(right)
        case _:
            return _ANY
