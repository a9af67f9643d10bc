"""Flags over OFREP, the OpenFeature Remote Evaluation Protocol 0.1: programs of any language ask for the flags of this store.

Two paths below `/ofrep/v1`: one flag, and all flags at once. A program signs in with an API token. Source of the format:
https://github.com/open-feature/protocol
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.flags.flag import (
    Flag,
    FlagAnswer,
    FlagKind,
    FlagQuestion,
    FlagReason,
    FlagSide,
    answer_question,
    kind_of,
)
from mainspring.domain.flags.flag_question import make_question, read_value
from mainspring.resources.flag_uses import FlagUses
from mainspring.store.read.flags import list_flags, read_revision
from mainspring.web.api.call import HandlerContext, RequestAuthenticator
from mainspring.web.api.request_parsing import ApiError, parse_body

BASE: Final = "/ofrep/v1/evaluate/flags"
_LARGEST = 64 * 1024
_RECORD_EVERY_S = 10.0
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_TARGETING_KEY = "targetingKey"
_REASONS = {
    FlagReason.KILLED: "DISABLED",
    FlagReason.DENIED: "TARGETING_MATCH",
    FlagReason.ALLOWED: "TARGETING_MATCH",
    FlagReason.ATTRIBUTE: "TARGETING_MATCH",
    FlagReason.SHARE: "SPLIT",
}


class EvaluationRequest(msgspec.Struct, frozen=True):
    """The body of a request: `context` has the targeting key and the attributes."""

    context: dict[str, Any] = {}


class OfrepApp:
    """The handlers. Reads block, so they run in a thread of their own."""

    def __init__(self, authenticator: RequestAuthenticator, site: HandlerContext) -> None:
        self._authenticator = authenticator
        self._site = site
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mainspring-ofrep")
        self._flags: dict[str, Flag] = {}
        self._revision = -1
        self._read_at: float | None = None
        self._uses = FlagUses(has_session=False)
        self._recorded_at = time.monotonic()

    def routes(self) -> list[Route]:
        """Return the routes of the web process."""
        return [
            Route(BASE, self.evaluate_all, methods=["POST"]),
            Route(f"{BASE}/{{flag:path}}", self.evaluate, methods=["POST"]),
        ]

    async def evaluate(self, request: Request) -> Response:
        """Answer for one flag."""
        name = request.path_params["flag"]
        context = await self._context(request)
        if isinstance(context, Response):
            return context
        flags = await self._read_flags()
        if isinstance(flags, Response):
            return flags
        try:
            question = _make_question(name, context)
        except ArgumentError as error:
            return _refuse(400, "INVALID_CONTEXT", error.message, name)
        flag = flags.get(name)
        answer = answer_question(flag, question)
        self._note(name, answer)
        if flag is None:
            return _refuse(404, "FLAG_NOT_FOUND", f"there is no flag {name!r}", name)
        return JSONResponse(_describe(name, answer), headers=_HEADERS)

    async def evaluate_all(self, request: Request) -> Response:
        """Answer for all flags; 304 if the client has these answers already. Each counts as a question: the client has no other."""
        context = await self._context(request)
        if isinstance(context, Response):
            return context
        flags = await self._read_flags()
        if isinstance(flags, Response):
            return flags
        try:
            answers = {name: answer_question(flag, _make_question(name, context)) for name, flag in flags.items()}
        except ArgumentError as error:
            return _refuse(400, "INVALID_CONTEXT", error.message)
        for name, answer in answers.items():
            self._note(name, answer)
        data = msgspec.json.encode({"flags": [_describe(name, answer) for name, answer in answers.items()]})
        tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
        headers = {**_HEADERS, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, 200, headers, "application/json")

    def close(self) -> None:
        """Record the questions so far."""
        self._record()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _context(self, request: Request) -> Mapping[str, Any] | Response:
        """Return the context of an authenticated request, or the response that rejects it."""
        visitor = await self._authenticator.visitor(request)
        if isinstance(visitor, Response):
            return visitor
        if not visitor.is_for_all:
            return _refuse(403, "GENERAL", "this token is for some automations only, and flags are for all")
        try:
            body: EvaluationRequest = await parse_body(request, EvaluationRequest, _LARGEST)
        except ApiError as error:
            return _refuse(400, "PARSE_ERROR", error.problem.detail)
        except ClientDisconnect:
            return Response(status_code=400)
        return body.context

    async def _read_flags(self) -> dict[str, Flag] | Response:
        """Return all flags, or the response if the store does not answer: clients then use their own defaults."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh)
        except MainspringError as error:
            return _refuse(503, "GENERAL", error.message)

    def _refresh(self) -> dict[str, Flag]:
        reader = self._site.reader
        try:
            revision = read_revision(reader)
            if revision != self._revision:
                self._flags = {flag.name: flag for flag in list_flags(reader)}
                self._revision = revision
        except MainspringError:
            max_age = self._site.settings.flags.max_age.total_seconds()
            if self._read_at is None or time.monotonic() - self._read_at > max_age:
                raise
        else:
            self._read_at = time.monotonic()
        return self._flags

    def _note(self, name: str, answer: FlagAnswer) -> None:
        self._uses.note(name, "", answer)
        if time.monotonic() - self._recorded_at > _RECORD_EVERY_S:
            self._record()

    def _record(self) -> None:
        self._recorded_at = time.monotonic()
        command = self._uses.take()
        if command is not None:
            self._site.store.submit(command, lambda _answer: None)


def _make_question(name: str, context: Mapping[str, Any]) -> FlagQuestion:
    """Return the question of a context: its attributes are what a rule can compare. Raises ArgumentError.

    The default is null: the client has its own, and uses it in place of null.
    """
    attributes = {
        key: value for key, value in context.items() if key != _TARGETING_KEY and isinstance(value, str | int | float)
    }
    return make_question(name, context.get(_TARGETING_KEY), None, attributes)


def _describe(name: str, answer: FlagAnswer) -> dict[str, object]:
    value = read_value(answer.value)
    kind = "null" if value is None else str(kind_of(value) or FlagKind.JSON)
    variant = "on" if answer.side is FlagSide.ON else "off"
    reason = _REASONS.get(answer.reason, "DEFAULT")
    return {"key": name, "value": value, "variant": variant, "reason": reason, "metadata": {"type": kind}}


def _refuse(status: int, code: str, details: str, name: str | None = None) -> Response:
    data = {"errorCode": code, "errorDetails": details} | ({} if name is None else {"key": name})
    return JSONResponse(data, status, headers=_HEADERS)
