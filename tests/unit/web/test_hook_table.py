"""Which webhooks there are, and what fits them."""

from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.engine.registry import Registry
from mainspring.triggers.known import KnownTrigger
from mainspring.web.hook_table import HookTable, hook_of

OPEN = ms.verify.none()


class Item(msgspec.Struct):
    n: int


def known(fn: Any, path: str | None = "/x", **options: Any) -> KnownTrigger:
    """Return the trigger of a task as the store gives it."""
    with Registry():
        made = ms.task(ms.on.webhook("/x", verify=OPEN, **options)(fn))
    ((_, trigger),) = made.definition.triggers.items()
    return KnownTrigger(f"{made.definition.name}/webhook", trigger, made.definition, path, None, None, None)


def event(event: ms.Event) -> None: ...


def whole(item: Item) -> None: ...


def several(items: list[Item]) -> None: ...


def fields(a: str, b: Item | None = None) -> None: ...


def short(name: str) -> None: ...


def nothing() -> None: ...


@pytest.mark.parametrize(
    ("fn", "options", "data", "path"),
    [
        (event, {}, {"anything": [1]}, None),
        (nothing, {}, {"anything": [1]}, None),
        (whole, {}, {"n": 1}, None),
        (whole, {}, {"n": "x"}, "$.n"),
        (whole, {"filter": lambda event: True}, {"n": "x"}, None),
        (several, {}, [{"n": 1}, {"n": "x"}], "$[1].n"),
        (several, {"batch": 5, "within": "1m"}, {"n": 1}, None),
        (several, {"batch": 5, "within": "1m"}, {"n": "x"}, "$.n"),
        (fields, {}, {"a": "x", "unknown": 1}, None),
        (fields, {}, {"a": "x", "b": {"n": None}}, "$.b.n"),
        (fields, {}, {"b": None}, "$"),
        (short, {}, {"name": "x"}, None),
        (short, {}, "x", "$"),
    ],
)
def test_what_arrives_is_checked_as_its_function_reads_it(fn, options, data, path):
    """The whole, its fields, one of a batch; a filter comes first."""
    found = hook_of(known(fn, **options)).misfit(data)
    assert (None if found is None else found.path) == path


def test_table_holds_webhooks_that_have_their_path():
    """Not those whose path another one has; and an unchanged one is not made anew."""
    table = HookTable()
    assert not table.is_read
    one = known(whole)
    table.take([one, known(event, None)])
    before = table.find("/x")
    assert before is not None
    assert len(table) == 1
    table.take([known(whole)])
    assert table.find("/x") is before
    table.take([])
    assert table.find("/x") is None
    assert table.is_read
