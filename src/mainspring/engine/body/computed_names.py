"""Computed names of steps: `run.options(name=f"load_{table}")` may request every name that matches `load_*`.

They are read from the source of a module. A name that is a constant, or a text variable of the module, is not computed. An expression
that cannot be resolved (a variable of a function, the result of a call, `**options`) may be any name.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_ANY = ".*"


def find_computed_names(file: str, namespace: Mapping[str, Any]) -> list[re.Pattern[str]]:
    """Return the patterns of the names that a module computes for steps and children; none if its source cannot be read."""
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
    elif node.func.attr == "child" and node.args:
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
