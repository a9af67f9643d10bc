"""Count what breaks the rules for names: `python scripts/language.py [--write | --accept | all | FOLDER ...]`.

The rules and word lists are those of `docs/contributing/language.md`. Without arguments it prints a table by layer. With `all`, folders
or files it lists their findings. `--write` keeps the counts in `tests/golden/language.toml`; a test fails if one of them rises. `--accept`
keeps them even if they rose: after a word was added to a list.
"""

import ast
import gc
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from ratchet import ROOT, TREES, Finding, counts_of, print_findings, total_of, write

PAGE = Path("docs/contributing/language.md")
RATCHET = Path("tests/golden/language.toml")
SURFACE = Path("tests/golden/surface.txt")
MOST_FILES = 30
# The rules beside the words, with what to do about a finding.
RULES = {
    "for one in": "name the loop variable after its type",
    "class name twice": "give each class a name of its own",
    "large folder": f"at most {MOST_FILES} Python or SQL files: make sub-packages by noun",
    "module alias": "import the module by its own name",
    "docstring": "say the words of the file name in the module's docstring",
    "package cycle": "packages of one layer import each other one way only",
}
_SQL_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_TEMPLATE_BINDING = re.compile(r"\{%-?\s*(set|for|macro|import)\b(.*?)%\}", re.DOTALL)
_TEMPLATE_TEXT = re.compile(r'"[^"]*"')
_SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_KINDS = {
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.arg, ast.Name, ast.Attribute, ast.ExceptHandler),
    *(ast.Import, ast.ImportFrom, ast.alias, ast.For, ast.AsyncFor, ast.comprehension, ast.MatchAs, ast.MatchStar),
}


@dataclass(frozen=True)
class WordLists:
    """The word lists of the page: each word with what to write instead."""

    dialect: Mapping[str, str]
    sentence: Mapping[str, str]
    whole: Mapping[str, str]
    large_folders: frozenset[str]

    def terms(self) -> dict[str, str]:
        """Return what to write instead of each word and each other finding."""
        return {**RULES, **self.whole, **self.sentence, **self.dialect}


@dataclass(frozen=True)
class PublicNames:
    """What users type or read, in snake_case: excepted from the word lists everywhere, or as fields of a struct."""

    anywhere: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass
class SourceFile:
    """A file of Python, parsed once, of SQL, or a template."""

    path: str
    text: str
    nodes: list[ast.AST] = field(default_factory=list)
    docstring: str = ""

    @property
    def stem(self) -> str:
        """The file name without its suffix."""
        return self.path.rpartition("/")[2].partition(".")[0]

    @property
    def is_test(self) -> bool:
        """Whether it lies below the tests."""
        return self.path.startswith("tests/")


@cache
def parts_of(name: str) -> tuple[str, ...]:
    """Return the words of a snake_case or CamelCase name."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return tuple(part for part in re.split(r"[_\W]+", name.lower()) if part)


def table_of(page: str, heading: str) -> dict[str, str]:
    """Return the rows of the table below a heading: each word of the first column with the second."""
    _, found, rest = page.partition(f"\n### {heading}\n")
    if not found:
        raise ValueError(f"{PAGE}: no table '{heading}'")
    section = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[1:]  # without the head
    return {
        word.strip("` "): use for words, use in rows for word in words.split(",") if not word.strip().startswith("--")
    }


def read_lists(root: Path = ROOT) -> WordLists:
    """Read the word lists of the page."""
    page = (root / PAGE).read_text(encoding="utf-8")
    return WordLists(
        dialect=table_of(page, "Dialect words"),
        sentence=table_of(page, "Words of a sentence"),
        whole=table_of(page, "Whole names"),
        large_folders=frozenset(table_of(page, "Large folders")),
    )


def read_public_names(root: Path = ROOT) -> PublicNames:
    """Read which names users see, from the list that `scripts/surface.py` keeps."""
    anywhere: set[str] = set()
    fields: set[str] = set()
    for line in (root / SURFACE).read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "schema":
            fields.update(rest.partition(": ")[2].split())
        elif kind == "api":
            anywhere.update(re.findall(r"(?:query|path|header):(\S+)", rest))
        elif kind == "command":
            anywhere.update(option.lstrip("-") for option in re.findall(r"--[a-z-]+|[A-Z_]+", rest))
        elif kind == "key":
            anywhere.update(rest.split("."))
        elif kind not in {"exit", "metric"}:
            anywhere.update(rest.replace("--", "").split())
    return PublicNames(frozenset(map(_snake, anywhere)), frozenset(map(_snake, fields)))


def _snake(name: str) -> str:
    return "_".join(parts_of(name))


def read_files(root: Path = ROOT) -> list[SourceFile]:
    """Read every file below the source and the tests that has names, once."""
    gc.disable()  # all nodes stay: each collection would visit a million of them
    try:
        return [read_file(path, root) for tree in TREES for path in sorted((root / tree).rglob("*")) if is_source(path)]
    finally:
        gc.enable()


def is_source(path: Path) -> bool:
    """Whether a file is Python, SQL or a template of a page."""
    return path.suffix in {".py", ".sql", ".html"} and "__pycache__" not in path.parts


def read_file(path: Path, root: Path) -> SourceFile:
    """Read a file; keep of its tree the nodes that the rules are about."""
    file = SourceFile(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    if path.suffix == ".py":
        module = ast.parse(file.text, file.path)
        file.docstring = ast.get_docstring(module) or ""
        file.nodes = list(nodes_of(module))
    return file


def nodes_of(module: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of some kinds, as `ast.walk` would in three times the time."""
    left: list[ast.AST] = [module]
    while left:
        node = left.pop()
        if node.__class__ in _KINDS:
            yield node
        for value in node.__dict__.values():
            if value.__class__ is list:
                left += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                left.append(value)


def findings(root: Path = ROOT) -> list[Finding]:
    """Return everything that breaks a rule."""
    lists, public, files = read_lists(root), read_public_names(root), read_files(root)
    known = modules_of_source(root / "src")
    found: list[Finding] = []
    for file in files:
        found += words_in(file, lists, public)
        found += aliases_in(file, known)
        found += docstring_of(file)
    found += words_of_paths(files, lists, public)
    found += classes_twice(files)
    found += large_folders(files, lists)
    found += package_cycles(files, known)
    return found


def bound_names(file: SourceFile) -> Iterator[tuple[str, int, str]]:
    """Yield each name that a file gives to something, with its line and its kind: a `field`, a `test`, a `loop` over `one`, or a `name`."""
    if file.path.endswith(".sql"):
        yield from sql_names(file.text)
    elif file.path.endswith(".html"):
        yield from template_names(file.text)
    else:
        yield from python_names(file)


def python_names(file: SourceFile) -> Iterator[tuple[str, int, str]]:
    """Yield the names that a module binds."""
    fields = {
        id(statement.target)
        for node in file.nodes
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
    }
    for node in file.nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            if isinstance(node.ctx, ast.Store):
                name = node.id if isinstance(node, ast.Name) else node.attr
                yield name, node.lineno, "field" if id(node) in fields else "name"
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno, "name"
        elif isinstance(node, ast.alias):
            if node.asname is not None:
                yield node.asname, node.lineno, "name"
        elif isinstance(node, _FUNCTIONS):
            yield node.name, node.lineno, "test" if file.is_test and node.name.startswith("test_") else "name"
        elif isinstance(node, ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            if node.name is not None:
                yield node.name, node.lineno, "name"
        elif (line := _line_of_loop(node)) is not None:
            yield "one", line, "loop"


def _line_of_loop(node: ast.AST) -> int | None:
    """Return the line of a loop whose variable is `one`."""
    target = getattr(node, "target", None)
    return target.lineno if isinstance(target, ast.Name) and target.id == "one" else None


def template_names(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield each name that a template gives to something: a value, a variable of a loop, a macro and its parameters, an import."""
    for tag in _TEMPLATE_BINDING.finditer(text):
        line = text.count("\n", 0, tag.start()) + 1
        word, rest = tag[1], _TEMPLATE_TEXT.sub("", tag[2])
        if word == "macro":
            names = re.findall(r"(?:^|[(,])\s*(\w+)", rest)
        elif word == "import":
            names = re.findall(r"\bas (\w+)", rest)
        else:
            names = re.findall(r"\w+", re.split(r"=| in ", rest, maxsplit=1)[0])
        yield from ((name, line, "name") for name in names)
        if word == "for" and names == ["one"]:
            yield "one", line, "loop"


def sql_names(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield each identifier of a statement once, with the line where it stands first."""
    bare = _SQL_NOISE.sub(lambda found: "\n" * found[0].count("\n"), text)
    seen: set[str] = set()
    for number, line in enumerate(bare.splitlines(), 1):
        for name in re.findall(r"[a-z_][a-z0-9_]*", line):
            if name not in seen:
                seen.add(name)
                yield name, number, "name"


def words_in(file: SourceFile, lists: WordLists, public: PublicNames) -> Iterator[Finding]:
    """Yield the words of the lists in the names that a file binds, and loops over `one`."""
    for name, line, kind in bound_names(file):
        words = ["for one in"] if kind == "loop" else words_of(name, lists, public, kind)
        yield from (Finding(word, file.path, line, name) for word in words)


def words_of(name: str, lists: WordLists, public: PublicNames, kind: str = "name") -> list[str]:
    """Return the listed words in a name. A test's name is a sentence; a public name may have any."""
    parts = parts_of(name)
    whole = "_".join(parts)
    if whole in public.anywhere or (kind == "field" and whole in public.fields):
        return []
    found = [part for part in parts if part in lists.dialect]
    if kind != "test":
        found += [part for part in parts if part in lists.sentence]
    return [*found, whole] if whole in lists.whole else found


def words_of_paths(files: Iterable[SourceFile], lists: WordLists, public: PublicNames) -> Iterator[Finding]:
    """Yield the words of the lists in the names of files and folders."""
    seen: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        kind = "test" if file.is_test else "name"
        for depth in range(1, len(parts) + 1):
            place = "/".join(parts[:depth])
            if place in seen:
                continue
            seen.add(place)
            for word in words_of(parts[depth - 1].partition(".")[0], lists, public, kind):
                yield Finding(word, place if depth == len(parts) else f"{place}/", 1, parts[depth - 1])


def aliases_in(file: SourceFile, known: Mapping[str, Path]) -> Iterator[Finding]:
    """Yield imports that give a module another name."""
    for node in file.nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            if alias.asname is None or alias.asname == alias.name or (alias.name, alias.asname) == ("mainspring", "ms"):
                continue
            dotted = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            if isinstance(node, ast.Import) or dotted in known or _is_standard_module(dotted):
                yield Finding("module alias", file.path, node.lineno, f"{alias.name} as {alias.asname}")


@cache
def _is_standard_module(dotted: str) -> bool:
    if dotted.partition(".")[0] not in sys.stdlib_module_names:
        return False
    try:
        return find_spec(dotted) is not None
    except ModuleNotFoundError:  # what is above it is no package: it is an object of a module
        return False


def docstring_of(file: SourceFile) -> Iterator[Finding]:
    """Yield a module of the source whose docstring lacks a word of its file name."""
    if file.is_test or not file.path.endswith(".py") or file.stem.startswith("__"):
        return
    said = {stem_of(word) for word in re.findall(r"[a-z0-9]+", file.docstring.lower())}
    lacking = [part for part in parts_of(file.stem) if not any(is_form_of(stem_of(part), stem) for stem in said)]
    if lacking:
        yield Finding("docstring", file.path, 1, f"no {', '.join(lacking)} in the docstring of {file.stem}")


def stem_of(word: str) -> str:
    """Return a word without the usual endings, so that forms of one word are equal or begin alike."""
    for ending in ("ations", "ation", "ings", "ing", "ions", "ion", "ies", "ied", "ers", "ors", "es", "ed", "er", "or"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word.removesuffix("s") if len(word) > 3 else word


def is_form_of(a: str, b: str) -> bool:
    """Whether two stems are of one word: equal, or the longer is the shorter with up to three letters more, the last one free."""
    short, long = sorted((a, b), key=len)
    if short == long:
        return True
    return len(short) >= 3 and len(long) - len(short) <= 3 and long.startswith(short[:-1] if len(short) > 4 else short)


def classes_twice(files: Iterable[SourceFile]) -> Iterator[Finding]:
    """Yield each name that more than one public class of the source has."""
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for file in files:
        if not file.is_test:
            for node in file.nodes:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append((file.path, node.lineno))
    for name, found in sorted(places.items()):
        if len(found) > 1:
            (first, at), (path, line) = found[:2]
            yield Finding("class name twice", path, line, f"{name} (also {first}:{at})")


def large_folders(files: Iterable[SourceFile], lists: WordLists) -> Iterator[Finding]:
    """Yield folders of the source with more files than a reader takes in."""
    counts = Counter(
        file.path.rpartition("/")[0] for file in files if not file.is_test and not file.path.endswith(".html")
    )
    for folder, count in sorted(counts.items()):
        if count > MOST_FILES and folder not in lists.large_folders:
            yield Finding("large folder", f"{folder}/", 1, f"{count} files")


def package_cycles(files: Iterable[SourceFile], known: Mapping[str, Path]) -> Iterator[Finding]:
    """Yield each package or module in a cycle with a package of its folder; modules of one folder may know each other."""
    nodes = {file.path: file.nodes for file in files}
    packages = {name.rpartition(".")[0] for name in known}
    edges: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, path in known.items():
        for other in imports_of(nodes[f"src/{path.as_posix().rpartition('/src/')[2]}"], known):
            mine, theirs = name.split("."), other.split(".")
            shared = len([*takewhile(lambda pair: pair[0] == pair[1], zip(mine, theirs, strict=False))])
            if 2 <= shared < min(len(mine), len(theirs)):  # the layers are a contract of import-linter
                edges[".".join(mine[:shared])][mine[shared]].add(theirs[shared])
    for folder, below in sorted(edges.items()):
        reached = reach_of(below)
        for member in sorted(below):
            cycle = sorted(other for other in reached[member] if member in reached.get(other, ()))
            if any(f"{folder}.{other}" in packages for other in cycle):
                place = f"src/{folder.replace('.', '/')}/"
                yield Finding("package cycle", place, 1, f"{member} in {', '.join(cycle)}")


def reach_of(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return what each node of a graph leads to, directly or not (Warshall)."""
    reached = {node: set(others) for node, others in edges.items()}
    for middle in edges:
        for others in reached.values():
            if middle in others:
                others.update(reached[middle])
    return reached


def modules_of_source(source: Path) -> dict[str, Path]:
    """Return each module and package of the source by its dotted name."""
    return {
        ".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): file
        for file in sorted(source.rglob("*.py"))
    }


def imports_of(nodes: Iterable[ast.AST], known: Mapping[str, Path]) -> Iterator[str]:
    """Yield each module of the source that a file imports, late ones and those for type checkers included."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mainspring":
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                yield dotted if dotted in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def terms() -> dict[str, str]:
    """Return what to write instead of each word and each other finding."""
    return read_lists().terms()


def size_of_source(root: Path = ROOT) -> tuple[int, int]:
    """Return how many statements of Python and lines of SQL the source has, without docstrings, comments and blank lines."""
    statements = 0
    for path in (root / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            statements += isinstance(node, ast.stmt) and not is_text
    texts = [_SQL_COMMENT.sub("", path.read_text(encoding="utf-8")) for path in (root / "src").rglob("*.sql")]
    return statements, sum(bool(line.strip()) for text in texts for line in text.splitlines())


def print_table(found: list[Finding], lists: WordLists) -> None:
    """Print the counts by layer, then each rule and word in source and tests, then the size of the source."""
    counts = counts_of(found)
    groups = {"dialect": lists.dialect, "sentence": lists.sentence, "whole": lists.whole}
    columns = [*groups, *RULES]
    print(f"{'layer':28}" + "".join(f"{column.split()[-1][:10]:>11}" for column in columns))
    for layer, rules in [*sorted(counts.items()), ("total", total_of(counts))]:
        cells = [sum(rules[word] for word in words) for words in groups.values()] + [rules[rule] for rule in RULES]
        print(f"{layer:28}" + "".join(f"{cell:11}" for cell in cells))
    print(f"\n{'word or rule':20}{'src':>8}{'tests':>8}")
    source = total_of({layer: rules for layer, rules in counts.items() if layer.startswith("src")})
    for rule, count in total_of(counts).most_common():
        print(f"{rule:20}{source[rule]:8}{count - source[rule]:8}")
    statements, lines = size_of_source()
    print(f"\nsource: {statements} statements of Python, {lines} lines of SQL")


def main(words: list[str]) -> int:
    """Print the table or the findings of folders, or write the counts."""
    found, lists = findings(), read_lists()
    if words and words[0] in {"--write", "--accept"}:
        return write(found, ROOT / RATCHET, "language.py", accept=words == ["--accept"])
    if words:
        print_findings(found, words, lists.terms())
    else:
        print_table(found, lists)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
