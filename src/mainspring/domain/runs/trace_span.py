"""Trace spans of a run for a tracing backend, with ids that are the same in every process."""

import hashlib
from functools import lru_cache

import msgspec

SpanAttribute = str | int


class SpanLink(msgspec.Struct, frozen=True):
    """A span of the same or another trace that this one belongs with."""

    trace_id: bytes
    span_id: bytes


class TraceSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A finished span. `error` = the name of the problem; instants are ns UTC, ids 16 and 8 bytes."""

    trace_id: bytes
    span_id: bytes
    name: str
    start_ns: int
    end_ns: int
    parent_id: bytes | None = None
    attributes: dict[str, SpanAttribute] = {}
    links: tuple[SpanLink, ...] = ()
    is_error: bool = False
    error: str = ""


@lru_cache(1024)
def trace_id_of(run: str) -> bytes:
    """Return the trace of a run."""
    return _hash_parts("trace", run)[:16]


@lru_cache(1024)
def run_span_id(run: str) -> bytes:
    """Return the id of the span of a whole run."""
    return _hash_parts("run", run)[:8]


def work_span_id(run: str, claim: int) -> bytes:
    """Return the id of the span of one worker's work on a run under one claim."""
    return _hash_parts("work", run, str(claim))[:8]


def step_span_id(run: str, ident: str, generation: int, attempt: int | None = None) -> bytes:
    """Return the id of the span of a request, or of one attempt at it."""
    return _hash_parts("step", run, ident, str(generation), "" if attempt is None else str(attempt))[:8]


def link_to_run(run: str) -> SpanLink:
    """Return the link to a whole run."""
    return SpanLink(trace_id_of(run), run_span_id(run))


def _hash_parts(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()
