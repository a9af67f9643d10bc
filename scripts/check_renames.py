"""Check that the working tree differs from a commit in names, docstrings and comments only: `check_renames.py COMMIT [FOLDER ...]`.

Each Python file is compared with its form in the commit, by syntax tree without docstrings and imports. Within one function an old local
name becomes one new name, and no two become one. Attributes, keyword arguments and texts that differ are listed for a reader, and make
the exit code 1 like a difference in structure.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Leaf(NamedTuple):
    """One node of a tree: its type, its local names, and all else that it says."""

    kind: str
    names: tuple[str, ...]
    rest: tuple[str, ...]
    line: int


def leaves(tree: ast.AST) -> Iterator[Leaf]:
    """Yield the nodes of a tree, without imports and docstrings, in one order."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or is_docstring(node):
            continue
        names, rest = [], []
        for field, value in ast.iter_fields(node):
            if isinstance(node, ast.Global | ast.Nonlocal):
                names += value
            elif isinstance(value, str) and isinstance(node, ast.Name | ast.arg | ast.ExceptHandler | ast.MatchAs):
                names.append(value)
            elif isinstance(value, str | int | float | bytes | bool) or (field == "kwd_attrs"):
                rest.append(f"{field}={value!r}")
        yield Leaf(type(node).__name__, tuple(names), tuple(rest), getattr(node, "lineno", 0))
        yield from leaves(node)


def is_docstring(node: ast.AST) -> bool:
    """Tell whether a statement is a text by itself."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def compare(old: ast.AST, new: ast.AST, where: str) -> Iterator[str]:
    """Yield what differs besides names."""
    before, after = list(leaves(old)), list(leaves(new))
    for one, other in zip(before, after, strict=False):
        if one.kind != other.kind or len(one.rest) != len(other.rest):
            yield f"{where}:{other.line}: {one.kind} became {other.kind}"
            return
        yield from (f"{where}:{other.line}: {a} -> {b}" for a, b in zip(one.rest, other.rest, strict=True) if a != b)
    if len(before) != len(after):
        yield f"{where}: {len(before)} nodes became {len(after)}"


def mixed_names(old: ast.AST, new: ast.AST, where: str) -> Iterator[str]:
    """Yield local names of one function that became two, or two that became one."""
    pairs = zip(functions(old), functions(new), strict=False)
    for one, other in pairs:
        forth: dict[str, str] = {}
        back: dict[str, str] = {}
        for a, b in zip(leaves(one), leaves(other), strict=False):
            for x, y in zip(a.names, b.names, strict=False):
                if forth.setdefault(x, y) != y or back.setdefault(y, x) != x:
                    yield f"{where}:{b.line}: {x} is {forth[x]} and {y}, which is {back.get(y, y)} too"
                    break


def functions(tree: ast.AST) -> list[ast.AST]:
    """Return all functions of a tree in one order."""
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]


def main(words: list[str]) -> int:
    """Compare all files that changed since the commit; 1 if anything but names differs."""
    commit, *folders = words
    command = ["git", "diff", "--name-status", "-M30%", "-l6000", commit, "--", *(folders or ["src", "tests"])]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = []
    for line in listed:
        status, *paths = line.split("\t")
        if not paths[-1].endswith(".py"):
            continue
        if status[0] in "AD":
            found.append(f"{paths[-1]}: {'new' if status == 'A' else 'gone'}")
            continue
        text = subprocess.run(
            ["git", "show", f"{commit}:{paths[0]}"], capture_output=True, text=True, check=True
        ).stdout
        old, new = ast.parse(text), ast.parse(Path(paths[-1]).read_text(encoding="utf-8"))
        different = list(compare(old, new, paths[-1]))
        found += different or mixed_names(old, new, paths[-1])
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
