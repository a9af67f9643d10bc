"""`ms.action`: what is checked when it is declared."""

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import DefinitionError, MainspringError, OptionError, UnknownNameError
from mainspring.domain.states import EffectState
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.effects import EffectFilter, list_effects
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.reader import SqliteReader


def search(number: int, *, urgent: bool = False) -> None:
    """Accept the arguments of the action."""


def search_by_name(name: str) -> None:
    """Accept the number only."""


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"chek": search}, UnknownNameError, "unknown option of action 'send' 'chek'\nDid you mean 'check'"),
        ({"once": "k", "within": "soon"}, OptionError, "soon"),
        ({"once": "k", "wait": -1}, OptionError, "-1"),
        ({"once": "k", "conflict": "error"}, OptionError, "conflict='error'"),
        ({"within": "1h"}, OptionError, "within= of action 'send' needs once="),
        ({"once": "k:{name}"}, MainspringError, "name"),
        ({"check": "search"}, DefinitionError, "check= of action 'send' is not a function"),
        ({"check": search_by_name}, DefinitionError, "check= of action 'send' cannot be called: .*urgent"),
        ({"verify": search_by_name}, DefinitionError, "verify= of action 'send' cannot be called: too many"),
        ({"timeout": "never"}, OptionError, "step 'send' at .*test_action.py"),
    ],
)
def test_action_that_cannot_work_is_refused_where_it_is_declared(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """An error of its call would leave an effect in doubt, or come at night."""

    def send(number: int, *, urgent: bool = False) -> None: ...

    with pytest.raises(error, match=text):
        ms.action(**options)(send)
    ms.action(once="k:{number}", check=search, verify=lambda _result, _number, urgent=False: urgent)(send)


def test_unusable_action_does_not_disable_its_file(tmp_path: Path) -> None:
    """While files are loaded, only the automations that use it are refused."""
    file = tmp_path / "bills.py"
    file.write_text(
        "import mainspring as ms\n\n"
        '@ms.action(once="k", within="soon")\ndef send(number: int) -> None: ...\n\n'
        "@ms.workflow\nasync def bill(run: ms.Run) -> None:\n    await run.step(send, 7)\n\n"
        "@ms.task\ndef repeat() -> None:\n    send(7)\n\n"
        "@ms.task\ndef count() -> int:\n    return 7\n"
    )
    registry = Registry.load([file])
    assert [automation.name for automation in registry] == ["count"]
    assert {problem.automation for problem in registry.problems} == {"bill", "repeat"}
    assert all("'soon'" in problem.what and problem.where == f"{file}:3" for problem in registry.problems)


def test_unusable_action_that_is_called_all_the_same_performs_nothing(tmp_path: Path) -> None:
    """Reached in a way that loading does not find, it would run without the ledger."""
    file = tmp_path / "table.py"
    file.write_text(
        "import mainspring as ms\n\n"
        '@ms.action(once="k:{number}", kyed=True)\ndef send(number: int) -> None: ...\n\n'
        'CALLS = {"send": send}\n\n@ms.task\ndef bill() -> None:\n    CALLS["send"](7)\n'
    )
    bill = Registry.load([file]).get("bill")
    assert bill.fn is not None
    with pytest.raises(UnknownNameError, match="kyed"):
        bill.fn()


async def add(key: str) -> str:
    """Return its argument: an effect of its own for each key."""
    return key


async def add_once(key: str) -> str:
    """The same as a part of a longer step."""
    return str(await ms.once(key, add, key))


@pytest.mark.parametrize(
    ("fn", "more"),
    [(ms.action(once="{key}")(add), 1), (ms.action()(add), 1), (add_once, 2)],
    ids=["action", "action without a key", "once"],
)
def test_effect_costs_commits_and_no_more(fn: Any, more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An action that is the whole step costs the commit of its intent: its outcome is committed with that of the step."""
    steps = 20
    counts = [0]
    commit = SqliteDatabase._commit

    def count(*args: Any, **options: Any) -> Any:
        counts[-1] += 1
        return commit(*args, **options)

    monkeypatch.setattr(SqliteDatabase, "_commit", count)
    for step in (add, fn):

        @ms.workflow(name="add_all")
        async def add_all(run: ms.Run, step: Any = step) -> None:
            for number in range(steps):
                await run.step(step, f"key {number}")

        counts.append(0)
        ms.App(tmp_path / f"{len(counts)}.db").run(add_all)
    few_of_their_own = steps // 2  # heartbeats, and an outcome that was alone in its group
    assert abs(counts[2] - counts[1] - more * steps) < few_of_their_own


ERRORS = [
    ConnectionRefusedError(111, "refused"),
    ms.NotSent("away"),
    ms.Permanent("no"),
    FileNotFoundError("none"),
    None,
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_effect_that_verify_does_not_find_is_never_repeated_blindly(
    error: Exception | None, is_async: bool, tmp_path: Path
) -> None:
    """The function has returned: no error of `verify` proves that nothing happened, whatever it proves elsewhere."""
    done: list[int] = []

    def search_in_vain(_result: Any, _number: int) -> bool:
        if error is not None:
            raise error
        return False

    async def pay_async(number: int) -> None:
        done.append(number)

    def pay(number: int) -> None:
        done.append(number)

    action = ms.action(once="pay:{number}", verify=search_in_vain, retry=ms.Retry(attempts=3, initial=timedelta(0)))(
        pay_async if is_async else pay
    )

    @ms.workflow
    async def bill(run: ms.Run) -> None:
        await run.step(action, 7)

    app = ms.App(tmp_path / "store.db")
    with pytest.raises(MainspringError, match=r"verify=|needs attention|in doubt"):
        app.run(bill)
    assert done == [7]
    with contextlib.closing(SqliteReader(tmp_path / "store.db")) as reader:
        (effect,) = list_effects(reader, EffectFilter(), limit=10).effects
    assert effect.state is EffectState.IN_DOUBT
    assert "EffectNotVerifiedError" in str(effect.note)


def test_action_inside_of_another_is_settled_with_it(tmp_path: Path) -> None:
    """The check of the outer action decides; the inner one leaves no doubt of its own, which no check could settle."""
    sent: list[str] = []

    @ms.action()
    def post(text: str) -> str:
        sent.append(text)
        raise TimeoutError("no reply")

    @ms.action(
        once="coupon:{number}",
        check=lambda number: f"coupon {number}",
        retry=ms.Retry(attempts=3, initial=timedelta(0)),
    )
    def make_coupon(number: int) -> str:
        return post(f"coupon {number}")

    @ms.workflow
    async def reward(run: ms.Run) -> str:
        return await run.step(make_coupon, 7)

    assert ms.App(tmp_path / "store.db").run(reward) == "coupon 7"
    assert sent == ["coupon 7"]
    with contextlib.closing(SqliteReader(tmp_path / "store.db")) as reader:
        found = list_effects(reader, EffectFilter(), limit=10).effects
    assert [(effect.key, effect.state) for effect in found] == [("coupon:7", EffectState.DONE)]
