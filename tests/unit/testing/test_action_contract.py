"""The contract of actions accepts what is safe to run twice, and names what is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainspring.testing import ActionContract, ContractError
from tests.unit.testing import example_actions as example


@pytest.fixture(autouse=True)
def _target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(example.TARGET, str(tmp_path / "target.txt"))


def contract(action: Callable[..., Any], **options: Any) -> ActionContract:
    return ActionContract(action, args=lambda number: [number], effects=example.count, **options)


def store_of(folder: Path) -> Path:
    store = folder / "store"
    store.mkdir()
    return store


@pytest.mark.parametrize(
    ("action", "is_named"),
    [
        (example.checked, True),
        (example.checked_async, True),
        (example.unchecked, True),
        (example.unnamed, False),
        (example.in_parts, True),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_safe_action_passes(action: Callable[..., Any], is_named: bool, tmp_path: Path) -> None:
    """It is killed and cancelled at each line of its function and at each commit of its effect."""
    contract(action, is_named=is_named).check(store_of(tmp_path))


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        (example.unprotected, {}, "called twice, .*: 2 effects"),
        (example.unprotected, {"is_named": False}, "2 effects at the target"),
        (example.checks_wrongly, {}, "killed at effect.performed: 2 effects"),
        (example.leaks, {"secrets": [example.SECRET]}, "a secret of the action is in contract.db"),
    ],
    ids=["twice", "two processes", "wrong check", "leak"],
)
def test_unsafe_action_is_named(
    action: Callable[..., Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """The error names the case and the number of effects."""
    with pytest.raises(ContractError, match=message):
        contract(action, **options).check(store_of(tmp_path), kills=4)


def test_each_place_is_killed(tmp_path: Path) -> None:
    """The three places of the ledger, the end, and each of two lines."""
    checked = contract(example.checked)
    checked.check(store_of(tmp_path))
    assert checked.kills == 3 + 1 + 2


def test_output_of_the_action_does_not_disturb_the_contract(tmp_path: Path) -> None:
    """However much it writes, and wherever."""
    contract(example.prints).check(store_of(tmp_path), kills=1)
    output = b"".join(path.read_bytes() for path in tmp_path.glob("store/output.txt"))
    assert b"to stdout\n" in output
    assert b"to stderr\n" in output


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        (example.prints_secret, {"secrets": [example.SECRET]}, r"a secret of the action is in output\.txt"),
        (example.prints_encoded_secret, {"secrets": [example.SECRET]}, r"a secret of the action is in output\.txt"),
        (
            example.litters_when_cancelled,
            {"temporary": lambda: example.target().with_suffix(".part").exists()},
            r"cancelled at .*: temporary files are left",
        ),
        (example.denies_when_cancelled, {}, r"cancelled at .*, its effect is not on record: 1 effects"),
        (example.hides_when_cancelled, {}, r"cancelled at .*, then called again: 2 effects"),
        (example.repeats_permanent_error, {"lines_of": example.append}, "with a permanent error the run is succeeded"),
        (example.hides_transient_error, {"lines_of": example.append}, "after a transient error: 0 effects"),
        (example.in_changing_parts, {}, "after its first effect on record and a transient error: .* other arguments"),
        (example.checked, {"failpoints": ["no.such.place"]}, "does not pass the failpoint 'no.such.place'"),
        (example.checked, {"lines_of": example.litters}, "no line of the function was reached"),
    ],
    ids=[
        "output",
        "encoded",
        "cancel",
        "record",
        "cancel twice",
        "permanent",
        "transient",
        "parts",
        "failpoint",
        "lines",
    ],
)
def test_case_of_the_contract_is_checked(
    action: Callable[..., Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Each action breaks only this one."""
    with pytest.raises(ContractError, match=message):
        contract(action, **options).check(store_of(tmp_path))


def test_function_inside_an_action_is_killed_at_its_lines(tmp_path: Path) -> None:
    """An action that only passes a call on has too few lines of its own to show what a kill leaves behind."""
    options = {"temporary": lambda: len([*tmp_path.glob("*.part")])}
    inside = contract(example.litters_inside, lines_of=example.append_with_part, **options)
    with pytest.raises(ContractError, match="temporary files are left"):
        inside.check(store_of(tmp_path))


def test_litter_of_a_killed_action_is_found(tmp_path: Path) -> None:
    """A file that only a killed call leaves behind."""
    parts = contract(example.litters, temporary=lambda: len([*tmp_path.glob("*.part")]))
    with pytest.raises(ContractError, match="temporary files are left"):
        parts.check(store_of(tmp_path))


def test_action_is_killed_at_its_own_failpoints(tmp_path: Path) -> None:
    """A file that is left behind only by a kill inside of what the action calls."""
    options = {"temporary": lambda: len([*tmp_path.glob("*.part")]), "failpoints": ["example.appended"]}
    with pytest.raises(ContractError, match=r"killed at example\.appended: temporary files are left"):
        contract(example.leaves_part, **options).check(store_of(tmp_path))
