"""What a lab shows beside its runs: slots, effects and flags."""

from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.engine.definitions.registry import Registry
from mainspring.testing import Lab

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def registry():
    """Automations of one test alone."""
    with Registry() as registry:
        yield registry


def test_slots_are_listed_with_their_runs(registry):
    """Of one automation, and between two instants."""

    @ms.task(cron="0 */6 * * *")
    def tick() -> None:
        """Do nothing."""

    @ms.task(cron="0 1 * * *")
    def other() -> None:
        """Do nothing."""

    with Lab(registry=registry) as lab:
        lab.advance("2d")
        slots = lab.slots(tick)
        assert [slot.at for slot in slots] == [FIRST + timedelta(hours=6 * n) for n in range(1, 9)]
        assert {slot.run_id for slot in slots} == {run.id for run in lab.runs("tick")}
        day = lab.slots(between=(FIRST, FIRST + timedelta(days=1)))
        assert [(slot.automation, slot.at.hour) for slot in day] == [
            ("other", 1),
            ("tick", 6),
            ("tick", 12),
            ("tick", 18),
        ]


def test_effects_are_listed(registry):
    """With the run that performed them."""

    def send(order: int) -> str:
        return ms.once(f"mail:{order}", lambda: "sent")

    @ms.workflow
    async def notify(run: ms.Run, order: int) -> str:
        return await run.step(send, order)

    with Lab(registry=registry) as lab:
        runs = [lab.start(notify, order) for order in (1, 1, 2)]
        assert [run.result() for run in runs] == ["sent"] * 3
        assert {effect.key for effect in lab.effects()} == {"mail:1", "mail:2"}
        assert [effect.key for effect in lab.effects(runs[2].id)] == ["mail:2"]


def test_flag_is_set_for_everyone(registry):
    """A run asks for it, as in production; one that is not set gives the default."""

    @ms.workflow
    async def choose(run: ms.Run, name: str = "mailer", default: object = "none") -> object:
        return await run.flag(name, by="c1", default=default)

    with Lab(registry=registry) as lab:
        assert lab.start(choose).result() == "none"
        lab.set_flag("mailer", "new")
        assert lab.start(choose).result() == "new"
        with pytest.raises(OptionError):
            lab.set_flag("mailer", True)
        for name, value, default in (("on", True, False), ("off", False, True), ("n", 7, 1), ("json", {"a": [1]}, {})):
            lab.set_flag(name, value)
            assert lab.start(choose, name, default).result() == value
