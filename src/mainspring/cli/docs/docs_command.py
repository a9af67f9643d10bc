"""The docs commands: `mainspring docs list|show`. They need neither a project nor a store."""

from contextlib import suppress

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.docs.topics import find_topic, list_anchors, list_topic_names, list_topics, read_topic
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn

_ALL_TOPICS = 100
_COLUMNS = (
    TableColumn("TOPIC", lambda topic: topic.topic),
    TableColumn("ABOUT", lambda topic: topic.summary, cut=True),
)


class TopicType(StringParamType):
    """The name of a topic, and of one of its sections behind `#`."""

    name = "topic"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer topics, and behind `#` the sections of one."""
        with suppress(Exception):
            name, separator, _ = incomplete.partition("#")
            names = list_topic_names()
            if separator:
                names = [f"{name}#{anchor}" for anchor in list_anchors(find_topic(name))]
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return []


@command("list", "list the pages of the documentation, each with the question that it answers")
@click.option("--name", metavar="TEXT", help="only those whose topic or title holds this text")
@params.make_limit_option(_ALL_TOPICS)
@pass_invocation
def list_command(invocation: Invocation, name: str | None, limit: int) -> None:
    """Read one with `mainspring docs show TOPIC`."""
    part = (name or "").lower()
    topics = [topic for topic in list_topics() if part in f"{topic.topic} {topic.title}".lower()]
    invocation.output.rows(topics[:limit], _COLUMNS, empty="No page has this text in its topic or title.")


@command("show", "print a page of the documentation, or one section of it")
@click.argument("topic", type=TopicType(), metavar="TOPIC[#SECTION]")
@pass_invocation
def show(invocation: Invocation, topic: str) -> None:
    """A terminal gets a rendered page, a pipe or file gets its Markdown. `mainspring docs list` prints the topics.

    Errors and `doctor` name a section by this command: `mainspring docs show errors#no_store`.
    """
    name, _, anchor = topic.partition("#")
    page = find_topic(name)
    text = read_topic(page, anchor)
    output = invocation.output

    def print_text() -> None:
        if output.is_terminal:
            from mainspring.cli.docs.terminal_page import print_page

            print_page(output, page, text)
        else:
            output.line(text.rstrip())

    data = {"topic": page.topic, "title": page.title, "page": page.page, "section": anchor or None, "text": text}
    output.document(data, print_text)
