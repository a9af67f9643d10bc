"""Updates in a body: the handlers that its code registers, and the handlers that run.

An accepted update is an outcome: its delivery starts a task whose branch is the identity of the outcome. The end of that task is a request,
whose outcome saves the reply. So a replay starts the same handlers at the same places, and a handler that returns another reply is drift.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mainspring.domain.errors import BodyError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.runs.update import REPLY_SUFFIX
from mainspring.domain.values.codec import encode
from mainspring.domain.values.saved_call import encode_result
from mainspring.engine.body.drift import build_unread_drift
from mainspring.engine.body.message_handler import MessageHandler, make_handler
from mainspring.engine.body.request import ReplyCall, Request, Restarted, RolledBack, Unloaded

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

_BRANCH = "update:"
"""The beginning of the branches of handlers."""
_ENDS_THE_RUN = "an update handler cannot end its run: set a flag there, and end the run in the workflow function"


class BodyUpdates:
    """The handlers of one body, and how many of them run. None is called once the workflow function has returned."""

    def __init__(self, body: "Body") -> None:
        self._body = body
        self._handlers: dict[str, MessageHandler] = {}
        self.running = 0
        self.is_closed = False
        self._idle_waiters: list[asyncio.Future[Any]] = []

    @property
    def names(self) -> list[str]:
        """The names of the updates that the run receives now."""
        is_open = not (self.is_closed or self._idle_waiters or self._body.done or self._body.stop.kind is not None)
        return sorted(self._handlers) if is_open else []

    def register(self, name: str, function: Callable[..., Any], validate: Callable[..., Any] | None) -> None:
        """Register the handler of an update.

        Raises:
            OptionError: the name or the function cannot be used, or the name has a handler already.
        """
        self._handlers[name] = make_handler("update", name, function, self._handlers, validate)

    def find(self, name: str) -> MessageHandler | None:
        """Return the handler that an update of this name gets now."""
        return self._handlers[name] if name in self.names else None

    def check(self, handler: MessageHandler, data: bytes | None) -> None:
        """Check an update before it is accepted, with the state that the body has now. Raises what the check raises."""
        arguments = handler.read(data)
        if handler.validate is not None:
            self._body.call_read_only(handler.validate, *arguments)

    def start(self, outcome: Outcome) -> None:
        """Start the handler of an accepted update."""
        handler = self._handlers.get(outcome.name)
        try:
            if handler is None:
                raise BodyError(f"the code has no handler for it at this place: @run.on_update({outcome.name!r})")
            arguments = handler.read(outcome.output)
        except Exception as error:  # noqa: BLE001 - the code has changed since
            self._body.drift = self._body.drift or build_unread_drift(outcome, error)
            return
        context = self._body.context.copy()  # what the workflow and its middleware have set
        self.running += 1
        task = context.run(self._body.loop.create_task, self._run(handler, arguments, outcome.ident), context=context)
        task.branch = f"{outcome.ident}/"

    @property
    def _is_in_handler(self) -> bool:
        task = self._body.loop.current()
        return task is not None and task.branch.startswith(_BRANCH)

    def refuse_restart(self) -> None:
        """Raise BodyError if a handler runs: what it changes would not be in the input of the restart."""
        if self._is_in_handler:
            raise BodyError(_ENDS_THE_RUN)
        if self.running:
            raise BodyError(
                f"run.restart() while {self.running} update handlers run: what they change would be lost",
                hint="Write `await run.updates_done()` before it, and make the input after that.",
            )

    async def wait_until_idle(self) -> None:
        """Accept no update, and wait until no handler runs. Raises BodyError in a handler, which would wait for itself."""
        if self._is_in_handler:
            raise BodyError(
                "run.updates_done() in an update handler would wait for itself: call it in the workflow function"
            )
        while self.running:
            self._idle_waiters.append(self._body.future())
            await self._idle_waiters[-1]

    async def _run(self, handler: MessageHandler, arguments: tuple[Any, ...], ident: str) -> None:
        try:
            call = await self._call(handler, arguments)
            await self._save_reply(
                Request(OutcomeKind.REPLY, f"{ident}{REPLY_SUFFIX}", handler.name, call, None, _ignore)
            )
        finally:
            self.running -= 1
            if not self.running:
                waiters, self._idle_waiters = self._idle_waiters, []
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)

    async def _call(self, handler: MessageHandler, arguments: tuple[Any, ...]) -> ReplyCall:
        try:
            result = handler.function(*arguments)
            if inspect.isawaitable(result):
                result = await result
            subject = f"reply to update {handler.name}"
            return ReplyCall(
                encode_result(handler.signature, result, subject, limit=self._body.payload_max), handler.signature
            )
        except (Restarted, RolledBack):
            error: BaseException = BodyError(_ENDS_THE_RUN)
        except BaseException as raised:
            is_stopped = isinstance(raised, asyncio.CancelledError) and self._body.stop.kind is not None
            if is_stopped or isinstance(raised, Unloaded) or self._body.loop.closed:
                raise
            error = raised
        return ReplyCall(encode(f"raises {type(error).__qualname__}"), handler.signature, error)

    async def _save_reply(self, request: Request) -> None:
        future = self._body.future()

        def take(_value: Any, _failure: Failure | None) -> None:
            if not future.done():
                future.set_result(None)

        request.take = take
        self._body.register(request)
        try:
            await future
        finally:
            if request.open:
                self._body.cancel_request(request)


def _ignore(_value: Any, _failure: Failure | None) -> None:
    """Do nothing: replaced before the request is registered."""
