"""Move modules and rename what they define, by the tables of a TOML file: `rename.py check|apply FILE`.

The tables:

    [packages]  "mainspring.domain.runs" = "Runs: their states, moves and options."   each new package and its docstring
    [modules]   "mainspring.engine.straight" = "mainspring.engine.driver.fast_path_run"   each module or package that moves
    [names]     "mainspring.engine.straight.Straight" = "FastPathRun"   each class, function or constant of a module, by its new module
    [words]     "desk:NAME" = "trigger:NAME"   exact texts, in every tracked file

`check` prints what the tree would be: files in each folder, cycles between the packages of one layer, with the imports that make them.
`apply` moves the files and rewrites imports, uses, and dotted or path names in texts. Both refuse a table that names what is not there.

Uses are resolved by scope: a parameter or variable that has the old name of a class or function stays as it is. Uses through a module
(`module.name`, `setattr(module, "name", ...)`), `__all__`, annotations in quotes, and names in comments and docstrings are rewritten too.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path.cwd()
SRC = ROOT / "src"
CODE = ("src", "tests", "demo", "bench", "examples", "scripts", "hatch_build.py")
TEXT = {".py", ".toml", ".md", ".sql", ".html", ".yml", ".yaml", ".txt", ".cfg", ".sh", ".js", ".css", ".json", ""}
FROZEN = "tests/golden/v"
"""What was written by a release stays as it is."""
MOST_FILES = 30
_WORDS = {ast.ClassDef: "class", ast.FunctionDef: "def", ast.AsyncFunctionDef: "async def"}
_CAMEL = re.compile(r"_?[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+")
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass
class Tables:
    """What a file of renames asks for. All names are dotted."""

    packages: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def module(self, name: str) -> str:
        """Return the new name of a module, also where only a package above it moves."""
        if name in self.modules:
            return self.modules[name]
        above, _, stem = name.rpartition(".")
        return f"{self.module(above)}.{stem}" if above else name


def read_tables(files: list[str]) -> Tables:
    """Read one or more files of tables as one."""
    tables = Tables()
    for file in files:
        for key, rows in tomllib.loads(Path(file).read_text(encoding="utf-8")).items():
            getattr(tables, key).update(rows)
    return tables


def modules_of_source(source: Path = SRC) -> dict[str, Path]:
    """Return each module and package of the source by its dotted name."""
    found = {}
    for file in sorted(source.rglob("*.py")):
        dotted = ".".join(file.relative_to(source).with_suffix("").parts)
        found[dotted.removesuffix(".__init__")] = file
    return found


def code_files() -> Iterator[Path]:
    """Yield every Python file that may import the package."""
    for name in CODE:
        place = ROOT / name
        yield from [place] if place.is_file() else sorted(place.rglob("*.py"))


def tracked_texts() -> Iterator[Path]:
    """Yield every tracked file that is text."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        file = ROOT / line
        if line.startswith(FROZEN) or "scripts/renames/" in line or file.name == "CHANGELOG.md":
            continue
        if file.suffix in TEXT and file.is_file():
            yield file


def imports_of(nodes: Iterable[ast.AST], known: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield each module that a file imports, with its line; `nodes` are all nodes of the file."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mainspring":
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                yield (dotted if dotted in known else node.module), node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    yield alias.name, node.lineno


def check(tables: Tables) -> bool:
    """Print the tree as it would be; return whether it may be."""
    known = modules_of_source()
    new = {name: tables.module(name) for name in known}
    wrong = [f"no module {old}" for old in tables.modules if old not in known]
    twice = defaultdict(list)
    for name, to in new.items():
        twice[to].append(name)
    wrong += [f"two modules become {to}: {', '.join(names)}" for to, names in twice.items() if len(names) > 1]
    packages = {to for name, to in new.items() if known[name].name == "__init__.py"} | set(tables.packages)
    for to in new.values():
        above = to.rpartition(".")[0]
        if above and above not in packages:
            wrong.append(f"no package {above} (for {to}): give it a docstring in [packages]")
    counts = Counter(to.rpartition(".")[0] for name, to in new.items() if known[name].name != "__init__.py")
    counts.update(packages)  # their __init__
    wrong += [f"{count} files in {package}" for package, count in sorted(counts.items()) if count > MOST_FILES]
    print("".join(f"{line}\n" for line in wrong), end="")
    return print_cycles(known, new) and not wrong


def print_cycles(known: dict[str, Path], new: dict[str, str]) -> bool:
    """Print the cycles between the packages of one folder, at any depth, and the imports that close them."""
    imports = {
        name: list(imports_of(ast.walk(ast.parse(file.read_text(encoding="utf-8"))), known))
        for name, file in known.items()
    }
    found = list(cycles(imports, new))
    for cycle in found:
        print(f"cycle in {cycle.folder}: {', '.join(sorted(cycle.members))}")
        for (a, b), places in sorted(cycle.imports.items(), key=lambda pair: len(pair[1])):
            print(f"    {a} -> {b} ({len(places)}): {'; '.join(places[:4])}")
    return not found


@dataclass(frozen=True)
class Cycle:
    """Packages and modules of one folder that import each other, with the imports between them."""

    folder: str
    members: frozenset[str]
    imports: dict[tuple[str, str], list[str]]


def cycles(imports: Mapping[str, Iterable[tuple[str, int]]], new: Mapping[str, str]) -> Iterator[Cycle]:
    """Yield the cycles between the packages of one folder; modules of one package may know each other."""
    edges: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, imported in imports.items():
        for other, line in imported:
            mine, theirs = new[name].split("."), new[other].split(".")
            shared = 0
            while shared < min(len(mine), len(theirs)) and mine[shared] == theirs[shared]:
                shared += 1
            if shared < 2 or shared >= len(mine) or shared >= len(theirs):
                continue  # layers are import-linter's
            a, b = mine[shared], theirs[shared]
            edges[".".join(mine[:shared])][a, b].append(f"{new[name]}:{line} -> {new[other]}")
    packages = {name.rpartition(".")[0] for name in new.values()}
    for folder, pairs in sorted(edges.items()):
        graph: dict[str, set[str]] = defaultdict(set)
        for a, b in pairs:
            graph[a].add(b)
        for part in strongly_connected(graph):
            if len(part) > 1 and any(f"{folder}.{name}" in packages for name in part):
                between = {(a, b): places for (a, b), places in pairs.items() if a in part and b in part}
                yield Cycle(folder, frozenset(part), between)


def strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected parts of a graph (Kosaraju)."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(node: str, edges: dict[str, set[str]], into: list[str]) -> None:
        stack = [(node, iter(sorted(edges.get(node, ()))))]
        seen.add(node)
        while stack:
            top, rest = stack[-1]
            following = next((child for child in rest if child not in seen), None)
            if following is None:
                stack.pop()
                into.append(top)
            else:
                seen.add(following)
                stack.append((following, iter(sorted(edges.get(following, ())))))

    back: dict[str, set[str]] = defaultdict(set)
    for a, children in graph.items():
        for b in children:
            back[b].add(a)
    for node in sorted({*graph, *back}):
        if node not in seen:
            visit(node, graph, order)
    seen.clear()
    parts = []
    for node in reversed(order):
        if node not in seen:
            part: list[str] = []
            visit(node, back, part)
            parts.append(set(part))
    return parts


class Scopes(ast.NodeVisitor):
    """Which names of a file are those of its module, by node; `bound` = what the functions around a node bind."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound: dict[ast.AST, frozenset[str]] = {}
        self._around: frozenset[str] = frozenset()
        self.visit(tree)

    def visit(self, node: ast.AST) -> None:
        """Note what is bound around a node, then go into it."""
        self.bound[node] = self._around
        if isinstance(node, ast.ClassDef):
            self._visit_class(node)
            return
        if not isinstance(node, _FUNCTIONS | _COMPREHENSIONS):
            self.generic_visit(node)
            return
        before = self._around
        inside = before | bound_in(node)
        for name, value in ast.iter_fields(node):
            # A decorator, default or annotation belongs to what is around the function.
            self._around = inside if name in ("body", "elt", "key", "value", "generators") else before
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.arguments):
                    self._visit_arguments(child, before, inside)
                elif isinstance(child, ast.AST):
                    self.visit(child)
        self._around = before

    def _visit_class(self, node: ast.ClassDef) -> None:
        """Its methods do not see what it binds, its other lines do."""
        before = self._around
        inside = before | bound_in(node)
        for child in ast.iter_child_nodes(node):
            self._around = inside if child in node.body and not isinstance(child, _FUNCTIONS) else before
            self.visit(child)
        self._around = before

    def _visit_arguments(self, node: ast.arguments, before: frozenset[str], inside: frozenset[str]) -> None:
        self.bound[node] = inside
        for child in ast.iter_child_nodes(node):
            self._around = before
            self.visit(child)


def bound_in(function: ast.AST) -> frozenset[str]:
    """Return the names that a function, class or comprehension binds itself."""
    names: set[str] = set()
    outside: set[str] = set()
    if isinstance(function, _FUNCTIONS):
        args = function.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        names.update(arg.arg for arg in every if arg is not None)
        body: list[ast.AST] = [function.body] if isinstance(function, ast.Lambda) else list(function.body)
    elif isinstance(function, ast.ClassDef):
        body = list(function.body)
    else:
        body = [generator.target for generator in function.generators]  # type: ignore[attr-defined]
    waiting = body
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Global):
            outside.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.Import):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] != "mainspring":
            names.update(alias.asname or alias.name for alias in node.names)  # ours are renamed where they are used
        if not isinstance(node, _FUNCTIONS | _COMPREHENSIONS):
            waiting.extend(ast.iter_child_nodes(node))
    return frozenset(names - outside)


class Rewriter:
    """The edits of one Python file, by place. Uses of a module or name whose name changes are edited with the import that binds it."""

    def __init__(
        self,
        tables: Tables,
        known: dict[str, Path],
        file: Path,
        own: str | None,
        locals_of: dict[str, dict[str, str]] | None = None,
        everywhere: dict[str, str] | None = None,
    ) -> None:
        self.tables = tables
        self.known = known
        self.file = file
        self.text = file.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.own = own
        self.locals_of = locals_of or {}
        """Old module -> names as its file has them -> their new names."""
        self.everywhere = everywhere or {}
        """Names that stand once in the source."""
        self.problems: list[str] = []
        lines = self.text.encode().splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._edits: dict[tuple[int, int], str] = {}
        self.renamed: dict[str, str] = {}
        """Names as this file has them."""
        self._modules: dict[str, str] = {}
        """Modules by the expression that stands for them here."""

    def place(self, line: int, column: int) -> int:
        """Return the offset in bytes of a place."""
        return self._starts[line - 1] + column

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the offsets of a node."""
        start = self.place(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return start, self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def edit(self, node: ast.AST, text: str) -> None:
        """Replace the text of a node."""
        self._edits[self.span(node)] = text

    def rewrite(self) -> str:
        """Return the text as it is to be."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mainspring":
                self._import_from(node)
            elif isinstance(node, ast.Import):
                self._import(node)
        if self.own is not None:
            moved = self.tables.module(self.own)
            for node in self.tree.body:
                for name in defined(node):
                    to = self.tables.names.get(f"{moved}.{name}")
                    if to is not None:
                        self.renamed[name] = to
        self._rename_attributes()
        if self.renamed:
            self._rename()
        self._rename_in_prose()
        raw = self.text.encode()
        for (start, end), text in sorted(self._edits.items(), reverse=True):
            raw = raw[:start] + text.encode() + raw[end:]
        return raw.decode()

    def _import(self, node: ast.Import) -> None:
        parts = []
        for alias in node.names:
            to = self.tables.module(alias.name) if alias.name in self.known else alias.name
            parts.append(to if alias.asname is None else f"{to} as {alias.asname}")
            if alias.name in self.known:
                self._modules[alias.asname or alias.name] = alias.name
            if to != alias.name and alias.asname is None:
                for use in ast.walk(self.tree):
                    if isinstance(use, ast.Attribute) and ast.unparse(use) == alias.name:
                        self.edit(use, to)
        text = "import " + ", ".join(parts)
        if text != ast.unparse(node):
            self.edit(node, text)

    def _import_from(self, node: ast.ImportFrom) -> None:
        wanted: dict[str, list[str]] = defaultdict(list)
        assert node.module is not None
        changed = False
        for alias in node.names:
            dotted = f"{node.module}.{alias.name}"
            if dotted in self.known:
                module, _, name = self.tables.module(dotted).rpartition(".")
                self._modules[alias.asname or alias.name] = dotted
            else:
                module = self.tables.module(node.module)
                name = self.tables.names.get(f"{module}.{alias.name}", alias.name)
            if name != alias.name and alias.asname is None:
                self.renamed[alias.name] = name
            again = alias.asname is not None and (alias.asname != name or alias.asname == alias.name)
            wanted[module].append(f"{name} as {alias.asname}" if again else name)
            changed = changed or module != node.module or name != alias.name
        if changed:
            indent = " " * node.col_offset
            lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(wanted.items())]
            self.edit(node, f"\n{indent}".join(lines))

    def _rename_attributes(self) -> None:
        """Edit uses of names through a module: `module.name` and `setattr(module, "name", ...)`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                to = self._new_attribute(node.value, node.attr)
                if to is not None:
                    end = self.span(node)[1]
                    self._edits[end - len(node.attr), end] = to
            elif isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in ("setattr", "delattr", "getattr", "object") and isinstance(node.args[1].value, str):
                    to = self._new_attribute(node.args[0], node.args[1].value)
                    if to is not None:
                        self.edit(node.args[1], f'"{to}"')

    def _new_attribute(self, value: ast.AST, name: str) -> str | None:
        if not isinstance(value, ast.Name | ast.Attribute):
            return None
        module = self._modules.get(ast.unparse(value))
        return None if module is None else self.locals_of.get(module, {}).get(name)

    def _rename(self) -> None:
        """Edit the uses of names that are the module's; a new name that something else binds there is a problem."""
        scopes = Scopes(self.tree)
        taken = {name for node in self.tree.body for name in defined(node)}
        taken |= {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name) and n.id not in scopes.bound[n]}
        taken -= set(self.renamed)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node.id in self.renamed and node.id not in scopes.bound[node]:
                self._use(node, node.id, scopes)
            elif isinstance(node, ast.Global):
                start, end = self.span(node)
                text = self.text.encode()[start:end].decode()
                for name in set(node.names) & set(self.renamed):
                    text = re.sub(rf"\b{name}\b", self.renamed[name], text)
                self._edits[start, end] = text
            elif isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
            ):
                for item in ast.walk(node.value):
                    if isinstance(item, ast.Constant) and item.value in self.renamed:
                        self.edit(item, f'"{self.renamed[item.value]}"')
        for text_node in quoted_annotations(self.tree):
            self._rename_quoted(text_node)
        for old, to in self.renamed.items():
            if to in taken:
                self.problems.append(f"{self.file}: {old} -> {to}, but {to} is used already")
        for node in self.tree.body:
            self._definition(node)

    def _use(self, node: ast.Name, old: str, scopes: Scopes) -> None:
        self.edit(node, self.renamed[old])
        if self.renamed[old] in scopes.bound[node]:
            self.problems.append(
                f"{self.file}:{node.lineno}: {old} -> {self.renamed[old]}, but that is a variable there"
            )

    def _definition(self, node: ast.stmt) -> None:
        word = _WORDS.get(type(node))
        if word is not None and node.name in self.renamed:  # type: ignore[attr-defined]
            start = self.place(node.lineno, node.col_offset) + len(word) + 1
            self._edits[start, start + len(node.name)] = self.renamed[node.name]  # type: ignore[attr-defined]
        for part in ("body", "orelse", "handlers"):  # a definition under `if` or `try`
            if isinstance(node, ast.If | ast.Try | ast.ExceptHandler):
                for inner in getattr(node, part, ()):
                    self._definition(inner)

    def _rename_quoted(self, node: ast.Constant) -> None:
        start, end = self.span(node)
        text = found = self.text.encode()[start:end].decode()
        for old, to in self.renamed.items():
            found = re.sub(rf"(?<![\w.]){re.escape(old)}\b", to, found)
        for name, module in self._modules.items():
            for old, to in self.locals_of.get(module, {}).items():
                found = re.sub(
                    rf"(?<![\w.])({re.escape(self.renamed.get(name, name))})\.{re.escape(old)}\b", rf"\1.{to}", found
                )
        if found != text:
            self._edits[start, end] = found

    def _rename_in_prose(self) -> None:
        """Edit names in comments and docstrings: words in camel case, and whatever stands in backquotes."""
        places = []
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                line = self.text.split("\n")[token.start[0] - 1]
                start = self.place(token.start[0], len(line[: token.start[1]].encode()))
                places.append((start, start + len(token.string.encode())))
        texts = [node.value for node in ast.walk(self.tree) if isinstance(node, ast.Expr)]
        places += [self.span(text) for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)]
        raw = self.text.encode()
        for start, end in places:
            text = found = raw[start:end].decode()
            for old, to in (self.everywhere | self.renamed).items():
                if old not in found:
                    continue
                word = re.escape(old)
                found = re.sub(rf"`{word}(?=[`.(])", f"`{to}", found)
                if _CAMEL.fullmatch(old):
                    found = re.sub(rf"\b{word}\b", to, found)
            if found != text:
                self._edits[start, end] = found


def quoted_annotations(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield each text that stands for a type."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            roots.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            roots.append(node.returns)
        elif isinstance(node, ast.ClassDef):
            roots.extend(node.bases)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            roots.extend(node.args[:1] if name == "cast" else [])
            roots.extend(word.value for word in node.keywords if word.arg == "bound")
    while roots:
        node = roots.pop()
        if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal":
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node
        roots.extend(ast.iter_child_nodes(node))


def defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (
                name.id for name in ast.walk(target) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            )
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, getattr(ast, "TypeAlias", ())):  # from Python 3.12 on
        yield node.name.id  # type: ignore[attr-defined]
    elif isinstance(node, ast.If | ast.Try | ast.ExceptHandler):
        for part in ("body", "orelse", "handlers"):
            for inner in getattr(node, part, ()):
                yield from defined(inner)


def names_of(file: Path) -> set[str]:
    """Return the names that a module defines."""
    return {name for node in ast.parse(file.read_text(encoding="utf-8")).body for name in defined(node)}


def unique_names(tables: Tables, known: dict[str, Path]) -> dict[str, str]:
    """Return the renamed classes and functions whose old name stands once in the source, and is no everyday word."""
    counts = Counter(name for file in known.values() for name in names_of(file))
    renamed = ((name.rpartition(".")[2], to) for name, to in tables.names.items())
    return {old: to for old, to in renamed if counts[old] == 1 and _CAMEL.fullmatch(old)}


def apply(tables: Tables) -> bool:
    """Rewrite every file, then move those that move."""
    known = modules_of_source()
    own = {file: name for name, file in known.items()}
    defined_names = {f"{tables.module(name)}.{one}" for name, file in known.items() for one in names_of(file)}
    problems = [f"nothing is called {name}" for name in tables.names if name not in defined_names]
    locals_of: dict[str, dict[str, str]] = {}
    for name, file in known.items():
        rewriter = Rewriter(tables, known, file, name)
        rewriter.rewrite()
        locals_of[name] = rewriter.renamed
    everywhere = unique_names(tables, known)
    for file in code_files():
        rewriter = Rewriter(tables, known, file, own.get(file), locals_of, everywhere if SRC in file.parents else {})
        text = rewriter.rewrite()
        problems += rewriter.problems
        if text != rewriter.text:
            file.write_text(text, encoding="utf-8")
    rewrite_texts(tables, known, locals_of)
    for package, said in tables.packages.items():
        folder = SRC / Path(*package.split("."))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "__init__.py").exists():
            (folder / "__init__.py").write_text(f'"""{said}"""\n', encoding="utf-8")
    move_files(tables, known)
    for problem in problems:
        print(problem)
    return not problems


def move_files(tables: Tables, known: dict[str, Path]) -> None:
    """Move each module to where its new name says; what else lies in a moved package goes with it."""
    for name, file in known.items():
        to = tables.module(name)
        if to == name:
            continue
        is_package = file.name == "__init__.py"
        target = SRC / Path(*to.split("."))
        target = target / "__init__.py" if is_package else target.with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # the docstring that [packages] gave it
        subprocess.run(["git", "mv", file, target], check=True)
        if is_package:
            for other in sorted(file.parent.iterdir()) if file.parent.is_dir() else []:
                if other.name != "__pycache__" and (other.is_dir() or other.suffix != ".py"):
                    tracked = subprocess.run(["git", "ls-files", other], capture_output=True, text=True, check=True)
                    if tracked.stdout and not any(found.is_relative_to(other) for found in known.values()):
                        subprocess.run(["git", "mv", other, target.parent / other.name], check=True)


Rule = tuple[str, re.Pattern[str], str]
"""What must be in a text, the pattern, and what takes its place."""


def rewrite_texts(tables: Tables, known: dict[str, Path], locals_of: dict[str, dict[str, str]]) -> None:
    """Replace dotted names and paths of modules, and the words, in every text; code has its imports rewritten already."""
    moved = {name: tables.module(name) for name in known if tables.module(name) != name}
    rules = [*rules_of_names(tables, locals_of), *rules_of_modules(tables, known, moved)]
    words = [(word, re.compile(re.escape(word)), to.replace("\\", r"\\")) for word, to in tables.words.items()]
    files = rules_of_files(known, moved)
    for file in tracked_texts():
        text = found = file.read_text(encoding="utf-8")
        if any(part in found for part, _, _ in rules):
            spans = texts_in(found) if file.suffix == ".py" else [(0, len(found))]
            for start, end in reversed(spans):
                found = found[:start] + replaced(found[start:end], rules) + found[end:]
        place = file.relative_to(ROOT).parts
        if place[:2] == ("src", "mainspring") and len(place) > 3:
            found = replaced(found, files[place[2]])
        elif place[0] == "docs" and ("adr" in place or "internals.md" in place):
            found = replaced(found, [rule for several in files.values() for rule in several])
        found = replaced(found, words)
        if found != text:
            file.write_text(found, encoding="utf-8")


def rules_of_names(tables: Tables, locals_of: dict[str, dict[str, str]]) -> Iterator[Rule]:
    """Yield a rule for each dotted name of what a module defines or imports."""
    for name, names in locals_of.items():
        for old, new in names.items():
            dotted = f"{name}.{old}"
            yield dotted, re.compile(rf"(?<![\w.]){re.escape(dotted)}(?!\w)"), f"{tables.module(name)}.{new}"


def rules_of_modules(tables: Tables, known: dict[str, Path], moved: dict[str, str]) -> Iterator[Rule]:
    """Yield rules for the dotted name of each module, its path, and its import in a text."""
    new_below: dict[str, set[str]] = defaultdict(set)
    for to in (*map(tables.module, known), *tables.packages):
        above, _, stem = to.rpartition(".")
        new_below[above].add(re.escape(stem))
    for name, to in sorted(moved.items(), key=lambda pair: -len(pair[0])):
        # Where a module becomes a package of its old name, what is below that is a new name already.
        below = rf"(?!\.(?:{'|'.join(sorted(new_below[name]))})(?!\w))" if new_below.get(name) else ""
        yield name, re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w){below}"), to
        line = f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}"
        above, _, stem = to.rpartition(".")
        start = r"(?:(?<!\w)|(?<=\\n))"  # in a literal a line may begin behind an escape
        yield line, re.compile(rf"{start}{re.escape(line)}(?![\w,])"), f"from {above} import {stem}"
        suffix = "/__init__.py" if known[name].name == "__init__.py" else ".py"
        old, new = name.replace(".", "/") + suffix, to.replace(".", "/") + suffix
        yield old, re.compile(rf"(?<![\w.-]){re.escape(old)}(?!\w)"), new
        short_old, short_new = old.removeprefix("mainspring/"), new.removeprefix("mainspring/")
        if "/" in short_old.removesuffix(suffix):
            yield short_old, re.compile(rf"(?<![\w.-])(?<!/){re.escape(short_old)}(?!\w)"), short_new


def rules_of_files(known: dict[str, Path], moved: dict[str, str]) -> dict[str, list[Rule]]:
    """Return by layer the rules for file names without a folder, where the name stands once in the source."""
    stems = Counter(name.rpartition(".")[2] for name in known)
    found: dict[str, list[Rule]] = defaultdict(list)
    for name, to in moved.items():
        old, new = name.rpartition(".")[2], to.rpartition(".")[2]
        if old != new and stems[old] == 1:
            found[name.split(".")[1]].append((f"{old}.py", re.compile(rf"(?<![\w./]){old}\.py\b"), f"{new}.py"))
    return found


def replaced(text: str, patterns: list[Rule]) -> str:
    """Return a text after all replacements, in order."""
    for part, pattern, to in patterns:
        if part in text:
            text = pattern.sub(to, text)
    return text


def texts_in(code: str) -> list[tuple[int, int]]:
    """Return where the comments and literals of Python code are: the rest is rewritten by what it means."""
    starts = [0]
    for line in code.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    spans: list[tuple[int, int]] = []
    depth = begin = 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            depth += 1
            begin = start if depth == 1 else begin
        elif name == "FSTRING_END":
            depth -= 1
            if not depth:
                spans.append((begin, end))
        elif name in ("STRING", "COMMENT") and not depth:
            spans.append((start, end))
    return spans


def main(words: list[str]) -> int:
    """Do what is asked; 0 if all is well."""
    act, *files = words
    tables = read_tables(files)
    return 0 if {"check": check, "apply": apply}[act](tables) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
