"""A codec whose key service fails at its Nth call: the run ends or needs a person, and a retry finishes it with nothing lost or doubled."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.states import TERMINAL_STATES, RunState

ALL = bool(os.environ.get("TESTS_LONG"))
CALLS = range(1, 90) if ALL else range(2, 46, 4)
"""The workflow below makes some fifty calls; what comes later is never reached, and shows that it is enough."""
TIMEOUT_S = 90

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200 if ALL else 180)]
EFFECTS: list[tuple[str, str]] = []


class Faulty:
    """Fails once, at its call number `at`."""

    id = "faulty"

    def __init__(self) -> None:
        self.calls = self.at = 0

    def encode(self, data: bytes) -> bytes:
        return self._reversed(data)

    def decode(self, data: bytes) -> bytes:
        return self._reversed(data)

    def _reversed(self, data: bytes) -> bytes:
        self.calls += 1
        if self.calls == self.at:
            raise OSError("the key service is away")
        return bytes(byte ^ 0x5A for byte in data)


def note(number: int) -> int:
    EFFECTS.append((f"note {number}", ms.idempotency_key()))
    return number


async def keep(number: int) -> int:
    ms.checkpoint({"number": number})
    EFFECTS.append((f"keep {number}", ms.idempotency_key()))
    return number


@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    run.tag(order=str(number))
    run.publish_state({"order": number})
    first = await run.step(note, number)
    rows = await run.map(note, [10, 20], concurrency=2)
    paid = await run.event("paid", where={"order": number}, within="1h")
    more = await run.receive("more", int, within="1h")
    if await run.ask("Send it?", choices=["yes", "no"], within="1h") == "no":
        return 0
    await asyncio.sleep(0.01)
    return first + sum(rows) + more + await run.step(keep, paid.data["sum"])


async def again(act):
    """Call until the codec lets it pass: each of these acts says that nothing was stored."""
    while True:
        try:
            return await act()
        except ms.MainspringError:
            await asyncio.sleep(0.01)


async def drive(app: ms.App, handle) -> RunState:
    """Give the run what it waits for until it ends or needs a person."""
    sent = 0
    operations = [
        lambda: app.publish("paid", {"order": 1, "sum": 5}, key="payment"),
        lambda: app.signal(handle.id, "more", 7),
        lambda: app.answer(handle.id, "yes"),
    ]
    while (state := await again(handle.status)) not in (*TERMINAL_STATES, RunState.NEEDS_ATTENTION):
        if state == RunState.WAITING and sent < len(operations):
            # Once each time: while the question is not open, the run may come to need a person, and no answer helps it then.
            with contextlib.suppress(ms.MainspringError):
                await operations[sent]()
                sent += 1
        await asyncio.sleep(0.01)
    return state


@pytest.mark.asyncio
@pytest.mark.parametrize("at", CALLS)
async def test_codec_that_fails_once_loses_and_doubles_nothing(tmp_path: Path, at: int) -> None:
    """Whichever call it is: what the run did is there once, and its result is the one that it has without a fault."""
    EFFECTS.clear()
    codec = Faulty()
    app = ms.App(tmp_path / "s.db", codec=codec)
    async with app.running(), asyncio.timeout(TIMEOUT_S):
        codec.at = at
        handle = await again(lambda: app.start(order, 1))
        state = await drive(app, handle)
        if state == RunState.NEEDS_ATTENTION:
            await again(lambda: app.retry(handle.id))
            state = await drive(app, handle)
        assert state == RunState.SUCCEEDED
        assert await again(handle.result) == 1 + 30 + 7 + 5
    keys = {name: {key for known, key in EFFECTS if known == name} for name, _ in EFFECTS}
    assert {name: len(found) for name, found in keys.items()} == dict.fromkeys(
        ("note 1", "note 10", "note 20", "keep 5"), 1
    )
