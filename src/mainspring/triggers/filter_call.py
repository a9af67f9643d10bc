"""The call of one filter: in a worker for a stored delivery, at the command line for a dry run."""

import asyncio
import inspect
import threading

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.states import DeliveryState
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.event import Event
from mainspring.engine.definitions.trigger_draft import EventFilter
from mainspring.triggers.decisions import MAX_NOTE
from mainspring.triggers.start_from_event import EventData


def call_filter(fn: EventFilter | None, event: EventData) -> tuple[DeliveryState | None, str]:
    """Call a filter in this thread, which has no running loop. Return the state of its delivery (None = it passes) and a sentence about it.

    Any exception of a filter fails its delivery, also SystemExit; only a person's interrupt is raised.
    """
    if fn is None:
        return DeliveryState.FAILED, "its filter is no longer in the code"
    try:
        verdict = fn(msgspec.convert(event, Event))
        if inspect.iscoroutine(verdict):
            verdict = asyncio.run(verdict)
        return (None, "its filter accepted it") if verdict else (DeliveryState.FILTERED, "its filter rejected it")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return DeliveryState.FAILED, escape(f"its filter raised{_error_text(error)}", MAX_NOTE)


def _error_text(error: BaseException) -> str:
    if isinstance(error, MainspringError):
        return f": {error.message}"
    try:
        return f" {type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  a user's error whose text cannot be read
        return f" {type(error).__name__}: its text cannot be read"
