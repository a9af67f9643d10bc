"""Topics: the pages of the documentation by name. They are part of the installed package; in a checkout they are in `docs`.

Pages about the project itself (`docs/adr`, `docs/contributing`) are not installed, and are no topics.
"""

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import msgspec

import mainspring
from mainspring.domain.errors import NotFoundError, UnknownNameError
from mainspring.domain.text.markdown_headings import find_headings, find_section

_NOT_INSTALLED = frozenset({"adr", "contributing"})
_START_PAGE = "concepts.md"
_SUFFIX = ".md"
_NO_TEXT = re.compile(r"<!--.*?-->|^(```|~~~).*?^\1[^\n]*", re.DOTALL | re.MULTILINE)
_DECORATION = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]")
_BLANK_LINES = re.compile(r"\n{2,}")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s")
_LEAD = re.compile(r"(?:After this (?:page|tutorial) you (?:can|know)|This page shows|On this page you find) ")
"""The usual start of a first sentence: the same on each page, so a list is shorter without it."""
_NO_PROSE = ("#", "|", "- ", "    ")


class DocTopic(msgspec.Struct, frozen=True):
    """A page. `topic` = its shortest name that no other page has; `title` = its first heading; `page` = its path.

    `summary` = its first sentence: the question that the page answers.
    """

    topic: str
    title: str
    summary: str
    page: str


@lru_cache(maxsize=1)
def find_docs_folder() -> Path:
    """Return the folder of the pages.

    Raises:
        NotFoundError: this installation has none.
    """
    package = Path(mainspring.__file__).parent
    for folder in (package / "docs", package.parents[1] / "docs"):
        if (folder / _START_PAGE).is_file():
            return folder
    raise NotFoundError(
        f"the pages of the documentation are not installed (expected in {package / 'docs'})",
        hint="Install the package again: pip install --force-reinstall mainspring",
    )


def list_pages() -> list[str]:
    """Return the paths of all pages: those of the folder itself first, then by folder."""
    folder = find_docs_folder()
    paths = [path.relative_to(folder) for path in folder.rglob(f"*{_SUFFIX}")]
    installed = [path for path in paths if path.parts[0] not in _NOT_INSTALLED]
    return [path.as_posix() for path in sorted(installed, key=lambda path: (len(path.parts), path.as_posix()))]


def list_topics() -> list[DocTopic]:
    """Return all topics, in the order of `list_pages`."""
    return [_describe_page(topic, page) for page, topic in _topics_by_page().items()]


def list_topic_names() -> list[str]:
    """Return the names of all topics."""
    return list(_topics_by_page().values())


def find_topic(name: str) -> DocTopic:
    """Return the topic of a name, of a path (`reference/config`), or of a link as a page contains it (`../reference/config.md`).

    Raises:
        NotFoundError: several pages have this name, or the pages are not installed.
        UnknownNameError: no page has it. The error names the nearest.
    """
    topics = _topics_by_page()
    path = re.sub(r"^(?:\.{0,2}/|docs/)+", "", name).removesuffix(_SUFFIX).lower()
    for page, topic in topics.items():
        if path in {topic, page.removesuffix(_SUFFIX)}:
            return _describe_page(topic, page)
    same_name = [topic for topic in topics.values() if topic.rpartition("/")[2] == path]
    if same_name:
        raise NotFoundError(f"topic {name!r}: several pages have this name", hint=f"Name one: {', '.join(same_name)}.")
    raise UnknownNameError("topic", name, topics.values())


def read_topic(topic: DocTopic, anchor: str = "") -> str:
    """Return the Markdown of a topic, or of its section with this anchor.

    Raises:
        UnknownNameError: no heading of the page has this anchor. The error names the nearest.
    """
    text = (find_docs_folder() / topic.page).read_text(encoding="utf-8")
    if not anchor:
        return text
    lines = text.splitlines()
    section = find_section(lines, anchor.lower())
    if section is None:
        raise UnknownNameError(f"section of {topic.topic}:", anchor, list_anchors(topic))
    return "\n".join(lines[section]).strip() + "\n"


def list_anchors(topic: DocTopic) -> list[str]:
    """Return the anchors of the sections of a topic."""
    return [heading.anchor for heading in find_headings(read_topic(topic).splitlines()) if heading.level > 1]


def _topics_by_page() -> dict[str, str]:
    """Return {page: topic}: the name of the file if only one page has it, else its path."""
    pages = list_pages()
    counts = Counter(_stem(page) for page in pages)
    return {page: _stem(page) if counts[_stem(page)] == 1 else page.removesuffix(_SUFFIX) for page in pages}


def _stem(page: str) -> str:
    return page.rpartition("/")[2].removesuffix(_SUFFIX)


def _describe_page(topic: str, page: str) -> DocTopic:
    text = (find_docs_folder() / page).read_text(encoding="utf-8")
    title = next((heading.text for heading in find_headings(text.splitlines())), topic)
    paragraphs = _BLANK_LINES.split(_NO_TEXT.sub("", text).strip())
    first = next((paragraph for paragraph in paragraphs if not paragraph.startswith(_NO_PROSE)), title)
    summary = _SENTENCE_END.split(" ".join(_strip_markup(first).split()), maxsplit=1)[0]
    if lead := _LEAD.match(summary):
        summary = f"{summary[lead.end()].upper()}{summary[lead.end() + 1 :]}"
    return DocTopic(topic, _strip_markup(title), summary.removesuffix(":"), page)


def _strip_markup(text: str) -> str:
    return _DECORATION.sub(lambda match: match[1] or "", text)
