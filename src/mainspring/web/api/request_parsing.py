"""What a request asks, read strictly: its query by the names that a route knows, its body as JSON of one meaning."""

import asyncio
import hashlib
from enum import StrEnum
from typing import Any, Final, get_args, get_origin

import msgspec
from starlette.requests import Request

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.triggers.webhooks.webhook_body import RequestError, read_webhook_body
from mainspring.service.actor import Actor, operation_context
from mainspring.web.api.problem import Problem, build_problem

BODY_WITHIN_S: Final = 20.0
_KEY = "idempotency-key"
LONGEST_KEY: Final = 200
"""Characters of an Idempotency-Key: what makes it the caller's own has room behind it."""
_LARGE = 64 * 1024
"""Larger bodies are read in a thread, so that the others do not wait for them."""
_OWNER_BITS = 16
"""Hexadecimal digits that tell one visitor's commands from another's."""
_MULTIPART_EXTRA = 64 * 1024
"""Beside the largest value a body may have so many bytes."""


class ApiError(Exception):
    """The request cannot be answered; `problem` says why."""

    def __init__(self, found: Problem) -> None:
        super().__init__(found.detail)
        self.problem = found


def parse_query(request: Request, kind: type[msgspec.Struct] | None) -> Any:
    """Return what stands behind "?", typed. Raises ApiError."""
    given = request.query_params.multi_items()
    if kind is None:
        if given:
            raise ApiError(build_problem(400, "bad_query", f"no parameter is known here, got {given[0][0][:60]!r}"))
        return None
    several = {one.encode_name for one in msgspec.structs.fields(kind) if get_origin(one.type) is tuple}
    values: dict[str, Any] = {}
    for name, value in given:
        if name in several:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ApiError(build_problem(400, "bad_query", f"{name!r} comes twice", at=f"$.{name}"))
        else:
            values[name] = value
    found = _convert(values, kind, "bad_query", strict=False)
    for one in msgspec.structs.fields(kind):
        # The word "null" reads as nothing where no text is taken: a filter that is meant would be none.
        if one.encode_name in values and getattr(found, one.name) is None:
            at = f"$.{one.encode_name}"
            raise ApiError(build_problem(400, "bad_query", "null is nothing to ask for", at=at, hint=_hint(kind, at)))
    return found


async def parse_body(request: Request, kind: type[msgspec.Struct] | None, largest: int) -> Any:
    """Return the body, typed; without one, what the route takes by default. Raises ApiError, ClientDisconnect."""
    if kind is None:
        return None
    body = await _read_body(request, largest + _MULTIPART_EXTRA)
    if not body:
        return _convert({}, kind, "bad_body", strict=True)
    if len(body) <= _LARGE:
        value = read_webhook_body(body, request.headers, forms=False)
    else:
        value = await asyncio.to_thread(read_webhook_body, body, request.headers, forms=False)
    if isinstance(value, RequestError):
        raise ApiError(build_problem(value.status, "body_rejected", value.text, at=value.at))
    return _convert(value, kind, "bad_body", strict=True)


def read_command_id(request: Request) -> str | None:
    """Return the command id that the caller gives."""
    found: str | None = request.headers.get(_KEY)
    return found


def scope_command_id(given: str | None, visitor: Visitor, clock: Clock) -> str:
    """Return the command id of an act of this visitor: no one else has the same, whatever key they send.

    Sent again as a key by the same visitor, it is the same command again.

    Raises:
        OptionError: the key cannot be a command id.
    """
    actor = Actor(visitor.door, visitor.name)
    own = f"@{hashlib.sha256(str(actor).encode()).hexdigest()[:_OWNER_BITS]}"
    if given is not None and given.endswith(own):
        return operation_context(actor, clock, command=given).command
    return operation_context(actor, clock, command=given, longest=LONGEST_KEY).command + own


async def _read_body(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced) > limit:
        raise ApiError(build_problem(413, "too_large", f"a body may have {limit:,} bytes here"))
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise ApiError(build_problem(413, "too_large", f"a body may have {limit:,} bytes here"))
    except TimeoutError:
        raise ApiError(build_problem(408, "slow", f"the body was not there after {BODY_WITHIN_S:g} seconds")) from None
    return bytes(body)


def _convert(values: Any, kind: type[msgspec.Struct], code: str, *, strict: bool) -> Any:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        why, _, place = str(error).partition(" - at `")
        raise ApiError(build_problem(400, code, why, at=place.rstrip("`") or None, hint=_hint(kind, place))) from None


def _hint(kind: type[msgspec.Struct], place: str) -> str:
    """Return what is taken: the words of the field that is wrong where it has some, else the names of the fields."""
    name = place.removeprefix("$.").partition("[")[0].rstrip("`")
    words = next((_describe_type(one.type) for one in msgspec.structs.fields(kind) if one.encode_name == name), [])
    return f"One of: {', '.join(words)}." if words else _list_fields(kind)


def _describe_type(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [one.value for one in kind]
    return next(filter(None, map(_describe_type, get_args(kind))), [])


def _list_fields(kind: type[msgspec.Struct]) -> str:
    names = ", ".join(one.encode_name for one in msgspec.structs.fields(kind))
    return f"Known: {names}." if names else "Nothing is taken here."
