"""Strict parsing of requests: the query by the names that a route knows, the body as unambiguous JSON."""

import asyncio
import hashlib
from enum import StrEnum
from typing import Any, Final, get_args, get_origin

import msgspec
from starlette.requests import Request

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest, read_webhook_body
from mainspring.service.actor import Actor, operation_context
from mainspring.web.api.problem import Problem, build_problem

BODY_WITHIN_S: Final = 20.0
_KEY = "idempotency-key"
LONGEST_KEY: Final = 200
"""Characters of an Idempotency-Key; the suffix that makes it the caller's own fits behind them."""
_LARGE = 64 * 1024
"""Larger bodies are parsed in a thread, so that other requests do not wait."""
_OWNER_BITS = 16
"""Hexadecimal digits that separate the commands of two visitors."""
_MULTIPART_EXTRA = 64 * 1024
"""Bytes that a body may have beyond the largest value."""


class ApiError(Exception):
    """The request cannot be answered; `problem` has the reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def parse_query(request: Request, kind: type[msgspec.Struct] | None) -> Any:
    """Return the typed query. Raises ApiError."""
    parameters = request.query_params.multi_items()
    if kind is None:
        if parameters:
            raise ApiError(
                build_problem(400, "bad_query", f"this path has no parameters (got {parameters[0][0][:60]!r})")
            )
        return None
    repeatable = {field.encode_name for field in msgspec.structs.fields(kind) if get_origin(field.type) is tuple}
    values: dict[str, Any] = {}
    for name, value in parameters:
        if name in repeatable:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ApiError(build_problem(400, "bad_query", f"{name!r} is sent twice", at=f"$.{name}"))
        else:
            values[name] = value
    query = _convert(values, kind, "bad_query", strict=False)
    for field in msgspec.structs.fields(kind):
        # The word "null" becomes None in a field without text, so a filter that was meant would be ignored.
        if field.encode_name in values and getattr(query, field.name) is None:
            at = f"$.{field.encode_name}"
            raise ApiError(
                build_problem(400, "bad_query", "null is not allowed as a parameter", at=at, hint=_hint(kind, at))
            )
    return query


async def parse_body(request: Request, kind: type[msgspec.Struct] | None, largest: int) -> Any:
    """Return the typed body; without a body, the defaults of the type. Raises ApiError, ClientDisconnect."""
    if kind is None:
        return None
    body = await _read_body(request, largest + _MULTIPART_EXTRA)
    if not body:
        return _convert({}, kind, "bad_body", strict=True)
    if len(body) <= _LARGE:
        value = read_webhook_body(body, request.headers, forms=False)
    else:
        value = await asyncio.to_thread(read_webhook_body, body, request.headers, forms=False)
    if isinstance(value, InvalidRequest):
        raise ApiError(build_problem(value.status, "body_rejected", value.text, at=value.at))
    return _convert(value, kind, "bad_body", strict=True)


def read_command_id(request: Request) -> str | None:
    """Return the command id that the caller sent."""
    command_id: str | None = request.headers.get(_KEY)
    return command_id


def scope_command_id(sent_id: str | None, visitor: Visitor, clock: Clock) -> str:
    """Return the command id of this visitor's operation: no one else has the same, whatever key they send.

    If the same visitor sends the result as a key, it is the same command.

    Raises:
        OptionError: the key is no valid command id.
    """
    actor = Actor(visitor.entry_point, visitor.name)
    owner_suffix = f"@{hashlib.sha256(str(actor).encode()).hexdigest()[:_OWNER_BITS]}"
    if sent_id is not None and sent_id.endswith(owner_suffix):
        return operation_context(actor, clock, command=sent_id).command
    return operation_context(actor, clock, command=sent_id, longest=LONGEST_KEY).command + owner_suffix


async def _read_body(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced) > limit:
        raise ApiError(build_problem(413, "too_large", f"the body is too large (at most {limit:,} bytes)"))
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise ApiError(build_problem(413, "too_large", f"the body is too large (at most {limit:,} bytes)"))
    except TimeoutError:
        raise ApiError(
            build_problem(408, "slow", f"the body did not arrive within {BODY_WITHIN_S:g} seconds")
        ) from None
    return bytes(body)


def _convert(values: Any, kind: type[msgspec.Struct], code: str, *, strict: bool) -> Any:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        raise ApiError(
            build_problem(400, code, reason, at=place.rstrip("`") or None, hint=_hint(kind, place))
        ) from None


def _hint(kind: type[msgspec.Struct], place: str) -> str:
    """Return a hint: the allowed words of the invalid field, or the names of all fields."""
    name = place.removeprefix("$.").partition("[")[0].rstrip("`")
    words = next(
        (_describe_type(field.type) for field in msgspec.structs.fields(kind) if field.encode_name == name), []
    )
    return f"One of: {', '.join(words)}." if words else _list_fields(kind)


def _describe_type(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [member.value for member in kind]
    return next(filter(None, map(_describe_type, get_args(kind))), [])


def _list_fields(kind: type[msgspec.Struct]) -> str:
    names = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
    return f"Known: {names}." if names else "No field is allowed."
