"""HTTP actions keep the contract of actions."""

import pytest

from mainspring.testing import ActionContract
from tests.unit.actions.http import example_http_actions as example
from tests.unit.actions.kills import TIMEOUT_S, check_contract


@pytest.fixture
def count(target, monkeypatch):
    """The number of effects on record; the cases run in processes that get the address of the target."""
    monkeypatch.setenv(example.BASE, target.base)

    def count_effects(number: int) -> int:
        return target.record.read_text().split("\n").count(str(number)) if target.record.exists() else 0

    return count_effects


@pytest.mark.parametrize(
    ("action", "is_named"),
    [
        (example.keyed, True),
        (example.keyed_async, False),
        (example.checked, True),
        (example.unchecked, True),
        (example.ensured, True),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
def test_request_keeps_the_contract(action, is_named, count, tmp_path):
    """Twice, two at once, killed and cancelled at each line; no store file has the token."""
    folder = tmp_path / "store"
    folder.mkdir()
    contract = ActionContract(
        action,
        args=lambda number: [number],
        effects=count,
        is_named=is_named,
        secrets=[example.SECRET],
        environment=example.ENVIRONMENT,
    )
    check_contract(contract, folder)


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
def test_download_keeps_the_contract(target, tmp_path, monkeypatch):
    """The effect is a complete file; whenever the process is killed, there is no other one at the path."""
    monkeypatch.setenv(example.BASE, target.base)
    monkeypatch.setenv(example.FOLDER, str(tmp_path))
    target.file = b"0123456789" * 20_000

    def count_files(number: int) -> int:
        path = tmp_path / f"{number}.bin"
        assert not path.exists() or path.read_bytes() == target.file
        return int(path.exists())

    folder = tmp_path / "store"
    folder.mkdir()
    contract = ActionContract(
        example.downloaded,
        args=lambda number: [number],
        effects=count_files,
        secrets=[example.SECRET],
        environment=example.ENVIRONMENT,
    )
    check_contract(contract, folder)
