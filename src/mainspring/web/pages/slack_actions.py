"""`/slack/actions`: Slack reports here who clicked a button of a message, and the answer of the button is given once.

Slack signs each request, with its time; a request that is older than five minutes is rejected. The button itself is signed by the secret
`link-key`, so that only buttons of Mainspring answer. See docs/adr/0054-questions-to-people.md.
"""

import asyncio
import hashlib
import logging
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mainspring.domain.access.answer_button import AnswerButton, verify_answer_button
from mainspring.domain.access.incident_link import LINK_SECRET_NAME
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError, MainspringError, NotFoundError
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.slack import VERIFIER, slack
from mainspring.integrations.slack_api import REPLY_URL, SLACK_SIGNING_SECRET_NAME, SlackClick, read_click, reply
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.service.actor import Actor, operation_context
from mainspring.service.store_engine import StoreEngine
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.runs.run_views import newest_of, waits_of

PATH: Final = "/slack/actions"
MAX_BODY_BYTES: Final = 256 * 1024
_LOG = logging.getLogger("mainspring.slack")
_OPTIONS: Final = slack(SLACK_SIGNING_SECRET_NAME)
_WITHIN_S: Final = 5.0
_MAX_REPLIES: Final = 50
"""Replies that are not sent yet. Above it a person gets none: the message shows the end of the question all the same."""
_EXPIRED = "This button has expired or is not one of Mainspring. Nothing was done."


class SlackActions:
    """The handler. `secrets` holds the signing secret of Slack; without it every request is rejected."""

    def __init__(self, store: ProcessStore, secrets: SecretStore, clock: Clock, *, reply_url: str = REPLY_URL) -> None:
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._reply_url = reply_url
        self._http = HttpClient(ErrorText(secrets), clock)
        self._replies: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Verify a request, give the answer of its button, and reply to the person. Slack gets its response within three seconds."""
        body = await _read_body(request)
        if body is None:
            return PlainTextResponse("too large, or too slow\n", 413)
        if not await asyncio.to_thread(self._is_signed, body, {**request.headers}):
            return PlainTextResponse("the signature is not valid\n", 401)
        click = read_click(body)
        if click is not None and click.value:
            text = await asyncio.to_thread(self._answer, click)
            if len(self._replies) < _MAX_REPLIES:
                task = asyncio.get_running_loop().create_task(self._reply(click, text))
                self._replies.add(task)
                task.add_done_callback(self._replies.discard)
        return Response(status_code=200)

    async def close(self) -> None:
        """Wait for the replies that are being sent, and close their connections."""
        await asyncio.gather(*self._replies, return_exceptions=True)
        await self._http.close()

    def _is_signed(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            keys = self._secrets.lines(SLACK_SIGNING_SECRET_NAME)
        except ConfigError:
            return False
        rejected = VERIFIER.verify(_OPTIONS, body, headers, keys, self._clock.now())
        if rejected is not None:
            _LOG.warning("a request to %s was rejected: %s", PATH, rejected.text)
        return rejected is None

    def _answer(self, click: SlackClick) -> str:
        """Give the answer; return the sentence for the person."""
        try:
            keys = self._secrets.lines(LINK_SECRET_NAME)
        except ConfigError:
            return _EXPIRED
        button = verify_answer_button(click.value, keys, self._clock.now() // 1000)
        if button is None:
            return _EXPIRED
        # The same click reported twice has one command: it is answered once.
        digest = hashlib.sha256(f"{click.value}\x1f{click.by}".encode()).hexdigest()[:32]
        act = operation_context(
            Actor.slack(click.by), self._clock, reason="by a button in Slack", command=f"slack.{digest}"
        )
        try:
            self._require_same_question(button)
            StoreEngine(self._store, self._clock).answer(button.run, button.choice, act=act, question=button.ident)
        except MainspringError as error:
            return f"Nothing was done: {error.message.splitlines()[0]}"
        return f"Answered {button.choice} to run {button.run}."

    def _require_same_question(self, button: AnswerButton) -> None:
        """Raise NotFoundError if the question of the button is answered, and another one may have its identity."""
        reader = self._store.reader
        waits = waits_of(reader, newest_of(reader, button.run))
        if any(wait.ident == button.ident and wait.opened_at != button.opened_at for wait in waits):
            raise NotFoundError("the question of this button is over, and the run has asked again")

    async def _reply(self, click: SlackClick, text: str) -> None:
        try:
            async with self._sending:
                await reply(self._http, click, text, reply_url=self._reply_url)
        except ChannelFault as fault:  # the answer is given all the same
            _LOG.warning("a reply to Slack was not accepted: %s", fault.text)


async def _read_body(request: Request) -> bytes | None:
    """Return the body; None if it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(_WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return bytes(body)
