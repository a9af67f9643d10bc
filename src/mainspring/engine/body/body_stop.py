"""The stop of one body: the cancel or deadline that it received, its shielded parts, and the end of its cleanup."""

from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mainspring.domain.errors import BodyError
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.engine.body.deterministic_loop import BodyTask

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body


class BodyStop:
    """The stops of a body. The first one is raised once; the second one ends the cleanup, and each further request is refused.

    `kind` = the first stop, `rank` and `at` = its outcome, `cleanup_end` = the second one; None = none was received. `undoes` = whether the
    sender of a cancel decided on the undo.
    """

    def __init__(self, body: "Body") -> None:
        self._body = body
        self._pending: str | None = None
        self.kind: OutcomeKind | None = None
        self.rank = self.at = 0
        self.cleanup_end: OutcomeKind | None = None
        self.undoes: bool | None = None

    @property
    def breaks_shields(self) -> bool:
        """Whether shielded code is stopped, too: a second cancel ends everything but an undo."""
        return self.cleanup_end is OutcomeKind.CANCEL

    def should_undo(self, undoes_on: Collection[OutcomeKind]) -> bool:
        """Whether the steps are undone after a stop that was received; `undoes_on` = the stops with which that is the default."""
        if self.kind is None:
            return False
        return self.kind in undoes_on if self.undoes is None else self.undoes

    def receive(self, outcome: Outcome) -> None:
        """Raise a stop in the body, unless it undoes its steps; in a shielded part when that ends."""
        if self.kind is None:
            self.kind, self.rank, self.at = outcome.kind, outcome.rank, outcome.at
            self.undoes = None if outcome.output is None else outcome.output == b"true"
        else:
            self.cleanup_end = outcome.kind
            self._body.refusals.renew()
        task = self._body.task
        assert task is not None
        if task.done() or self._body.rolling_back:  # a started undo is completed
            return
        if task.shields and not self.breaks_shields:
            self._pending = str(outcome.kind)
        else:
            task.cancel(str(outcome.kind))

    def enter_shield(self) -> BodyTask:
        """Protect the current task from a cancel that arrives before it ends its shield."""
        task = self._body.loop.current()
        if task is None:
            raise BodyError("run.shield() works only in the workflow body")
        task.shields += 1
        return task

    def leave_shield(self, task: BodyTask) -> None:
        """End the protection; a cancel that arrived under it takes effect now."""
        task.shields -= 1
        if self._pending is not None and task is self._body.task and not task.shields:
            message, self._pending = self._pending, None
            task.cancel(message)


class Shield:
    """`async with run.shield():` clean-up in it continues although the run is cancelled."""

    def __init__(self, body: "Body") -> None:
        self._body = body

    async def __aenter__(self) -> Self:
        self._task = self._body.stop.enter_shield()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.stop.leave_shield(self._task)
