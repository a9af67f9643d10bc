"""Count what breaks the rules for names: `python scripts/language.py [--write | --accept | all | FOLDER ...]`.

The rules and word lists are those of `docs/contributing/language.md`. Without arguments it prints a table by layer. With `all`, folders
or files it lists their findings. `--write` keeps the counts in `tests/golden/language.toml`; a test fails if one of them rises. `--accept`
keeps them even if they rose: after a word was added to a list.
"""

import ast
import gc
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rename import cycles, imports_of, modules_of_source

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/contributing/language.md")
RATCHET = Path("tests/golden/language.toml")
SURFACE = Path("tests/golden/surface.txt")
TREES = ("src/mainspring", "tests")
MOST_FILES = 30
MOST_FILE_LINES = 500
MOST_FUNCTION_LINES = 60
# The rules beside the words, with what to do about a finding.
RULES = {
    "for one in": "name the loop variable after its type",
    "class name twice": "give each class a name of its own",
    "large folder": f"at most {MOST_FILES} Python or SQL files: make sub-packages by noun",
    "large file": f"at most {MOST_FILE_LINES} lines: split it by noun",
    "large function": f"at most {MOST_FUNCTION_LINES} lines",
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
class Finding:
    """What breaks a rule: the rule (or the word), the place from the root, the name that breaks it."""

    rule: str
    path: str
    line: int
    name: str

    @property
    def layer(self) -> str:
        """The first folder below the source or the tests, so that moves inside a layer change no count."""
        return layer_of(self.path)

    def __str__(self) -> str:
        """Return place, name and rule."""
        return f"{self.path}:{self.line}: {self.name} ({self.rule})"


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


def layer_of(path: str) -> str:
    """Return the layer of a path: `src/mainspring/cli`, `tests/unit`; for a file beside them the folder above."""
    tree = next((tree for tree in TREES if path.startswith(f"{tree}/")), "")
    first, below, _ = path.removeprefix(f"{tree}/").partition("/")
    if not tree:
        return path.rpartition("/")[0] or path
    return f"{tree}/{first}" if below else tree


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
        found += sizes_of(file)
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


def sizes_of(file: SourceFile) -> Iterator[Finding]:
    """Yield a file or a function that is too long."""
    lines = file.text.count("\n") + (not file.text.endswith("\n"))
    if lines > MOST_FILE_LINES and file.path.endswith(".py"):
        yield Finding("large file", file.path, 1, f"{lines} lines")
    for node in file.nodes:
        if isinstance(node, _FUNCTIONS) and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_FUNCTION_LINES:
            yield Finding("large function", file.path, node.lineno, f"{node.name} has {length} lines")


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
    """Yield each package or module that is part of a cycle between the packages of one folder."""
    nodes = {file.path: file.nodes for file in files}
    imports = {
        name: list(imports_of(nodes[f"src/{path.as_posix().rpartition('/src/')[2]}"], known))
        for name, path in known.items()
    }
    for cycle in cycles(imports, {name: name for name in known}):
        folder = f"src/{cycle.folder.replace('.', '/')}/"
        for member in sorted(cycle.members):
            yield Finding("package cycle", folder, 1, f"{member} in {', '.join(sorted(cycle.members))}")


def counts_of(found: Iterable[Finding]) -> dict[str, Counter[str]]:
    """Return how often each rule is broken, by layer."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for finding in found:
        counts[finding.layer][finding.rule] += 1
    return counts


def read_counts(file: Path, root: Path = ROOT) -> dict[str, dict[str, int]]:
    """Read the counts that are on record."""
    return tomllib.loads((root / file).read_text(encoding="utf-8"))


def terms() -> dict[str, str]:
    """Return what to write instead of each word and each other finding."""
    return read_lists().terms()


def write_counts(counts: Mapping[str, Mapping[str, int]], program: str, path: Path) -> None:
    """Write the counts, one line a layer, so that two branches seldom change one line."""
    lines = [f"# Written by `python scripts/{program} --write`. Each count may only fall.\n"]
    for layer, rules in sorted(counts.items()):
        rows = ", ".join(f'"{rule}" = {count}' for rule, count in sorted(rules.items()) if count)
        lines.append(f'"{layer}" = {{ {rows} }}\n' if rows else "")
    path.write_text("".join(lines), encoding="utf-8")


def risen(now: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """Return each layer and rule with more findings than are on record."""
    return [
        (layer, rule)
        for layer, rules in sorted(now.items())
        for rule, count in sorted(rules.items())
        if count > before.get(layer, {}).get(rule, 0)
    ]


def report(
    found: list[Finding],
    rises: Iterable[tuple[str, str]],
    terms: Mapping[str, str],
    added: Mapping[str, set[int]] | None,
) -> str:
    """Return what rose, each with the term to write instead and its places: those among the added lines, if they are known."""
    lines = []
    for layer, rule in rises:
        places = [finding for finding in found if (finding.layer, finding.rule) == (layer, rule)]
        new = [finding for finding in places if added is not None and finding.line in added.get(finding.path, ())]
        lines.append(f"'{rule}' stands more often in {layer} than before. Use: {terms.get(rule, '')}")
        lines += [f"    {finding}" for finding in (new or places)[:10]]
    return "\n".join(lines)


def lines_added(since: Path, root: Path = ROOT) -> dict[str, set[int]] | None:
    """Return the lines that each file got since another file was committed; None if git does not know."""
    try:
        commit = _git(root, "log", "-1", "--format=%H", "--", str(since)).strip()
        difference = _git(root, "diff", "--unified=0", "--no-color", commit) if commit else ""
        listed = _git(root, "ls-files", "--others", "--exclude-standard")
    except (OSError, subprocess.CalledProcessError):
        return None
    if not commit:
        return None
    added: dict[str, set[int]] = defaultdict(set)
    path = ""
    for line in difference.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ \S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            added[path].update(range(first, first + count))
    for new in listed.splitlines():
        added[new].update(range(1, MOST_FILE_LINES * 10))
    return added


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True).stdout


def write(found: Iterable[Finding], path: Path, program: str, *, accept: bool) -> int:
    """Write the counts, unless the total of a rule rose and nobody accepts that."""
    now = counts_of(found)
    before = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else now
    old = total_of(before)
    rose = [rule for rule, count in sorted(total_of(now).items()) if count > old[rule]]
    if not rose or accept:
        write_counts(now, program, path)
        return 0
    print("".join(f"{rule}: more than on record\n" for rule in rose), end="")
    return 1


def print_findings(found: Iterable[Finding], prefixes: list[str], terms: Mapping[str, str]) -> None:
    """Print each finding below some paths, with what to write instead."""
    for finding in sorted(found, key=lambda finding: (finding.path, finding.line)):
        if prefixes == ["all"] or finding.path.startswith(tuple(prefixes)):
            print(f"{finding} -> {terms.get(finding.rule, '')}")


def total_of(counts: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Return the counts of all layers together."""
    total: Counter[str] = Counter()
    for rules in counts.values():
        total.update(rules)
    return total


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
