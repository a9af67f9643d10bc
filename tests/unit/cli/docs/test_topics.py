"""Topics: the pages of the documentation by name, and what the program names of them."""

import ast
import re
from pathlib import Path

import pytest

import mainspring
from mainspring.cli.docs import topics
from mainspring.domain.errors import NotFoundError, UnknownNameError

SOURCE = Path(mainspring.__file__).parent
NAMED = re.compile(r"mainspring docs show ([a-z][\w/-]*)(?:#([\w-]+))?")
REPOSITORY_PATH = re.compile(r"\bdocs/[\w/-]+\.md")
URI_REFERENCES = {"docs/reference/errors.md", "docs/reference/api.md"}
"""`type` of a problem of the API names what it is, and stays as it is."""


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """A folder of pages with one name twice."""
    texts = {
        "concepts.md": "# Concepts\n\nEach thing has *one* word. And more.\n\n## What runs\n\nThis.\n",
        "how-to/api.md": "# Use the API\n\n| a | b |\n|---|---|\n\nAfter this page you can call [routes](../reference/api.md#runs).\n",
        "reference/api.md": "# The `API`\n\n<!-- x -->\n```sh\ncurl x\n\ny\n```\n\n    z\n\nEach route, with its role:\n",
        "adr/0001-x.md": "# 0001: x\n",
        "contributing/language.md": "# Language\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(topics, "find_docs_folder", lambda: tmp_path)
    return tmp_path


def test_topics_have_their_shortest_unique_name(pages):
    """Pages of the folder itself come first; pages about the project are no topics."""
    assert [(topic.topic, topic.title, topic.summary) for topic in topics.list_topics()] == [
        ("concepts", "Concepts", "Each thing has one word."),
        ("how-to/api", "Use the API", "Call routes."),
        ("reference/api", "The API", "Each route, with its role"),
    ]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("concepts", "concepts.md"),
        ("Concepts.md", "concepts.md"),
        ("docs/concepts.md", "concepts.md"),
        ("../reference/api.md", "reference/api.md"),
        ("how-to/api", "how-to/api.md"),
    ],
)
def test_topic_is_found_by_name_path_or_link(pages, name, page):
    """A link can be copied from a page."""
    assert topics.find_topic(name).page == page


def test_unknown_topic_names_the_nearest(pages):
    """And a name of two pages names both."""
    with pytest.raises(UnknownNameError) as unknown:
        topics.find_topic("concpts")
    assert unknown.value.nearest == "concepts"
    with pytest.raises(NotFoundError) as ambiguous:
        topics.find_topic("api")
    assert ambiguous.value.hint == "Name one: how-to/api, reference/api."


def test_section_is_a_part_of_its_page(pages):
    """An unknown one names the nearest."""
    concepts = topics.find_topic("concepts")
    assert topics.read_topic(concepts, "what-runs") == "## What runs\n\nThis.\n"
    with pytest.raises(UnknownNameError, match="section of concepts") as unknown:
        topics.read_topic(concepts, "what-run")
    assert unknown.value.nearest == "what-runs"


def test_installation_without_pages_names_the_fix(tmp_path, monkeypatch):
    """It is no crash."""
    package = tmp_path / "lib" / "mainspring" / "__init__.py"
    monkeypatch.setattr(mainspring, "__file__", str(package))
    topics.find_docs_folder.cache_clear()
    try:
        with pytest.raises(NotFoundError, match="not installed") as missing:
            topics.find_docs_folder()
    finally:
        topics.find_docs_folder.cache_clear()
    assert "pip install" in missing.value.hint


def strings_of_source():
    """Yield (module, text) of each string that the program may print; docstrings are left out."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield str(path.relative_to(SOURCE)), node.value


def test_pages_and_sections_that_the_program_names_exist():
    """In the pages that are installed."""
    named = {
        match.groups()
        for path in sorted(SOURCE.rglob("*.py"))
        for match in NAMED.finditer(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 8
    for name, anchor in sorted(named, key=str):
        topics.read_topic(topics.find_topic(name), anchor or "")


def test_program_names_no_file_of_the_repository():
    """After `pip install` there is no folder `docs`."""
    named = {
        (module, match[0])
        for module, text in strings_of_source()
        for match in REPOSITORY_PATH.finditer(text)
        if match[0] not in URI_REFERENCES
    }
    assert named == set()
