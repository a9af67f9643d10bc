"""OpenTelemetry's baggage of a trace: taken from the program that starts a run, and attached around each attempt of a step.

Role: the header `baggage` (W3C) carries it. The API of OpenTelemetry is an optional library, and is imported only where it is in use: by
a program that has imported it, and by a step whose run has the header.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mainspring.domain.runs.run_headers import BAGGAGE, decode_headers, keep_valid


def add_current_baggage(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return headers with the baggage of the calling code, unless they have one. A program without OpenTelemetry imports nothing."""
    if "opentelemetry.baggage" not in sys.modules or (headers and any(name.lower() == BAGGAGE for name in headers)):
        return headers
    from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415 - only for programs that use it

    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier)
    found = keep_valid(carrier)
    return {**(headers or {}), **found} if found else headers


def attach_baggage(data: bytes | None) -> None:
    """Make the baggage in the headers `data` (JSON) that of this context, if OpenTelemetry is installed."""
    value = None if data is None else decode_headers(data).get(BAGGAGE)
    if value is not None and (attach := _find_attach()) is not None:
        attach(value)


@functools.cache
def _find_attach() -> Callable[[str], Any] | None:
    try:
        from opentelemetry import context  # noqa: PLC0415 - optional
        from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415 - optional
    except ImportError:
        return None
    propagator = W3CBaggagePropagator()

    def attach(value: str) -> Any:
        return context.attach(propagator.extract({BAGGAGE: value}, context.Context()))

    return attach
