"""Queries in a body: the functions that its code registers, which only read the state of the workflow."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.values.saved_call import encode_result
from mainspring.engine.body.message_handler import MessageHandler, make_handler

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body


class BodyQueries:
    """The queries of one body. They are answered at rest, also after the body has ended, and are in no journal."""

    def __init__(self, body: "Body") -> None:
        self._body = body
        self._handlers: dict[str, MessageHandler] = {}

    def register(self, name: str, function: Callable[..., Any]) -> None:
        """Register the function that answers a query.

        Raises:
            OptionError: the name or the function cannot be used, or the name has a function already.
        """
        if inspect.iscoroutinefunction(function):
            raise OptionError(
                f"run.on_query({name!r}): the function is `async def`", hint="A query only reads: write `def`."
            )
        self._handlers[name] = make_handler("query", name, function, self._handlers)

    def answer(self, name: str, data: bytes | None) -> bytes:
        """Return the answer to a query as JSON.

        Raises:
            UnknownNameError: the code has no such query at this place.
            BodyError: the function calls `run.*`, or would wake a task.
            Exception: whatever the function raises.
        """
        handler = self._handlers.get(name)
        if handler is None:
            raise UnknownNameError("query", name, self._handlers)
        result = self._body.call_read_only(handler.function, *handler.read(data))
        return encode_result(handler.signature, result, f"answer to query {name}", limit=self._body.payload_max)
