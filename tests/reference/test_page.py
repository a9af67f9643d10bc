"""The page docs/reference/python.md is complete and up to date."""

import re

import mainspring as ms
import mainspring.testing
from tests import python_page


def test_page_is_made_of_the_names_of_today():
    """`python -m tests.python_page` writes it."""
    assert python_page.PAGE.read_text(encoding="utf-8") == python_page.page()


def test_page_has_each_public_name():
    """All of `mainspring` and `mainspring.testing`, and no other."""
    names = {name for section in python_page.SECTIONS for name in section.names} - {*python_page.RETURNED}
    assert names == {*ms.__all__, *(f"testing.{name}" for name in mainspring.testing.__all__)}


def test_each_name_has_an_example_that_calls_it():
    """Each class, function and method; an example names none that does not exist."""
    examples = python_page.load_examples()
    assert [name for name in python_page.list_names() if name not in examples] == []
    assert {*examples} <= {*python_page.list_names()}
    for name, example in examples.items():
        last = name.rpartition(".")[2]
        is_class = name in python_page.NOT_CONSTRUCTED
        assert is_class or re.search(rf"\b{last}\b", example.code), f"the example of {name} does not contain it"


def test_each_example_is_a_test():
    """So that it runs: pytest collects what is named so."""
    examples = {*python_page.load_examples().values()}
    assert len(examples) >= 60
    assert all(example.test.startswith("test_") and example.code for example in examples)


def test_each_name_has_semantics():
    """Its docstring says more than its name."""
    page = python_page.page()
    sections = re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in sections} == {*python_page.list_names()}
    text = {name: re.sub(r"```.*?```|\*Example.*", "", body, flags=re.DOTALL).strip() for name, body in sections}
    assert [name for name, words in text.items() if len(words.split()) < 4] == []
