"""Polls: read an address until a condition is met."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Unpack

from mainspring.actions.base.calling_thread import refuse_body
from mainspring.actions.http.errors import HttpPollError
from mainspring.actions.http.exchange import run_blocking, send_call
from mainspring.actions.http.prepared_call import CallOptions, PreparedCall, prepare_call
from mainspring.actions.http.reply import HttpReply
from mainspring.domain.duration import SpanInput, format_duration, parse_duration
from mainspring.domain.errors import MainspringError, OptionError
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.verdict import FailureKind
from mainspring.engine.attempts.step_context import CURRENT_STEP, progress

_NAME = "http.poll"
Condition = Callable[[HttpReply], Any]
"""Returns whether a reply is the expected one."""


def poll(
    url: str,
    *,
    until: Condition,
    every: SpanInput = "10s",
    within: SpanInput = "10m",
    **options: Unpack[CallOptions],
) -> HttpReply:
    """Send GET until `until(reply)` is true, and return that reply; a step reports the seconds that have passed.

    Safe to run twice because it only reads. A transient failure counts as "not yet". The next attempt of a step polls for all of
    `within` again.

    Example:
        http.poll(f"{api}/exports/7", until=lambda reply: reply.json()["state"] == "ready", within="1h")

    Raises:
        HttpPollError: the condition was not met within `within`.
        MainspringError: a permanent failure, as `http.request` raises it.
    """
    return run_blocking(_NAME, lambda: poll_async(url, until=until, every=every, within=within, **options))


async def poll_async(
    url: str,
    *,
    until: Condition,
    every: SpanInput = "10s",
    within: SpanInput = "10m",
    **options: Unpack[CallOptions],
) -> HttpReply:
    """Send GET until `until(reply)` is true, as `poll` does.

    Safe to run twice because it only reads.
    """
    refuse_body(f"{_NAME}_async")
    call = prepare_call("GET", url, options)
    pause, span = parse_duration(every), parse_duration(within)
    if not pause or not span:
        raise OptionError(f"every={every!r}, within={within!r}: the durations must be greater than zero")
    started = time.monotonic()
    while True:
        try:
            reply = await send_call(call)
            if until(reply):
                return reply
            result, wait = f"{reply.status}, and until= returned false", pause
        except MainspringError as error:
            verdict = classify(error)
            if verdict.kind is not FailureKind.TRANSIENT:
                raise
            result, wait = error.message, max(pause, verdict.retry_after or timedelta(0))
        elapsed_s = time.monotonic() - started
        left_s = span.total_seconds() - elapsed_s
        if CURRENT_STEP.get() is not None:
            progress(int(elapsed_s), int(span.total_seconds()))
        if left_s <= wait.total_seconds():
            raise _make_error(call, span, result)
        await asyncio.sleep(wait.total_seconds())


def _make_error(call: PreparedCall, span: timedelta, result: str) -> HttpPollError:
    return HttpPollError(
        f"{call.place}: the condition was not met within {format_duration(span)}; the last result: {result}",
        hint="Raise within=, or check the target.",
    )
