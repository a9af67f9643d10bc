"""OpenTelemetry's baggage of a trace: taken from the program that starts a run, and attached around each attempt of a step.

Role: the header `baggage` (W3C) carries it. The API of OpenTelemetry is an optional library, and is imported only where it is in use: by
a program that has imported it, and by a step whose run has the header.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mainspring.domain.runs.run_headers import BAGGAGE, add_header, decode_headers


def add_current_baggage(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return headers with the baggage of the calling code, unless they have one, or together they are too large.

    A program without OpenTelemetry imports nothing.
    """
    if "opentelemetry.baggage" not in sys.modules or (headers and any(name.lower() == BAGGAGE for name in headers)):
        return headers
    from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415 - only for programs that use it

    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier)
    baggage = carrier.get(BAGGAGE)
    return headers if baggage is None else add_header(headers or {}, BAGGAGE, baggage)


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
