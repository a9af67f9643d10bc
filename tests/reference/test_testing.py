"""Examples of the reference: `mainspring.testing`."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.testing import ActionContract, ContractError, DeadlockError, FakeClock, VirtualLoop
from tests.reference.documented import documents


@documents("testing.FakeClock", "testing.FakeClock.now", "testing.FakeClock.advance")
def test_fake_clock():
    """Set the time of a test."""
    clock = FakeClock(datetime(2026, 11, 30, tzinfo=UTC))
    before = clock.now()

    clock.advance(timedelta(days=1))
    assert clock.now() - before == 86_400_000  # milliseconds


@documents("testing.VirtualLoop", "testing.DeadlockError")
def test_virtual_loop():
    """Sleep for a day in no time. A loop in which nothing can happen any more raises."""
    loop = VirtualLoop(FakeClock())
    loop.run_until_complete(asyncio.sleep(86_400))
    assert loop.time() == 86_400

    with pytest.raises(DeadlockError):
        loop.run_until_complete(loop.create_future())
    loop.close()


SENT = Path("sent.txt")


def count_mails(number: int) -> int:
    """Return how many mails of a number were sent."""
    return SENT.read_text().split().count(str(number)) if SENT.exists() else 0


@ms.action(once="mail:{number}", check=lambda number: True if count_mails(number) else None)
def send_mail(number: int) -> None:
    """Send a mail."""
    with SENT.open("a") as file:
        file.write(f"{number}\n")


@documents(
    "testing.ActionContract",
    "testing.ActionContract.check",
    "testing.ContractError",
    uses=[count_mails, send_mail],
)
@pytest.mark.slow
def test_action_contract(app, tmp_path):
    """Prove that an action is safe to run twice: it is killed, repeated and cancelled. If it is not, `ContractError` names the case."""
    ActionContract(send_mail, args=lambda number: [number], effects=count_mails).check(tmp_path, kills=1)

    assert issubclass(ContractError, AssertionError)
