"""What the text of a workflow says of the signals and events it can read."""

from typing import Any, Literal

import msgspec

import mainspring as ms
from mainspring.domain.definitions.definition import read_message_schemas
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.message_types import find_message_schemas
from mainspring.engine.definitions.registry import Registry

BOOL, TEXT, WHOLE = {"type": "boolean"}, {"type": "string"}, {"type": "integer"}


class Paid(msgspec.Struct):
    """A payment."""

    amount: int


async def help_with(run: Any) -> None:
    await run.receive("a", int)


def test_types_of_signals_and_events_are_found_by_name():
    """By position or by name, through options, in helpers inside, of several kinds of writing; several of one name are all listed."""

    async def work(run, first):
        await run.receive("a", bool)
        await run.options(key="k").receive("a", type=str | None)
        await run.receive(signal="b", type=list[Literal["x", "y"]], within="1h")

        async def inside():
            return await run.event("paid", where={"id": first}, type=Paid)

        await inside()

    found = find_message_schemas(work)
    assert found["signal"] == {
        "a": [BOOL, {"anyOf": [TEXT, {"type": "null"}]}],
        "b": [{"type": "array", "items": {"enum": ["x", "y"]}}],
    }
    assert found["event"]["paid"][0]["$ref"] == "#/$defs/Paid"


def test_name_that_is_waited_for_without_a_type_is_omitted():
    """Whatever is sent, one of its places reads it."""

    async def work(run):
        await run.receive("a", int)
        await run.receive("a")
        await run.receive("b", int)
        await run.event("e")

    assert find_message_schemas(work) == {"signal": {"b": [WHOLE]}}


def test_unknown_message_types_are_not_guessed():
    """The run handed on, a name that is not written out, a type that the text does not name: none of them is guessed."""

    async def passed_on(run):
        await run.receive("a", int)
        await help_with(run)

    async def stored(run):
        other = run
        await run.receive("a", int)
        await other.receive("a", str)

    async def computed(run, name):
        await run.receive("a", int)
        await run.receive(name, str)

    async def unknown(run, kind):
        await run.receive("a", kind)

    async def quoted(run):
        await run.receive("a", "int")

    for fn in (passed_on, stored, computed, unknown, quoted, help_with.__code__):
        assert find_message_schemas(fn) == {}


def test_announced_definition_holds_them():
    """So that anyone who sends need not have the code."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return await run.receive("n", int)

    (row,) = build_announcement(registry, 0).automations
    assert read_message_schemas(row.definition, "signal") == {"n": [WHOLE]}
    assert read_message_schemas(b"{}", "signal") == read_message_schemas(b"no JSON", "signal") == {}
