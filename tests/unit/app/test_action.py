"""`ms.action`: what is checked when it is declared."""

from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import DefinitionError, MainspringError, OptionError, UnknownNameError
from mainspring.engine.definitions.registry import Registry


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
