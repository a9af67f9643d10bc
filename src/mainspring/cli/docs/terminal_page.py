"""A page of the documentation, rendered for a terminal. A link to another page becomes its text and the name of its topic."""

import re
from collections.abc import Iterable, Iterator
from posixpath import dirname, join, normpath

from mainspring.cli.docs.topics import DocTopic, list_topics
from mainspring.cli.output import Output

_MAX_WIDTH = 100
"""Longer lines are hard to read."""
_FENCE = re.compile(r"\s*(?:```|~~~)")
_COMMENT = re.compile(r"<!--.*?-->\s*")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def print_page(output: Output, topic: DocTopic, text: str) -> None:
    """Print the Markdown of a topic on a terminal, as wide as is readable."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    console = Console(
        file=output.data,
        width=min(output.width, _MAX_WIDTH),
        force_terminal=True,
        no_color=not output.has_colour,
        highlight=False,
        theme=Theme({"markdown.code": "bold cyan"}),
    )
    named = name_linked_topics(text, topic, list_topics())
    console.print(Markdown(named, code_theme="ansi_dark", hyperlinks=False))
    if named != text:
        output.hint("A name in [brackets] is a topic: mainspring docs show TOPIC")


def name_linked_topics(text: str, topic: DocTopic, topics: Iterable[DocTopic]) -> str:
    """Return Markdown in which each link within the documentation is its text and the topic: `routes [notifications#routes]`.

    Links to other addresses stay. Links to files that are not installed become their text.
    """
    topics_by_page = {known.page: known.topic for known in topics}
    return "\n".join(_rewrite_lines(text.splitlines(), topic, topics_by_page)) + "\n"


def _rewrite_lines(lines: Iterable[str], topic: DocTopic, topics_by_page: dict[str, str]) -> Iterator[str]:
    def rewrite(match: re.Match[str]) -> str:
        is_image, words, target = match.groups()
        if "://" in target:
            return match[0]
        if is_image:
            return f"(picture: {words})"
        path, _, anchor = target.partition("#")
        page = normpath(join(dirname(topic.page), path)) if path else topic.page
        name = topics_by_page.get(page)
        if name is None:
            return words
        return rf"{words} \[{name}{'#' if anchor else ''}{anchor}\]"

    is_code = False
    for line in lines:
        if _FENCE.match(line):
            is_code = not is_code
        yield line if is_code else _LINK.sub(rewrite, _COMMENT.sub("", line))
