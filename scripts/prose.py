"""Count what breaks the rules for prose: `python scripts/prose.py [--write | --accept | all | PAGE ...]`.

It reads README, CONTRIBUTING and docs/, the help of every command, messages of errors and the texts of pages. In docstrings and comments it
finds phrases, and docstrings that begin with a clause. The rules and banned phrases are those of `docs/contributing/language.md`. Without
arguments it prints a table by area. With `all`, pages, folders or `help` it lists their findings. `--write` keeps the counts in
`tests/golden/prose.toml`; a test fails if one of them rises. `--accept` keeps them even if they rose.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import click

from language import PAGE, table_of
from ratchet import ROOT, Finding, counts_of, print_findings, total_of, write

RATCHET = Path("tests/golden/prose.toml")
MOST_WORDS = 35
MOST_MEAN = 20
# A mean of fewer sentences says little.
FEWEST_SENTENCES = 5
# A fragment, such as an item of a list, is no sentence that a mean should count.
FEWEST_WORDS = 4
LONG_SENTENCE, LONG_PAGE, CLAUSE = "long sentence", "long page", "clause as subject"
DOCSTRING = "docstring begins with a clause"
IN_CODE = " (code)"  # follows a phrase that stands in a docstring or comment
RULES = {
    LONG_SENTENCE: f"at most {MOST_WORDS} words: one idea a sentence",
    LONG_PAGE: f"a mean of at most {MOST_MEAN} words a sentence",
    CLAUSE: "name the subject: a noun instead of who, what, where, which",
    DOCSTRING: "begin with a noun or an imperative",
}
_STARTS = re.compile(
    r"[\"'(*]*(who|whoever|whom|what|whatever|where|wherever|which|whichever|whose|of which)\b", re.IGNORECASE
)
_INSIDE = re.compile(r"; (who|whoever|what|whatever|where) (?!else\b)\w", re.IGNORECASE)
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|approx|No|St)\.$")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])|\s·\s")
_WORD = re.compile(r"[A-Za-z0-9$][\w'./:@%$-]*")
_DOCSTRING = re.compile(r'^ *r?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(?:^|  ) *#:? (.+)$", re.MULTILINE)
_INLINE_TAGS = {"a", "abbr", "b", "em", "i", "kbd", "small", "span", "strong", "time"}


Phrases: TypeAlias = tuple[tuple[str, re.Pattern[str]], ...]


@dataclass(frozen=True)
class Text:
    """A piece of prose with its place. What is not measured, a title or a cell of a table, is only searched for phrases."""

    path: str
    line: int
    text: str
    is_measured: bool = True


@dataclass(frozen=True)
class Sentence:
    """One sentence with the line on which it begins."""

    path: str
    line: int
    text: str

    @property
    def words(self) -> int:
        """How many words it has; a piece of code is one."""
        return len(_WORD.findall(self.text))


def without_markup(text: str) -> str:
    """Return Markdown as plain text of the same lines: code becomes one word, a link its text."""

    def kept(lines: str, instead: str) -> str:
        return instead + "\n" * lines.count("\n")

    text = re.sub(r"<!--.*?-->", lambda found: kept(found[0], ""), text, flags=re.DOTALL)
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", lambda found: kept(found[0], "Code"), text, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", lambda found: kept(found[0], ""), text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\[[^\]]*\]", r"\1", text)
    text = re.sub(r"<?https?://\S+>?", "Address", text)
    text = re.sub(r"</?[a-z][^>]*>", "", text)
    return re.sub(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=[\w.!?])[*_](?!\w)", "", text)


def texts_of_markdown(path: str, page: str) -> Iterator[Text]:
    """Yield the paragraphs, items, titles and cells of a page; code is left out."""
    block: list[str] = []
    start = 0
    fence = ""
    is_in_list = False

    def flush() -> Iterator[Text]:
        if block:
            yield Text(path, start, without_markup("\n".join(block)))
            block.clear()

    for number, line in enumerate(page.splitlines(), 1):
        bare = line.strip()
        if fence:
            fence = "" if bare.startswith(fence) and not bare.strip(fence[0]) else fence
        elif opened := re.match(r"\s*(?:[*+-] |\d+\. )?(```+|~~~+)", line):
            yield from flush()
            fence = opened[1]
        elif not bare:
            yield from flush()
        elif not block and line.startswith("    ") and (not is_in_list or line.startswith(" " * 8)):
            continue  # indented code
        elif bare.startswith("|"):
            yield from flush()
            yield from (
                Text(path, number, without_markup(cell), is_measured=False) for cell in re.split(r"(?<!\\)\|", bare)
            )
        elif bare.startswith("#") and re.match(r"#{1,6} ", bare):
            yield from flush()
            is_in_list = False
            yield Text(path, number, without_markup(bare.lstrip("# ")), is_measured=False)
        else:
            item = re.match(r"\s*(?:[*+-]|\d+[.)])\s+|\s*>\s?", line)
            if item:
                yield from flush()
            is_in_list = bool(item) or (is_in_list and (bool(block) or line.startswith(" ")))
            if not block:
                start = number
            block.append(line[item.end() :] if item else bare)
    yield from flush()


def texts_of_template(path: str, page: str) -> Iterator[Text]:
    """Yield the texts of a page's template: those between tags, those that readers of screens hear, and those within expressions."""

    def blank(found: re.Match[str], instead: str = "") -> str:
        return instead + "\n" * found[0].count("\n")

    page = re.sub(r"\{#.*?#\}|<!--.*?-->|<(script|style)\b.*?</\1>", blank, page, flags=re.DOTALL)
    for code in re.finditer(r"\{[{%].*?[}%]\}", page, re.DOTALL):
        for text in re.findall(r'"([^"]*)"', code[0]):
            if " " in text.strip():
                yield Text(path, page.count("\n", 0, code.start()) + 1, without_markup(text))
    page = re.sub(r"\{\{.*?\}\}", lambda found: blank(found, "Value"), page, flags=re.DOTALL)
    page = re.sub(r"\{%.*?%\}", lambda found: blank(found, "\0"), page, flags=re.DOTALL)
    for name in re.finditer(r'\b(?:title|aria-label|placeholder|alt)="([^"\0]+)"', page):
        yield Text(path, page.count("\n", 0, name.start()) + 1, name[1])
    page = re.sub(r"<code\b.*?</code>", lambda found: blank(found, "Code"), page, flags=re.DOTALL)

    def tag(found: re.Match[str]) -> str:
        return blank(found, "" if found[1].lower() in _INLINE_TAGS else "\0")

    page = re.sub(r"</?([A-Za-z][\w-]*)[^>]*>", tag, page)
    line = 1
    for part in page.split("\0"):
        lead = len(part) - len(part.lstrip())
        if part.strip():
            yield Text(path, line + part.count("\n", 0, lead), re.sub(r"&\w+;", " ", part.strip()))
        line += part.count("\n")


def texts_of_help(group: click.Group, words: str = "mainspring", seen: set[str] | None = None) -> Iterator[Text]:
    """Yield the help of each command of a tree and of its options; of an option that many commands have, once."""
    seen = set() if seen is None else seen
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        path = f"help/{words} {name}"
        for paragraph in re.split(r"\n\s*\n", command.help or ""):
            if "\b" not in paragraph:  # click keeps its lines: it is an example
                yield Text(path, 1, without_markup(paragraph.strip()))
        for parameter in command.params:
            text = getattr(parameter, "help", None)
            if text and text not in seen:
                seen.add(text)
                yield Text(f"{path} {parameter.opts[0]}", 1, without_markup(text))
        if isinstance(command, click.Group):
            yield from texts_of_help(command, f"{words} {name}", seen)


def texts_of_errors(path: str, source: str) -> Iterator[Text]:
    """Yield the messages and hints that a module raises."""
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            values = [*node.exc.args, *(word.value for word in node.exc.keywords if word.arg != "hint")]
        elif isinstance(node, ast.keyword) and node.arg == "hint":
            values = [node.value]
        else:
            continue
        for value in values:
            text = text_of(value)
            if text.count(" ") >= 2:
                yield Text(path, value.lineno, without_markup(text))


def text_of(value: ast.expr) -> str:
    """Return a text as it is written in code; what it is filled with becomes one word."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) for part in parts)
        case ast.FormattedValue():
            return "Value"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left) + text_of(right)
        case _:
            return ""


def findings_in_code(path: str, source: str, phrases: Phrases) -> Iterator[Finding]:
    """Yield banned phrases in docstrings and comments, and docstrings that begin with a clause."""
    for found in [*_DOCSTRING.finditer(source), *_COMMENT.finditer(source)]:
        text = without_markup(found[1])
        for phrase, pattern in phrases:
            for place in pattern.finditer(text):
                line = source.count("\n", 0, found.start(1)) + text.count("\n", 0, place.start()) + 1
                yield Finding(phrase + IN_CODE, path, line, excerpt(" ".join(text.split())))
        if found.re is _DOCSTRING and _STARTS.match(text.lstrip()) and not path.startswith("tests/"):
            yield Finding(DOCSTRING, path, source.count("\n", 0, found.start()) + 1, excerpt(text.partition("\n")[0]))


def sentences_of(text: Text) -> Iterator[Sentence]:
    """Yield the sentences of a text."""
    start = 0
    for found in [*_SENTENCE_END.finditer(text.text), None]:
        end = len(text.text) if found is None else found.end()
        part = text.text[start:end]
        if found is not None and _ABBREVIATION.search(part.rstrip()):
            continue
        bare = " ".join(part.strip(" ·\n").split())
        if bare:
            lead = start + len(part) - len(part.lstrip())
            yield Sentence(text.path, text.line + text.text.count("\n", 0, lead), bare)
        start = end


def is_clause_as_subject(sentence: str, *, is_fragment_free: bool = False) -> bool:
    """Whether a sentence begins with a clause of who, what, where or which, or goes over to one after a semicolon; questions may.

    An item of a list without a full stop is a fragment, not a sentence, unless the place has none of these.
    """
    if sentence.rstrip("\"')").endswith("?"):
        return False
    is_sentence = is_fragment_free or sentence.rstrip("\"')")[-1:] in {".", ":", ";", "!"}
    return (is_sentence and bool(_STARTS.match(sentence))) or bool(_INSIDE.search(sentence))


@cache
def banned_phrases(page: str) -> Phrases:
    """Return each banned phrase of the page with its pattern."""
    return tuple(
        (
            phrase,
            re.compile(
                rf"(?<![\w-]){re.escape(phrase).replace(chr(92) + ' ', chr(92) + 's+')}(?![\w-])", re.IGNORECASE
            ),
        )
        for phrase in table_of(page, "Banned phrases")
    )


def findings_of(texts: Iterable[Text], phrases: Phrases) -> Iterator[Finding]:
    """Yield what breaks a rule, with the mean of each page."""
    lengths: dict[str, list[int]] = defaultdict(list)
    for text in texts:
        for sentence in sentences_of(text):
            for phrase, pattern in phrases:
                if pattern.search(sentence.text):
                    yield Finding(phrase, sentence.path, sentence.line, excerpt(sentence.text))
            if not text.is_measured:
                continue
            if sentence.words >= FEWEST_WORDS:
                lengths[sentence.path].append(sentence.words)
            if sentence.words > MOST_WORDS:
                yield Finding(
                    LONG_SENTENCE, sentence.path, sentence.line, f"{sentence.words} words: {excerpt(sentence.text)}"
                )
            if is_clause_as_subject(sentence.text, is_fragment_free=not text.path.endswith(".md")):
                yield Finding(CLAUSE, sentence.path, sentence.line, excerpt(sentence.text))
    for path, words in lengths.items():
        if len(words) >= FEWEST_SENTENCES and sum(words) > MOST_MEAN * len(words):
            yield Finding(LONG_PAGE, path, 1, f"a mean of {sum(words) / len(words):.1f} words")


def excerpt(text: str) -> str:
    """Return the beginning of a sentence."""
    return text if len(text) <= 90 else f"{text[:87]}..."


def all_texts(root: Path = ROOT) -> Iterator[Text]:
    """Yield every text that people read."""
    for path in [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]:
        texts = texts_of_markdown(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        # The tables of the page of rules are the words that are banned.
        yield from (text for text in texts if text.is_measured or path != root / PAGE)
    for path in sorted((root / "src").rglob("*.html")):
        yield from texts_of_template(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted((root / "src").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "raise " in source or "hint=" in source:
            yield from texts_of_errors(path.relative_to(root).as_posix(), source)
    from mainspring.cli.main import root as command  # noqa: PLC0415 - the pages need no program

    yield from texts_of_help(command)


def findings(root: Path = ROOT) -> list[Finding]:
    """Return everything that breaks a rule."""
    phrases = banned_phrases((root / PAGE).read_text(encoding="utf-8"))
    found = list(findings_of(all_texts(root), phrases))
    for path in [*sorted((root / "src").rglob("*.py")), *sorted((root / "tests").rglob("*.py"))]:
        found += findings_in_code(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"), phrases)
    return found


def terms(root: Path = ROOT) -> dict[str, str]:
    """Return what to write instead of each phrase and each other finding."""
    phrases = table_of((root / PAGE).read_text(encoding="utf-8"), "Banned phrases")
    return {**RULES, **phrases, **{phrase + IN_CODE: use for phrase, use in phrases.items()}}


def print_table(found: list[Finding]) -> None:
    """Print the counts by area: phrases in prose, then those in docstrings and comments."""
    counts = counts_of(found)
    print(f"{'area':28}{'long':>8}{'pages':>8}{'clause':>8}{'phrases':>9}{'docstring':>11}{'code':>8}")
    for area, rules in [*sorted(counts.items()), ("total", total_of(counts))]:
        phrases, code = (
            sum(count for rule, count in rules.items() if rule not in RULES and rule.endswith(IN_CODE) == is_code)
            for is_code in (False, True)
        )
        print(
            f"{area:28}{rules[LONG_SENTENCE]:8}{rules[LONG_PAGE]:8}{rules[CLAUSE]:8}{phrases:9}{rules[DOCSTRING]:11}{code:8}"
        )


def main(words: list[str]) -> int:
    """Print the table or the findings of pages, or write the counts."""
    found = findings()
    if words and words[0] in {"--write", "--accept"}:
        return write(found, ROOT / RATCHET, "prose.py", accept=words == ["--accept"])
    if words:
        print_findings(found, words, terms())
    else:
        print_table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
