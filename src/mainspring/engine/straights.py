"""The runs of a worker that go straight to their end: which may, and how one becomes an ordinary run again."""

from typing import TYPE_CHECKING, Protocol

from mainspring.engine.hosting import Hosting
from mainspring.engine.programs import Program
from mainspring.engine.straight import Straight
from mainspring.store.commands.runs import ClaimedRun

if TYPE_CHECKING:
    from mainspring.engine.driver import Driver

TAKEN_UP_AFTER_MS = 500
"""An attempt that runs longer is an ordinary one: it gets its start mark, and is looked after."""


class StraightsHost(Hosting, Protocol):
    """The worker, as its straight runs see it."""

    @property
    def goes_straight(self) -> bool:
        """Whether nobody has to see an outcome before the end of its run."""
        ...

    def load_adopted(self, straight: Straight) -> "Driver | None":
        """Load a straight run as an ordinary one that adopts the attempt; None if it cannot be loaded."""
        ...

    def freed(self) -> None:
        """There is room for another run."""
        ...

    def unsaved(self, run: ClaimedRun, error: Exception) -> None:
        """A command of this run cannot be executed at all: it is halted, so that a person sees it."""
        ...


class Straights:
    """Used in the loop's thread."""

    def __init__(self, host: StraightsHost) -> None:
        self._host = host
        self._aboard: dict[str, Straight] = {}
        self.over_count = 0
        """Of how many the work is done, and the end on its way to the store."""

    def __len__(self) -> int:
        return len(self._aboard)

    @property
    def claims(self) -> dict[str, int]:
        """The claims of the runs whose work is not done."""
        return {run_id: straight.run.claim for run_id, straight in self._aboard.items() if not straight.is_over}

    @property
    def are_allowed(self) -> bool:
        """Whether nobody has to see an outcome before the end of its run."""
        return self._host.goes_straight

    def start(self, run: ClaimedRun, program: Program) -> bool:
        """Start a freshly claimed run, if it is one step and nothing else so far.

        False also for what cannot be started: an ordinary run knows what to say of that.
        """
        if program.single is None or not run.fresh or run.generation or run.crashes or run.undoing or run.facts:
            return False
        if run.deadline_at is not None or not self.are_allowed:
            return False
        try:
            call = program.single()
            if call.plan.delivery != "at_least_once":
                return False
            straight = Straight(self._host, self, run, program, call)
            straight.begin()
        except Exception:  # noqa: BLE001
            return False
        self._aboard[run.id] = straight
        return True

    def take_up(self, straight: Straight) -> None:
        """Make a run an ordinary one; one that cannot be loaded is halted, and its attempt stopped."""
        del self._aboard[straight.run.id]
        driver = self._host.load_adopted(straight)
        if driver is None:
            straight.let_go()
        else:
            straight.steps = driver.steps

    def take_up_run(self, run: str) -> None:
        """Make this run an ordinary one, unless it is over."""
        straight = self._aboard.get(run)
        if straight is not None and not straight.is_over:
            self.take_up(straight)

    def take_up_all(self, now: int | None = None) -> None:
        """Make all ordinary runs that are not over; at an instant `now` only those that have run long."""
        for straight in list(self._aboard.values()):
            if not straight.is_over and (now is None or now - straight.started_at >= TAKEN_UP_AFTER_MS):
                self.take_up(straight)

    def let_go(self) -> None:
        """Forget all; nothing more is written."""
        aboard, self._aboard = self._aboard, {}
        for straight in aboard.values():
            straight.let_go()

    def ended(self) -> None:
        """The work of a run is done: there is room for another one while its end is on its way."""
        self.over_count += 1
        self._host.freed()

    def over(self, straight: Straight, fault: Exception | None) -> None:
        """The end of a run is committed, or it is another's; `fault`: its end cannot be committed at all."""
        if self._aboard.pop(straight.run.id, None) is not None:
            self.over_count -= 1
            if fault is not None:
                self._host.unsaved(straight.run, fault)
            self._host.freed()
