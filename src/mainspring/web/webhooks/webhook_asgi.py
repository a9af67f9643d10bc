"""The webhook listener as an ASGI application. It serves only webhook paths and /healthz.

A request is checked in this order: path, method, headers, size, time, sender, body, schema; then it is stored, and only after that
commit its sender gets 2xx. A request rejected before takes none of the places for deliveries that are being stored.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

from mainspring.config.web_settings import HooksSettings
from mainspring.domain.errors import MainspringError, SealedError
from mainspring.domain.states import DeliveryState, RunState
from mainspring.domain.triggers.webhooks.webhook import ResponseMode
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest
from mainspring.integrations.base.webhook_verifier import BAD_SIGNATURE, ImmediateResponse
from mainspring.integrations.verifiers import find_verifier, verify_request
from mainspring.integrations.webhooks.stored_headers import select_stored_headers
from mainspring.integrations.webhooks.webhook_delivery import read_webhook_request
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.results import DeliveryStored, Refused
from mainspring.triggers.delivery_command import PreparedDelivery
from mainspring.web.server.allowed_hosts import AllowedHosts
from mainspring.web.webhooks.admission_control import AT_LEAST_BYTES, AdmissionControl, ReservedBytes
from mainspring.web.webhooks.request_counts import OTHER_TRIGGER, REPEATED
from mainspring.web.webhooks.result_waiters import WaitedResult
from mainspring.web.webhooks.verifier_secrets import VerifierSecrets
from mainspring.web.webhooks.webhook_intake import WebhookIntake
from mainspring.web.webhooks.webhook_reply import (
    Message,
    Send,
    WebhookReply,
    invalid_reply,
    json_reply,
    overloaded_reply,
    problem_reply,
    refused_reply,
    setup_reply,
    text_reply,
    unavailable_reply,
)
from mainspring.web.webhooks.webhook_table import WebhookEntry

STORED_WITHIN_S = 10.0
"""The longest time that a sender waits for the store."""
_LARGE = 64 * 1024
"""Larger bodies are read, checked and prepared in a thread, so that other requests do not wait."""
_LOG = logging.getLogger("mainspring.web.hooks")
_BODIES_AT_LEAST = 4
_EXPECTED_STATES = (RunState.SUCCEEDED, DeliveryState.FILTERED, DeliveryState.DROPPED)
_NO_SECRET_REPLY = problem_reply(503, "no_secret", "this webhook is not set up yet", retry_after=60, close=True)

_OTHER_HOST_REPLY = problem_reply(
    403,
    "other_host",
    "this server does not know the name in the request, and a webhook without verification needs a "
    "known one: set hooks.public_url or web.allowed_hosts",
    close=True,
)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
BODY_WITHIN_S = 20.0
"""The longest wait for a body, in seconds."""
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024


class BodyLimit(NamedTuple):
    """The largest body (bytes), and the setting that limits it."""

    size: int
    setting: str


class SenderDisconnectedError(Exception):
    """The sender disconnected, so there is no one to answer."""


def read_headers(scope: MutableMapping[str, Any]) -> dict[str, str] | WebhookReply:
    """Return {lower-case name: value}; the values of a repeated header are joined by commas."""
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    if len(raw) > MOST_HEADERS or sum(len(name) + len(value) for name, value in raw) > MOST_HEADER_BYTES:
        return problem_reply(431, "headers", "too many headers, or too long", close=True)
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if "transfer-encoding" in headers and "content-length" in headers:
        # One of the two is meant for a proxy, which may have checked another request than this one.
        return problem_reply(400, "framing", "Content-Length and Transfer-Encoding exclude each other", close=True)
    return headers


async def read_body(
    receive: Receive, headers: dict[str, str], limit: BodyLimit, held: ReservedBytes
) -> bytes | WebhookReply:
    """Return the whole body; one announced as too large is not read at all.

    Raises:
        SenderDisconnectedError: the sender has disconnected.
    """
    announced = headers.get("content-length", "")
    if announced and not _LENGTH.fullmatch(announced):
        return problem_reply(400, "framing", "Content-Length is not a number", close=True)
    if announced and int(announced) > limit.size:
        return _too_large_reply(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise SenderDisconnectedError
                chunk: bytes = message.get("body", b"")
                if len(body) + len(chunk) > limit.size:
                    return _too_large_reply(limit)
                if not held.grow(len(chunk)):
                    return overloaded_reply()
                body += chunk
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return problem_reply(408, "slow", f"the body did not arrive within {BODY_WITHIN_S:g} seconds", close=True)


def _too_large_reply(limit: BodyLimit) -> WebhookReply:
    return problem_reply(
        413, "too_large", f"the body is too large (at most {limit.size:,} bytes, {limit.setting})", close=True
    )


class WebhookApp:
    """The ASGI application. `hosts` = the host names that unverified webhooks accept; None = any."""

    def __init__(
        self, intake: WebhookIntake, settings: HooksSettings, secrets: SecretStore, hosts: AllowedHosts | None = None
    ) -> None:
        self._intake = intake
        self._hosts = hosts
        # The input of a run is a value of the store: a larger body would only fail later.
        self._limit = min(
            BodyLimit(settings.max_body, "hooks.max_body"), BodyLimit(intake.largest_value, "store.payload_max")
        )
        self._values = VerifierSecrets(secrets)
        self._may_block = secrets.may_block
        self.admission = AdmissionControl(settings.at_once, max(AT_LEAST_BYTES, _BODIES_AT_LEAST * self._limit.size))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        hook = self._intake.table.find(path)
        trigger = OTHER_TRIGGER if hook is None else hook.trigger
        try:
            reply = (
                _unknown_path_reply(self._intake, path, scope["method"])
                if hook is None
                else await self._answer(hook, scope, receive)
            )
        except SenderDisconnectedError:
            self._intake.counts.count(trigger, "disconnected")
            return
        except Exception:  # noqa: BLE001 - one request that we cannot answer must not end the others
            _LOG.exception("a request to %s could not be answered", trigger or "there is no webhook")
            reply = problem_reply(
                500, "fault", "this is a bug of Mainspring; it is in the log of the web process", close=True
            )
        self._intake.counts.count(trigger, reply.code)
        await reply.send(send, head=scope["method"] == "HEAD")

    async def _answer(self, hook: WebhookEntry, scope: Message, receive: Receive) -> WebhookReply:
        if scope["method"] != "POST":
            return _method_reply("POST")
        headers = read_headers(scope)
        if isinstance(headers, WebhookReply):
            return headers
        if not find_verifier(hook.webhook.verify.kind).checks_sender and not (
            self._hosts is None or self._hosts.allows(headers.get("host"))
        ):
            return _OTHER_HOST_REPLY
        with self.admission.hold() as reserved:
            prepared = await self._read(hook, headers, receive, reserved)
            if isinstance(prepared, WebhookReply):
                return prepared
            if not self.admission.enter():
                return overloaded_reply()
            storing = asyncio.ensure_future(self._store_delivery(prepared, reserved.hand_over()))
        return await self._await_stored(hook, headers, prepared, storing)

    async def _read(
        self, hook: WebhookEntry, headers: dict[str, str], receive: Receive, reserved: ReservedBytes
    ) -> WebhookReply | PreparedDelivery:
        """Return the prepared delivery of a verified sender, or the reply that rejects it."""
        verify = hook.webhook.verify
        secrets = await asyncio.to_thread(self._values.of, verify) if self._may_block else self._values.of(verify)
        if secrets is None:
            return _NO_SECRET_REPLY
        early = self._check_sender(hook, headers, b"", secrets)
        if early is not None and (early.code != BAD_SIGNATURE or not find_verifier(verify.kind).needs_body):
            return self._record_rejected(hook, headers, b"", early)
        body = await read_body(receive, headers, self._limit_of(hook), reserved)
        if isinstance(body, WebhookReply):
            return body
        if len(body) <= _LARGE:
            checked = self._check(hook, headers, body, secrets)
        else:
            checked = await asyncio.to_thread(self._check, hook, headers, body, secrets)
        return self._record_rejected(hook, headers, body, checked) if isinstance(checked, WebhookReply) else checked

    def _limit_of(self, hook: WebhookEntry) -> BodyLimit:
        own = hook.webhook.max_body
        return self._limit if own is None else min(self._limit, BodyLimit(own, "max_body of this webhook"))

    def _check(
        self, hook: WebhookEntry, headers: dict[str, str], body: bytes, secrets: tuple[str, ...]
    ) -> WebhookReply | PreparedDelivery:
        """Check sender, body and value, and prepare the delivery for the store; in any thread."""
        rejection = self._check_sender(hook, headers, body, secrets)
        if rejection is not None:
            return rejection
        request = read_webhook_request(hook.webhook, body, headers)
        if isinstance(request, InvalidRequest):
            return invalid_reply(request)
        if isinstance(request, ImmediateResponse):
            return setup_reply(request)
        try:
            prepared = self._intake.intake.prepare(hook.known, request.delivery, request.data, hook.webhook.verify.kind)
        except SealedError as error:
            return _store_error_reply(hook, error)
        if isinstance(prepared, Refused):
            return refused_reply(prepared)
        if prepared.at is not None:
            return invalid_reply(InvalidRequest(422, "misfit", prepared.command.refused or "", prepared.at))
        return prepared

    def _check_sender(
        self, hook: WebhookEntry, headers: dict[str, str], body: bytes, secrets: tuple[str, ...]
    ) -> WebhookReply | None:
        rejected = verify_request(hook.webhook.verify, body, headers, secrets, self._intake.now())
        if rejected is None:
            self._intake.secret_uses.note(hook)
            return None
        scheme = find_verifier(hook.webhook.verify.kind).scheme
        return problem_reply(401, rejected.code, rejected.text, close=not body, scheme=scheme)

    def _record_rejected(
        self, hook: WebhookEntry, headers: dict[str, str], body: bytes, reply: WebhookReply
    ) -> WebhookReply:
        """Store a rejected request for people to read; not questions of a set-up, nor faults of our own."""
        if 400 <= reply.status < 500:
            stored_headers = select_stored_headers(hook.webhook.verify, headers)
            self._intake.store_rejected(hook.trigger, reply.code, reply.detail, body, stored_headers)
        return reply

    async def _store_delivery(self, prepared: PreparedDelivery, reserved: ReservedBytes) -> DeliveryStored | Refused:
        """Store a delivery; its place is released when the store has answered, however long its sender waits."""
        try:
            return await self._intake.intake.store(prepared)
        finally:
            self.admission.leave()
            reserved.free()

    async def _await_stored(
        self,
        hook: WebhookEntry,
        headers: dict[str, str],
        prepared: PreparedDelivery,
        storing: asyncio.Future[DeliveryStored | Refused],
    ) -> WebhookReply:
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                answer = await asyncio.shield(storing)
        except TimeoutError:
            # It may still be stored: the sender's next try finds it.
            storing.add_done_callback(lambda done: done.cancelled() or done.exception())
            return unavailable_reply("the store does not answer in time: send the request again; it counts once")
        except MainspringError as error:
            return _store_error_reply(hook, error)
        if isinstance(answer, Refused):
            reply = refused_reply(answer)
            return self._record_rejected(hook, headers, prepared.delivery.body, reply) if reply.status == 409 else reply
        return await self._accepted_reply(hook, answer)

    async def _accepted_reply(self, hook: WebhookEntry, stored: DeliveryStored) -> WebhookReply:
        code = "accepted" if stored.first else REPEATED
        ids = {"run": stored.run, "delivery": stored.delivery}
        if hook.webhook.respond is ResponseMode.NOTHING:
            return WebhookReply(status=200, code=code)
        if hook.webhook.respond is ResponseMode.RESULT:
            end = await self._intake.result_waiters.wait(stored.delivery, stored.run, hook.webhook.wait)
            if end is not None:
                return _result_reply(code, {**ids, "run": stored.run or end.run}, end)
        return json_reply(202, code, ids)


def _store_error_reply(hook: WebhookEntry, error: MainspringError) -> WebhookReply:
    _LOG.warning("a delivery for %s was not stored: %s", hook.trigger, error.message)
    return unavailable_reply("the store is unavailable: send the request again; it counts once")


def _result_reply(code: str, ids: dict[str, str | None], end: WaitedResult) -> WebhookReply:
    """Return the result; for a run that did not succeed only its state, because its error may be confidential."""
    if end.state in _EXPECTED_STATES:
        return json_reply(200, code, {**ids, "state": end.state, "result": end.result})
    if end.state is DeliveryState.REFUSED:
        return problem_reply(409, "other_body", "another delivery has this key and another body", more=ids)
    noun = "delivery" if end.run is None else "run"
    return problem_reply(500, "run_failed", f"the {noun} is {end.state}", more={**ids, "state": end.state})


def _unknown_path_reply(intake: WebhookIntake, path: str, method: str) -> WebhookReply:
    """Return the reply at a path of no webhook."""
    if path == "/healthz":
        return text_reply(200, "health", "ok\n") if method in ("GET", "HEAD") else _method_reply("GET, HEAD")
    if not intake.table.is_read:
        return unavailable_reply("the store has not answered yet")
    if intake.table.is_unreadable(path):
        return problem_reply(503, "unreadable", "this webhook cannot be read yet", retry_after=60, close=True)
    return problem_reply(404, "no_path", "there is nothing at this path", close=True)


def _method_reply(methods: str) -> WebhookReply:
    reply = problem_reply(405, "method", f"only {methods} is allowed", close=True)
    return msgspec.structs.replace(reply, headers=(*reply.headers, ("allow", methods)))
