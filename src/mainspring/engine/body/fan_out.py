"""Durable fan-out: one request per item, a window of them open at a time, no task per item.

Identity of an item = the identity of the fan + its index: `load#1[17]`. Items start in order; because outcomes are
delivered in rank order, the window moves alike in each replay. 100,000 items are normal.
"""

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mainspring.domain.errors import OptionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import StepFailed
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.saved_call import decode_result, roundtrip_call
from mainspring.engine.body.child_runs import build_spread_call
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.definitions.step_plan import StepPlan

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body


class ItemFailed(StepFailed):
    """Replaces the result of an item whose step failed, in `run.map(..., on_error="collect")`: `index` and `item` identify it."""

    def __init__(self, index: int, step: str, failure: Failure, item: Any = None) -> None:
        super().__init__(step, failure)
        self.index = index
        self.item = item


class Fan:
    """One `run.map`."""

    def __init__(
        self,
        body: "Body",
        ident: str,
        name: str,
        fn: Callable[..., Any],
        signature: Signature,
        plan: StepPlan,
        items: Iterable[Any],
        concurrency: int,
        *,
        collect: bool,
        spread: bool,
    ) -> None:
        if concurrency < 1:
            raise OptionError(f"run.map({name}, concurrency={concurrency}): concurrency must be at least 1")
        self._body = body
        self._ident = ident
        self._name = name
        self._fn = fn
        self._signature = signature
        self._plan = plan
        self._items = list(items)
        self._concurrency = concurrency
        self._collect = collect
        self._spread = spread or plan.queue is not None or plan.tag is not None
        self._results: list[Any] = [None] * len(self._items)
        self._open: dict[int, Request] = {}
        self._next = 0
        self._done = 0
        self._finished: asyncio.Future[Any] | None = None
        self._decode = functools.partial(decode_result, signature, value_name=f"result of {name}")

    async def run(self, number: int) -> list[Any]:
        """Run the step for all items; `number` is that of the call.

        Raises:
            StepFailed: an item failed and `collect` is off; its message names the item.
        """
        self._body.calls.started(number)
        if not self._items:
            return []
        self._finished = self._body.future()
        self._fill()
        try:
            await self._finished
        finally:
            for request in list(self._open.values()):
                self._body.cancel_request(request)
        return self._results

    def _fill(self) -> None:
        while len(self._open) < self._concurrency and self._next < len(self._items):
            index = self._next
            self._next += 1
            request = self._request(index)
            self._open[index] = request
            self._body.register(request)
            if self._plan.undo is not None:
                self._body.undoable.append(request)

    def _request(self, index: int) -> Request:
        subject = f"{self._name}[{index}]"
        data, args, kwargs = roundtrip_call(
            self._signature, (self._items[index],), {}, subject, limit=self._body.payload_max
        )
        ident = self._body.names.moved_ident(f"{self._ident}[{index}]")
        if self._spread:
            call: Any = build_spread_call(self._fn, self._signature, data, self._plan)
            kind = OutcomeKind.CHILD
        else:
            call = StepCall(self._fn, self._signature, args, kwargs, data, self._plan)
            kind = OutcomeKind.STEP
        return Request(kind, ident, self._name, call, self._decode, functools.partial(self._take, index))

    def _take(self, index: int, value: Any, failure: Failure | None) -> None:
        self._open.pop(index, None)
        assert self._finished is not None
        if self._finished.done():
            return
        if failure is None:
            self._results[index] = value
        elif self._collect:
            self._results[index] = ItemFailed(index, self._name, failure, self._items[index])
        else:
            self._finished.set_exception(ItemFailed(index, f"{self._name}[{index}]", failure, self._items[index]))
            return
        self._done += 1
        total = len(self._items)
        self._body.notes.note_progress(self._done, total, of_run=False)
        if self._done == total:
            self._finished.set_result(None)
            return
        try:
            self._fill()
        except Exception as error:  # noqa: BLE001  an item that cannot be encoded raises at the await of the body
            self._finished.set_exception(error)
