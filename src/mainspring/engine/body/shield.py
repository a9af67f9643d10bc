"""`run.shield()`: a shield for clean-up in a workflow body."""

from types import TracebackType
from typing import Self

from mainspring.engine.body.body import Body


class Shield:
    """`async with run.shield():` clean-up in it continues although the run is cancelled."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def __aenter__(self) -> Self:
        self._task = self._body.stop.enter_shield()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.stop.leave_shield(self._task)
