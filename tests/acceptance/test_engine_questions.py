"""Questions to people: forms that become typed values, names, notes, and who is to answer, live and after a replay."""

import asyncio
import dataclasses
import datetime
import enum
from typing import Annotated, TypedDict

import attrs
import msgspec
import pydantic
import pytest

import mainspring as ms
from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError, OptionError, ValueRefusedError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("settings", [None, REPLAYING], ids=["suspended", "replayed"]),
]


class Method(enum.Enum):
    """A choice of the form."""

    CARD = "card"
    CASH = "cash"


@dataclasses.dataclass
class Address:
    """A nested class."""

    city: str
    zip: str | None = None


@dataclasses.dataclass
class Refund:
    """How the customer gets the money back.

    amount: in cents
    """

    amount: int
    method: Method = Method.CARD
    due: datetime.date | None = None
    to: Address | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


class RefundStruct(msgspec.Struct):
    """The same idea as a Struct."""

    amount: Annotated[int, msgspec.Meta(ge=1)]


@attrs.define
class RefundAttrs:
    """And of attrs."""

    amount: int


class RefundDict(TypedDict):
    """And as a TypedDict."""

    amount: int


class RefundModel(pydantic.BaseModel):
    """And of pydantic, with a rule that no schema states."""

    amount: int

    @pydantic.field_validator("amount")
    @classmethod
    def even(cls, value: int) -> int:
        """Refuse odd numbers."""
        if value % 2:
            raise ValueError("an odd amount")
        return value


async def test_form_becomes_a_typed_value(tmp_path, settings):
    """The fields that a person left out have their defaults, and nested classes are built too."""
    received = []
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            refund = await run.ask("Refund?", form=Refund)
            received.append(refund)
            return refund.amount

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.answer(run.id, {"amount": 5, "due": "2026-02-01", "to": {"city": "Bonn"}})
        assert await run.result(60) == 5
        assert received[-1] == Refund(5, due=datetime.date(2026, 2, 1), to=Address("Bonn"))


@pytest.mark.parametrize("form", [RefundStruct, RefundAttrs, RefundDict, RefundModel])
async def test_form_of_each_kind_of_class(tmp_path, settings, form):
    """Each class that values may have can be a form, and a value of the class can be the answer."""
    received = []
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            received.append(await run.ask(form=form))

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.answer(run.id, form(amount=4))
        await run.result(60)
        assert received[-1] == form(amount=4)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "$.amount"),
        ({"amount": "five"}, "$.amount"),
        ({"amount": 5, "method": "gold"}, "$.method"),
        ({"amount": 5, "due": "2026-13-45"}, "$.due"),
        ({"amount": 5, "to": {"city": 1}}, "$.to.city"),
        ({"amount": 5, "tags": ["a", 2]}, "$.tags[1]"),
        ({"amount": 5, "color": "red"}, "$.color"),
    ],
)
async def test_what_does_not_fit_is_refused_at_the_sender(tmp_path, settings, given, path):
    """The error names the field, and the question stays open."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return (await run.ask("Refund?", form=Refund)).amount

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        with pytest.raises(ValueRefusedError) as caught:
            await engine.app.answer(run.id, given)
        assert caught.value.path == path
        with pytest.raises(ArgumentError, match="its fields: amount, method"):
            await engine.app.answer(run.id, "yes")
        await engine.app.answer(run.id, {"amount": 5})
        assert await run.result(60) == 5


async def test_answer_that_only_the_class_refuses_leaves_the_question_open(tmp_path, settings):
    """The run rejects it and asks on; the next answer replaces the rejected one."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return (await run.ask("Refund?", form=RefundModel)).amount

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.answer(run.id, {"amount": 3})
        async with asyncio.timeout(60):
            await engine.when(lambda: engine.history(run).rejected, bool)
        [rejected] = engine.history(run).rejected
        assert (rejected.kind, "an odd amount" in rejected.failure.message) == ("answer", True)
        await engine.app.answer(run.id, {"amount": 4})
        assert await run.result(60) == 4
        assert not engine.history(run).rejected


async def test_form_without_an_answer_in_time(tmp_path, settings):
    """The body gets the value of `otherwise`."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return (await run.ask("Refund?", form=Refund, within="0.05s", otherwise=Refund(0))).amount

    async with World(tmp_path).engine(registry, settings) as engine:
        assert await (await engine.start(work)).result(60) == 0


async def test_several_questions_are_answered_by_name(tmp_path, settings):
    """An answer that names none is refused with the names; each answer reaches its own question."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str]:
            boss = run.ask("Boss?", name="boss", assignee="ann")
            money = run.ask("Money?", name="money", choices=["a", "b"])
            return list(await asyncio.gather(boss, money))

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        with pytest.raises(ConflictError, match=r"boss: Boss\? \[yes, no\]\n  money: Money"):
            await engine.app.answer(run.id, "yes")
        with pytest.raises(NotFoundError, match="no open question 'mony'"):
            await engine.app.answer(run.id, "a", question="mony")
        await engine.app.answer(run.id, "b", question="money")
        await engine.app.answer(run.id, "no", question="boss")
        assert await run.result(60) == ["no", "b"]


async def test_two_questions_of_one_name_are_answered_by_identity(tmp_path, settings):
    """The error lists their identities, which are accepted too."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str]:
            return list(await asyncio.gather(run.ask("One?", name="q"), run.ask("Two?", name="q")))

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        with pytest.raises(ConflictError, match="2 open questions 'q'") as caught:
            await engine.app.answer(run.id, "yes", question="q")
        idents = [line.split(": ")[0].strip() for line in caught.value.message.splitlines()[1:]]
        for ident, choice in zip(idents, ("yes", "no"), strict=True):
            await engine.app.answer(run.id, choice, question=ident)
        assert await run.result(60) == ["yes", "no"]


async def test_body_reads_author_and_note_of_an_answer(tmp_path, settings):
    """They are in the journal, so a replay reads the same."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str | None]:
            await run.ask("First?", name="first")
            await run.ask("Second?")
            await run.receive("go")
            first, second = run.answers["first"], run.answers["ask#1"]
            return [first.note, (first.by or "").partition(":")[0], second.note, str(first.at <= run.now())]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.answer(run.id, "yes", "looks right")
        await engine.when(lambda: [wait.ident for wait in engine.history(run).waits], lambda idents: "ask#1" in idents)
        await engine.app.answer(run.id, "yes")
        await engine.app.signal(run.id, "go")
        assert await run.result(60) == ["looks right", "app", None, "True"]


async def test_options_that_cannot_be_used(tmp_path, settings):
    """Each is refused where the body asks, with a fix."""
    cases: list[dict[str, object]] = [
        {"form": int},
        {"form": {}},
        {"form": Refund(0)},
        {"form": Refund, "choices": ["a"]},
        {"name": "two words"},
        {"name": "ask"},
        {"assignee": ""},
        {"remind": "0s"},
        {"escalate": "1d"},
        {"escalate": ("1d", "")},
    ]
    errors: list[str] = []
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            for options in cases:
                try:
                    await run.ask("Q?", **options)  # type: ignore[call-overload]
                except OptionError as error:
                    errors.append(error.message)
            try:
                await run.ask()  # type: ignore[call-overload]
            except OptionError as error:
                errors.append(error.message)

    async with World(tmp_path).engine(registry, settings) as engine:
        await (await engine.start(work)).result(60)
        assert len(errors) == len(cases) + 1


async def test_program_lists_open_questions(tmp_path, settings):
    """The oldest first, of one automation or an assignee; a form has its schema. An answered question is none."""
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> list[object]:
            form = run.ask(form=RefundStruct, name="refund", assignee="finance", escalate=("1d", "cfo"))
            return [await run.ask("Ship it?"), await form]

        @ms.workflow
        async def report(run: ms.Run) -> str:
            return await run.ask("Publish it?", choices=["yes", "later"], within=None, otherwise="later")

    async with World(tmp_path).engine(registry, settings) as engine:
        app = engine.app
        first = await engine.start(order)
        await engine.until(first, RunState.WAITING)
        second = await engine.start(report)
        await engine.until(second, RunState.WAITING)
        ship, publish = await app.questions.list()
        assert (ship.run_id, ship.automation, ship.text, ship.form) == (first.id, "order", "Ship it?", None)
        assert (publish.choices, publish.otherwise, publish.until_at, publish.assignee) == (
            ["yes", "later"],
            "later",
            None,
            None,
        )
        await app.answer(first.id, ship.choices[0], question=ship.name)
        while [info.name for info in await app.questions.list(order)] != ["refund"]:
            await engine.change(0.01)
        (refund,) = await app.questions.list(assignee="finance")
        assert refund.form is not None
        assert list(refund.form["properties"]) == ["amount"]
        assert (refund.choices, refund.name, refund.assignee) == ([], "refund", "finance")
        assert refund.until_at is not None
        assert refund.until_at > refund.opened_at
        assert await app.questions.list(assignee="cfo") == []
        assert [info.run_id for info in await app.questions.list(limit=1)] == [second.id]
        with pytest.raises(OptionError, match="limit=0"):
            await app.questions.list(limit=0)
