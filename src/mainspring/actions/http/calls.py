"""Calls of an HTTP API: one request, safe to run twice."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import msgspec

from mainspring.actions.base.calling_thread import refuse_body, refuse_event_loop
from mainspring.actions.base.effect_result import read_effect_result
from mainspring.actions.http.errors import FailedResponse, HttpStatusError, format_status
from mainspring.actions.http.exchange import run_blocking, send_call
from mainspring.actions.http.prepared_call import (
    IDEMPOTENT_METHODS,
    CallOptions,
    PreparedCall,
    prepare_call,
    require_known_options,
)
from mainspring.actions.http.reply import HttpReply, make_reply
from mainspring.app.action import effect_of_action
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import OptionError
from mainspring.engine.attempts.effect import Check, Effect
from mainspring.engine.attempts.step_context import CURRENT_STEP

KEY_HEADER = "idempotency-key"
MISSING = frozenset({404, 410})
"""The statuses of a target that does not have the effect."""
_FOUND = range(200, 400)


class EffectOptions(TypedDict, total=False):
    """The options of the effect of a request.

    `once` = its key; without it, a POST or PATCH in a step has the key of the step. `within` = a new effect may follow this long after
    the last one. `check()` asks the target whether it has the effect, if an earlier outcome is unknown: it returns a reply (404 and 410
    mean that the target does not have it), other JSON data, True, or None. `keyed=True` = the target removes duplicates by the header
    Idempotency-Key. `wait` = the longest wait for another caller of the key.
    """

    once: str
    within: SpanInput
    check: Check
    keyed: bool
    wait: SpanInput


class RequestOptions(CallOptions, EffectOptions, total=False):
    """The options of `http.request`: those of a call and those of its effect."""


def request(method: str, url: str, **options: Unpack[RequestOptions]) -> HttpReply:
    """Send a request and return the reply; the options are those of `CallOptions` and `EffectOptions`.

    Safe to run twice because a POST or PATCH is recorded in the ledger before it is sent, and a repeated call returns the saved reply.
    If the outcome is unknown, the target is asked (`check=`), or gets the same Idempotency-Key (`keyed=True`), or a person decides. GET,
    HEAD, OPTIONS, PUT and DELETE change nothing the second time, so they use the ledger only with `once=`.

    Example:
        http.request("POST", "https://api.example.com/orders", json={"id": 7}, once="order:7", keyed=True)

    Raises:
        HttpStatusError: the status is not expected. 408, 425, 429 and 5xx are transient, other 4xx permanent.
        HttpNotSentError, HttpConnectionError, HttpTimeoutError: there is no response; transient.
        HttpAddressError, HttpCertificateError: the target may not be called; permanent.
        HttpBodyError: the body is too large.
        EffectInDoubtError: the effect may have happened, and only a person can decide.
    """
    refuse_event_loop("http.request")
    call, effect = _prepare(method, url, options)
    if effect is None:
        return run_blocking("http.request", lambda: send_call(call))
    reply: HttpReply = effect.call(
        lambda: run_blocking("http.request", lambda: send_call(_add_key(call, effect))), reply_reader(effect.key, call)
    )
    return reply


async def request_async(method: str, url: str, **options: Unpack[RequestOptions]) -> HttpReply:
    """Send a request and return the reply, as `request` does; `check` may be async.

    Safe to run twice because it uses the ledger as `request` does.
    """
    refuse_body("http.request_async")
    call, effect = _prepare(method, url, options)
    if effect is None:
        return await send_call(call)
    reply: HttpReply = await effect.call_async(
        lambda: send_call(_add_key(call, effect)), reply_reader(effect.key, call)
    )
    return reply


def get(url: str, **options: Unpack[RequestOptions]) -> HttpReply:
    """Send a GET request, as `request` does.

    Safe to run twice because it changes nothing.

    Example:
        http.get("https://api.example.com/orders/7", bearer="secret:SHOP").json()
    """
    return request("GET", url, **options)


def post(url: str, **options: Unpack[RequestOptions]) -> HttpReply:
    """Send a POST request, as `request` does.

    Safe to run twice because it is recorded in the ledger before it is sent, as `request` explains.

    Example:
        http.post("https://api.example.com/orders", json={"id": 7}, once="order:7", check=find_order)
    """
    return request("POST", url, **options)


def put(url: str, **options: Unpack[RequestOptions]) -> HttpReply:
    """Send a PUT request, as `request` does.

    Safe to run twice because it sets the same state again.

    Example:
        http.put("https://api.example.com/orders/7", json={"state": "paid"})
    """
    return request("PUT", url, **options)


def delete(url: str, **options: Unpack[RequestOptions]) -> HttpReply:
    """Send a DELETE request, as `request` does.

    Safe to run twice because what is deleted stays so. The second call may find nothing: write `expect=(200, 204, 404)`.

    Example:
        http.delete("https://api.example.com/orders/7", expect=(200, 204, 404))
    """
    return request("DELETE", url, **options)


def _prepare(method: str, url: str, options: RequestOptions) -> tuple[PreparedCall, Effect | None]:
    """Return the call and its effect; None if it has none, or none that could be named."""
    require_known_options(options, RequestOptions.__annotations__)
    rest: Any = {name: value for name, value in options.items() if name not in EffectOptions.__annotations__}
    own: dict[str, Any] = {name: value for name, value in options.items() if name in EffectOptions.__annotations__}
    call = prepare_call(method, url, rest)
    if "once" not in own:
        is_unrecorded = call.method in IDEMPOTENT_METHODS
        is_plain = is_unrecorded or CURRENT_STEP.get() is None
        unused = next((name for name in own if is_plain or name == "within"), None)
        if unused is not None:
            place = f"method {call.method}" if is_unrecorded else "outside of a step"
            hint = 'Name the effect: once="order:7".'
            raise OptionError(f"{unused}= of http.request needs once= ({place})", hint=hint)
        if is_unrecorded:
            return call, None
    check = own.pop("check", None)
    bound = None if check is None else _read_check(check, call)
    identity, content = call.identity, None
    if "once" not in own:
        identity, content = {name: value for name, value in identity.items() if name != "body"}, call.body_text
    effect = effect_of_action("http.request", identity=identity, content=content, check=bound, **own)
    return replace(call, is_keyed=effect is not None and bool(own.get("keyed"))), effect


def _read_check(check: Check, call: PreparedCall) -> Callable[[], Any]:
    """Return the check of a call, whose result is a reply or None."""

    def run_check() -> Any:
        found = check()
        return _convert_later(found) if inspect.isawaitable(found) else _convert_found(found, call)

    async def _convert_later(found: Any) -> HttpReply | None:
        return _convert_found(await found, call)

    return run_check


def _convert_found(found: Any, call: PreparedCall) -> HttpReply | None:
    """Return what a check found as a reply."""
    if found is None or found is False:
        return None
    if isinstance(found, HttpReply):
        return _read_found_reply(found, call)
    if found is True:
        return _make_default_reply(call)
    return make_reply(min(call.expect), call.url, {"content-type": "application/json"}, msgspec.json.encode(found))


def _read_found_reply(reply: HttpReply, call: PreparedCall) -> HttpReply | None:
    """Return the reply if its status says that the target has the effect, None if it does not.

    The status is that of another request: `expect=` of the call does not count.

    Raises:
        HttpStatusError: the status leaves it open.
    """
    if reply.status in MISSING:
        return None
    if reply.status in _FOUND:
        return reply
    hint = "Return a reply with a status from 200 to 399, or with 404 or 410; or else True or None."
    text = f"check= of {call.place}: {format_status(reply.status)} leaves open whether the target has the effect"
    raise HttpStatusError(text, FailedResponse(reply.status, reply.headers), hint=hint)


def _add_key(call: PreparedCall, effect: Effect) -> PreparedCall:
    """Return the call with the idempotency key of its effect, a string of structured fields (RFC 9651)."""
    return call.with_headers({KEY_HEADER: f'"{effect.idempotency_key}"'})


def reply_reader(key: str, call: PreparedCall) -> Callable[[bytes | None], HttpReply]:
    """Return the function that reads a saved reply; without one, a person has confirmed the effect."""

    def read(result: bytes | None) -> HttpReply:
        return _make_default_reply(call) if result is None else read_effect_result(key, result, HttpReply)

    return read


def _make_default_reply(call: PreparedCall) -> HttpReply:
    """Return the reply of a call that is known to be done, without a response on record."""
    return HttpReply(min(call.expect), call.url)
