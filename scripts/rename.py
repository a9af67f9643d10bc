"""Move modules and rename what they define, by the tables of a TOML file: `rename.py check|apply FILE`.

The tables:

    [packages]  "mainspring.domain.runs" = "Runs: their states, moves and options."   each new package and its docstring
    [modules]   "mainspring.engine.straight" = "mainspring.engine.driver.fast_path_run"   each module or package that moves
    [names]     "mainspring.engine.straight.Straight" = "FastPathRun"   each class, function or constant of a module, by its new module
    [words]     "desk:NAME" = "trigger:NAME"   exact texts, in every tracked file

`check` prints what the tree would be: files in each folder, cycles between the packages of one layer, with the imports that make them.
`apply` moves the files and rewrites imports, uses, and dotted or path names in texts. Both refuse a table that names what is not there.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path.cwd()
SRC = ROOT / "src"
CODE = ("src", "tests", "demo", "bench", "examples", "scripts", "hatch_build.py")
TEXT = {".py", ".toml", ".md", ".sql", ".html", ".yml", ".yaml", ".txt", ".cfg", ".sh", ".js", ".css", ".json", ""}
MOST_FILES = 30
_GENERIC = {
    "tuple",
    "list",
    "dict",
    "set",
    "frozenset",
    "type",
    "Callable",
    "Iterable",
    "Iterator",
    "Mapping",
    "Sequence",
}
_WORDS = {ast.ClassDef: "class", ast.FunctionDef: "def", ast.AsyncFunctionDef: "async def"}


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


def modules_of_source() -> dict[str, Path]:
    """Return each module and package of the source by its dotted name."""
    found = {}
    for file in sorted(SRC.rglob("*.py")):
        dotted = ".".join(file.relative_to(SRC).with_suffix("").parts)
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
        if file.suffix in TEXT and file.is_file() and "renames" not in line and file.name != "CHANGELOG.md":
            yield file


def imports_of(tree: ast.AST, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield each module that a file imports, with its line."""
    for node in ast.walk(tree):
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
    edges: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, file in known.items():
        for other, line in imports_of(ast.parse(file.read_text(encoding="utf-8")), known):
            mine, theirs = new[name].split("."), new[other].split(".")
            shared = 0
            while shared < min(len(mine), len(theirs)) and mine[shared] == theirs[shared]:
                shared += 1
            if shared < 2 or shared >= len(mine) or shared >= len(theirs):
                continue  # layers are import-linter's
            a, b = mine[shared], theirs[shared]
            edges[".".join(mine[:shared])][a, b].append(f"{new[name]}:{line} -> {new[other]}")
    good = True
    packages = {name.rpartition(".")[0] for name in new.values()}
    for folder, pairs in sorted(edges.items()):
        graph: dict[str, set[str]] = defaultdict(set)
        for a, b in pairs:
            graph[a].add(b)
        for part in strongly_connected(graph):
            if len(part) > 1 and any(
                f"{folder}.{name}" in packages for name in part
            ):  # modules of one package may know each other
                good = False
                print(f"cycle in {folder}: {', '.join(sorted(part))}")
                for (a, b), places in sorted(pairs.items(), key=lambda pair: len(pair[1])):
                    if a in part and b in part:
                        print(f"    {a} -> {b} ({len(places)}): {'; '.join(places[:4])}")
    return good


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


class Rewriter:
    """The edits of one Python file, by place. Uses of a module or name whose name changes are edited with the import that binds it."""

    def __init__(self, tables: Tables, known: dict[str, Path], file: Path, own: str | None, rules: "TextRules") -> None:
        self.tables = tables
        self.rules = rules
        self.known = known
        self.file = file
        self.text = file.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.own = own
        self.problems: list[str] = []
        lines = self.text.encode().splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._edits: dict[tuple[int, int], str] = {}
        self._scopes = scopes_of(self.tree)
        self._bindings: dict[ast.AST | None, dict[str, Binding]] = defaultdict(dict)
        self._local = local_names(self.tree)

    def place(self, line: int, column: int) -> int:
        """Return the offset in bytes of a place."""
        return self._starts[line - 1] + column

    def edit(self, node: ast.AST, text: str) -> None:
        """Replace the text of a node."""
        start = self.place(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        end = self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        self._edits[start, end] = text

    def rewrite(self) -> str:
        """Return the text as it is to be."""
        self._read_bindings()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mainspring":
                self._import_from(node)
            elif isinstance(node, ast.Import):
                self._import(node)
        self._find_clashes()
        self._rename()
        self._rename_attributes()
        self._rename_in_annotations()
        self._rewrite_text()
        raw = self.text.encode()
        for (start, end), text in sorted(self._edits.items(), reverse=True):
            raw = raw[:start] + text.encode() + raw[end:]
        return raw.decode()

    def _read_bindings(self) -> None:
        """Note what each scope imports or defines, by the names of this file: the name to be, and the module that it means."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    module, name = self._new_name(f"{node.module}.{alias.name}")
                    bound = Binding(alias.asname or name, f"{module}.{name}" if module else None)
                    self._bind(node, alias.asname or alias.name, bound)
        if self.own is not None:
            moved = self.tables.module(self.own)
            for node in self.tree.body:
                for name in defined(node):
                    self._bind(self.tree, name, Binding(self.tables.names.get(f"{moved}.{name}", name), None))

    def _bind(self, node: ast.AST, old: str, bound: "Binding") -> None:
        scope = self._bindings[self._scopes[node][-1]]
        if scope.setdefault(old, bound) != bound and (scope[old].name != old or bound.name != old):
            self.problems.append(f"{self.file}: {old} becomes {scope[old].name} and {bound.name}")

    def _new_name(self, dotted: str) -> tuple[str, str]:
        """Return the new name of what is imported; its package as well, where it is a module."""
        if dotted in self.known:
            package, _, name = self.tables.module(dotted).rpartition(".")
            return package, name
        module, _, name = dotted.rpartition(".")
        return "", self.tables.names.get(f"{self.tables.module(module)}.{name}", name)

    def _meaning(self, node: ast.AST, name: str) -> "Binding | None":
        """Return what a name means at a place; None = nothing that this file imports or defines at its top."""
        if node in self._local:
            return None
        return next(
            (self._bindings[scope][name] for scope in reversed(self._scopes[node]) if name in self._bindings[scope]),
            None,
        )

    def _rename_in_annotations(self) -> None:
        """Edit names in annotations that are written as text."""
        pattern = re.compile(r"(?<![\w.\"'])([A-Za-z_]\w*)(?:\.(\w+))?")
        for node in quoted_annotations(self.tree):
            start = self.place(node.lineno, node.col_offset)
            end = self.place(node.end_lineno or node.lineno, node.end_col_offset or 0)
            start += 1  # behind the quote
            text = self.text.encode()[start:end].decode()
            found = []
            last = 0
            for match in pattern.finditer(text):
                meaning = self._meaning(node, match[1])
                if meaning is not None:
                    inner = match[2] and self.rules.attribute(meaning.module, match[2])
                    found += [text[last : match.start()], meaning.name, f".{inner}" if inner else ""]
                    last = match.end()
            new = "".join([*found, text[last:]])
            if new != text:
                self._edits[start, end] = new

    def _rewrite_text(self) -> None:
        """Edit names in strings and comments: all that is neither an import, the name of a logger, nor edited already."""
        taken = sorted(self._edits)
        for node in ast.walk(self.tree):
            is_logger = isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger"
            if is_logger or isinstance(node, ast.Import | ast.ImportFrom):
                end = self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
                taken.append((self.place(node.lineno, node.col_offset), end))  # type: ignore[attr-defined]
        for start, end, to in [*self.rules.edits(self.text), *self._quoted_names()]:
            begin = len(self.text[:start].encode())
            place = begin, begin + len(self.text[start:end].encode())
            if self.text[start:end] != to and not any(a < place[1] and place[0] < b for a, b in taken):
                self._edits[place] = to

    def _quoted_names(self) -> Iterator[tuple[int, int, str]]:
        """Yield errors, and between backquotes classes and what modules hold; other words there may be parameters."""
        for match in re.finditer(r"(?<![\w.])([A-Za-z_]\w*Error)(?!\w)", self.text):  # what a docstring says is raised
            meaning = self._bindings[None].get(match[1])
            if meaning is not None:
                yield *match.span(), meaning.name
        for match in re.finditer(r"(?<=`)([A-Za-z_]\w*)(?:\.(\w+))?", self.text):
            meaning = self._bindings[None].get(match[1])
            if meaning is not None and (match[2] or match[1][0].isupper()):
                inner = match[2] and self.rules.attribute(meaning.module, match[2])
                yield *match.span(), meaning.name + (f".{inner}" if inner else "")

    def _rename_attributes(self) -> None:
        """Edit `module.Name` and `setattr(module, "NAME", ...)`, where the module was imported from its package."""
        for node in ast.walk(self.tree):
            owner: ast.AST | None = None
            name = ""
            if isinstance(node, ast.Attribute):
                owner, name = node.value, node.attr
            elif isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                owner, name = node.args[0], str(node.args[1].value)
            meaning = self._meaning(owner, owner.id) if isinstance(owner, ast.Name) else None
            to = name if meaning is None else self.rules.attribute(meaning.module, name)
            if to != name and isinstance(node, ast.Call):
                self.edit(node.args[1], f'"{to}"')
            elif to != name:
                end = self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
                self._edits[end - len(name), end] = to

    def _import(self, node: ast.Import) -> None:
        parts = []
        for alias in node.names:
            to = self.tables.module(alias.name) if alias.name in self.known else alias.name
            parts.append(to if alias.asname is None else f"{to} as {alias.asname}")
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
            package, name = self._new_name(f"{node.module}.{alias.name}")
            module = package or self.tables.module(node.module)
            again = alias.asname is not None and (alias.asname != name or alias.asname == alias.name)
            wanted[module].append(f"{name} as {alias.asname}" if again else name)
            changed = changed or module != node.module or name != alias.name
        if changed:
            indent = " " * node.col_offset
            lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(wanted.items())]
            self.edit(node, f"\n{indent}".join(lines))

    def _rename(self) -> None:
        """Edit the uses of names, but for variables of functions and fields of classes that are called the same."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                meaning = self._meaning(node, node.id)
                if meaning is not None and meaning.name != node.id:
                    self.edit(node, meaning.name)
            elif isinstance(node, ast.Global):
                top = self._bindings[None]
                self.problems.extend(
                    f"{self.file}: global {name}" for name in node.names if name in top and top[name].name != name
                )
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "TypeVar":
                self._rename_text(node.args[0])
        for statement in self.tree.body:
            if "__all__" in set(defined(statement)):
                for node in ast.walk(statement):
                    self._rename_text(node)
            word = _WORDS.get(type(statement))
            old = getattr(statement, "name", None)
            if word is not None and old in self._bindings[None]:
                start = self.place(statement.lineno, statement.col_offset) + len(word) + 1
                self._edits[start, start + len(old)] = self._bindings[None][old].name

    def _rename_text(self, node: ast.AST) -> None:
        """Edit a text that is the name of something in this file."""
        meaning = self._bindings[None].get(str(node.value)) if isinstance(node, ast.Constant) else None
        if meaning is not None and meaning.name != ast.literal_eval(node):
            self.edit(node, f'"{meaning.name}"')

    def _find_clashes(self) -> None:
        bound: dict[str, list[int]] = defaultdict(list)
        taken = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.arg):
                taken.add(node.arg)
            elif isinstance(node, ast.Name):
                taken.add(node.id)
                if not isinstance(node.ctx, ast.Load) and node not in self._local:
                    bound[node.id].append(node.lineno)
        for names in self._bindings.values():
            for to, number in Counter(each.name for each in names.values()).items():
                if number > 1:
                    self.problems.append(f"{self.file}: {to} would be the name of {number} things")
            for old, meaning in names.items():
                if meaning.name != old:
                    self._find_clash(old, meaning.name, bound, taken)

    def _find_clash(self, old: str, to: str, bound: dict[str, list[int]], taken: set[str]) -> None:
        own = [line for line in bound.get(old, []) if line not in self._lines_of_definition(old)]
        if own:
            self.problems.append(f"{self.file}: {old} -> {to}, but {old} is bound in lines {own}")
        if to in taken:
            self.problems.append(f"{self.file}: {old} -> {to}, but {to} is used already")

    def _lines_of_definition(self, name: str) -> set[int]:
        return {node.lineno for node in self.tree.body if name in set(defined(node))}


class Binding(NamedTuple):
    """What a name of a file means: its name to be, and the new name of the module that it is, if it is one."""

    name: str
    module: str | None


def scopes_of(tree: ast.AST) -> dict[ast.AST, tuple[ast.AST | None, ...]]:
    """Return the functions around each node, outermost first; None = the file."""
    found: dict[ast.AST, tuple[ast.AST | None, ...]] = {}
    waiting: list[tuple[ast.AST, tuple[ast.AST | None, ...]]] = [(tree, (None,))]
    while waiting:
        node, around = waiting.pop()
        found[node] = around
        inner = (*around, node) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else around
        waiting.extend((child, inner) for child in ast.iter_child_nodes(node))
    return found


_Scope = (
    ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
)


def local_names(tree: ast.Module) -> set[ast.AST]:
    """Return each name that means a variable of a function or comprehension, or is bound in the body of a class."""
    found: set[ast.AST] = set()

    def visit(node: ast.AST, bound: frozenset[str]) -> None:
        if isinstance(node, ast.Name) and node.id in bound:
            found.add(node)
        elif isinstance(node, ast.ClassDef):
            inner = bound | bound_in(node.body)
            for child in ast.iter_child_nodes(node):
                is_scope = isinstance(child, _Scope)
                visit(child, bound if is_scope or child not in node.body else inner)
        elif isinstance(node, _Scope):
            body = getattr(node, "body", node)
            arguments: ast.arguments | None = getattr(node, "args", None)
            inner = bound | bound_in(body if isinstance(body, list) else [body])
            if arguments is not None:
                inner |= {each.arg for each in ast.walk(arguments) if isinstance(each, ast.arg)}
            outside = [*getattr(node, "decorator_list", []), getattr(node, "returns", None), arguments]
            for child in ast.iter_child_nodes(node):
                visit(child, bound if child in outside else inner)
        else:
            for child in ast.iter_child_nodes(node):
                visit(child, bound)

    for statement in tree.body:
        visit(statement, frozenset())
    return found


def bound_in(body: Sequence[ast.AST]) -> frozenset[str]:
    """Return the names that statements bind, those of inner functions and classes left out; an import binds what it names."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif not (isinstance(node, _Scope) and node not in body):
            waiting.extend(ast.iter_child_nodes(node))
    return frozenset(names)


def quoted_annotations(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield each text that stands for a type: in annotations, and in generic types and casts elsewhere."""
    places: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            places.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            places.append(node.returns)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cast":
            places.append(node.args[0])
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in _GENERIC:
            places.append(node.slice)
    seen = set()
    while places:
        place = places.pop()
        if isinstance(place, ast.Constant) and isinstance(place.value, str) and place not in seen:
            seen.add(place)
            yield place
        elif isinstance(place, ast.Subscript) and ast.unparse(place.value).rpartition(".")[2] == "Literal":
            continue
        elif isinstance(place, ast.Subscript) and ast.unparse(place.value).rpartition(".")[2] == "Annotated":
            places.append(place.slice.elts[0] if isinstance(place.slice, ast.Tuple) else place.slice)
        else:
            places.extend(ast.iter_child_nodes(place))


def defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.TypeAlias if sys.version_info >= (3, 12) else ()):
        yield node.name.id


def apply(tables: Tables) -> bool:
    """Rewrite every file, then move those that move."""
    known = modules_of_source()
    own = {file: name for name, file in known.items()}
    problems = []
    rules = TextRules(tables, known)
    texts = {}
    for file in code_files():
        rewriter = Rewriter(tables, known, file, own.get(file), rules)
        texts[file] = rewriter.rewrite()
        problems += rewriter.problems
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    rewrite_texts(rules)
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
    waiting = {name: file for name, file in known.items() if tables.module(name) != name}
    while waiting:
        sources = set(waiting.values())
        free = [name for name, file in waiting.items() if target_of(tables.module(name), file) not in sources]
        if not free:
            raise SystemExit(f"these modules would take each other's place: {', '.join(waiting)}")
        for name in free:
            move_file(tables.module(name), waiting.pop(name), known)


def target_of(name: str, file: Path) -> Path:
    """Return where a module of this new name lies."""
    target = SRC / Path(*name.split("."))
    return target / "__init__.py" if file.name == "__init__.py" else target.with_suffix(".py")


def move_file(to: str, file: Path, known: dict[str, Path]) -> None:
    """Move one module."""
    target = target_of(to, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # the docstring that [packages] gave it
    subprocess.run(["git", "mv", file, target], check=True)
    if file.name == "__init__.py":
        for other in sorted(file.parent.iterdir()) if file.parent.is_dir() else []:
            if other.name != "__pycache__" and (other.is_dir() or other.suffix != ".py"):
                tracked = subprocess.run(["git", "ls-files", other], capture_output=True, text=True, check=True)
                if tracked.stdout and not any(found.is_relative_to(other) for found in known.values()):
                    subprocess.run(["git", "mv", other, target.parent / other.name], check=True)


class TextRules:
    """What dotted names, paths and words of a text become. Each place is looked at once: a new name may be an old one of something else."""

    _DOTTED = re.compile(r"(?<![\w.])(mainspring(?:\.\w+)+)(?::(\w+))?")
    _PATH = re.compile(r"(?<![\w.-])(?:[\w.-]+/)+\w+\.py(?!\w)")

    def __init__(self, tables: Tables, known: dict[str, Path]) -> None:
        self._tables = tables
        self._known = known
        self._files = {tables.module(name): file for name, file in known.items()}
        self._imports: dict[Path, dict[str, str]] = {}
        self._paths = {}
        for name, file in known.items():
            suffix = "/__init__.py" if file.name == "__init__.py" else ".py"
            self._paths[name.replace(".", "/") + suffix] = tables.module(name).replace(".", "/") + suffix

    def attribute(self, module: str | None, name: str) -> str:
        """Return the new name of what a module defines or imports; the module is named by its new name."""
        to = self._tables.names.get(f"{module}.{name}")
        if to is None and module in self._files:
            to = self._imported(self._files[module]).get(name)
        return to or name

    def _imported(self, file: Path) -> dict[str, str]:
        if file not in self._imports:
            found = self._imports[file] = {}
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom) and node.module in self._known:
                    moved = self._tables.module(node.module)
                    for alias in node.names:
                        to = self._tables.names.get(f"{moved}.{alias.name}")
                        if to is not None and alias.asname is None:
                            found[alias.name] = to
        return self._imports[file]

    def edits(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield each place that changes, with its new text."""
        for match in self._DOTTED.finditer(text):
            yield *match.span(), self._dotted(match[1], match[2])
        for match in self._PATH.finditer(text):
            yield *match.span(), self._path(match[0])
        for word, to in self._tables.words.items():
            for match in re.finditer(re.escape(word), text):
                yield *match.span(), to

    def rewrite(self, text: str) -> str:
        """Return a text with its changes."""
        for start, end, to in sorted(self.edits(text), reverse=True):
            text = text[:start] + to + text[end:]
        return text

    def _dotted(self, name: str, function: str | None) -> str:
        module, rest = name, ""
        while module not in self._known:
            module, _, part = module.rpartition(".")
            if not module:
                return name + (f":{function}" if function else "")
            rest = f".{part}{rest}"
        moved = self._tables.module(module)
        first, dot, last = rest.removeprefix(".").partition(".")
        first = self.attribute(moved, first)
        if function:
            function = self.attribute(moved, function)
        return moved + (f".{first}" if first else "") + dot + last + (f":{function}" if function else "")

    def _path(self, path: str) -> str:
        before, inside, rest = path.rpartition("mainspring/")
        to = self._paths.get(f"mainspring/{rest}")
        if to is None or not (inside or "/" in rest):
            return path
        return before + (to if inside else to.removeprefix("mainspring/"))


def rewrite_texts(rules: TextRules) -> None:
    """Replace dotted names, paths and words in every text that is no code: the Rewriter has done that there."""
    code = set(code_files())
    for file in tracked_texts():
        if file not in code:
            text = file.read_text(encoding="utf-8")
            found = rules.rewrite(text)
            if found != text:
                file.write_text(found, encoding="utf-8")


def main(words: list[str]) -> int:
    """Do what is asked; 0 if all is well."""
    act, *files = words
    tables = read_tables(files)
    return 0 if {"check": check, "apply": apply}[act](tables) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
