"""Documented examples: each test of this folder is the example of the names in its mark, on docs/reference/python.md."""

import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., object])


class Example(NamedTuple):
    """One example: its test, the names that it documents, its sentence, and its code."""

    test: str
    names: tuple[str, ...]
    title: str
    code: str


EXAMPLES: list[Example] = []
"""All examples of the modules that are loaded, in the order of their files."""


def documents(*names: str, uses: Sequence[Callable[..., Any]] = ()) -> Callable[[F], F]:
    """Mark a test as the example of these names: "App.start", "on.cron"; `uses` = functions of its module that the page shows before it."""

    def mark(test: F) -> F:
        parts = [textwrap.dedent(inspect.getsource(inspect.unwrap(function))).strip() for function in uses]
        code = "\n\n".join([*parts, read_body(test)])
        EXAMPLES.append(Example(test.__name__, names, (inspect.getdoc(test) or "").partition("\n")[0], code))
        return test

    return mark


def read_body(test: Callable[..., object]) -> str:
    """Return the code of a test, without its head and its docstring."""
    _, _, body = textwrap.dedent(inspect.getsource(test)).partition('"""\n')
    return textwrap.dedent(body).strip()
