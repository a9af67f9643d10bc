"""Client of a project's API, `ms.connect(url, token=...)`: start and steer runs from elsewhere, with the verbs of `App`.

    async with ms.connect("https://ops.example.com", token=token) as client:
        handle = await client.start("order", amount=3)
        result = await handle.result()

Each operation has a command id of its own, so that a repeated request after a lost response counts once.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import msgspec

from mainspring.app.remote.api_errors import RETRYABLE_STATUSES, make_api_error
from mainspring.app.remote.remote_handle import (
    RemoteHandle,
    RemoteRun,
    await_reply,
    drop_sealed,
    encode_value,
    quote_path_part,
)
from mainspring.app.remote.remote_schedules import RemoteSchedules
from mainspring.app.start_options import StartsWithOptions
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import (
    ConfigError,
    StoreUnavailableError,
)
from mainspring.domain.failures.retry import Retry
from mainspring.domain.runs.update import REPLY_TIMEOUT_S, Update
from mainspring.resources.trace_baggage import add_current_baggage

REQUEST_TIMEOUT_S = 90.0
"""The longest time for one request: an operation on many runs is answered within a minute."""
_TRIES = 4
_FIRST_PAUSE_S = 0.2
_Sleep = Callable[[float], Awaitable[None]]


class Client(StartsWithOptions["RemoteStarter"]):
    """One project's API. Use it as `async with`, or close it by `close()`; `token` = one that an admin of the project made."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: _Sleep = asyncio.sleep,
    ) -> None:
        self.url = _check_url(url)
        self.sleep = sleep
        headers = {"Accept": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        # A redirect could send the token elsewhere.
        self._http = httpx2.AsyncClient(
            headers=headers,
            timeout=REQUEST_TIMEOUT_S,
            transport=transport,
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"<client of {self.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the end of an `async with` does it, too."""
        await self._http.aclose()

    # -- operations ----------------------------------------------------------------------------------------------------

    def _make_starter(self, options: StartOptions) -> "RemoteStarter":
        return RemoteStarter(self, options)

    async def start(self, automation: str, /, **arguments: Any) -> RemoteHandle:
        """Start a run and return its handle once the start is committed.

        Raises:
            NotFoundError: there is no such automation, or not for the holder of the token.
            ArgumentError, ValueRefusedError: the arguments do not fit.
            BusyError, KeyConflictError, ConflictError: the start was refused.
        """
        return await RemoteStarter(self, StartOptions()).start(automation, **arguments)

    @property
    def schedules(self) -> RemoteSchedules:
        """The schedules of the project: `await client.schedules.create(name, automation, cron=...)`; see `app.schedules`."""
        return RemoteSchedules(self)

    def run(self, run_id: str) -> RemoteHandle:
        """Return a handle on an existing run, without a request: its methods raise NotFoundError if there is none of this id."""
        return RemoteHandle(self, run_id, created=False)

    async def publish(
        self, name: str, data: Any = None, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Publish an event; return how many waiting runs it woke. The same (name, key) counts once.

        The runs that it starts have the `headers`.

        Raises:
            ArgumentError, ValueRefusedError, OptionError: the name, the key, the data or the headers cannot be used.
        """
        body: dict[str, Any] = {"name": name, "data": encode_value(data, f"event {name}"), "key": key}
        if (carried := add_current_baggage(headers)) is not None:
            body["headers"] = dict(carried)
        return int((await self.act("events", body))["woken"])

    async def signal(self, run_id: str, name: str, value: Any = None) -> None:
        """Send a message to one run, which reads it with `run.receive(name)`.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended.
            ValueRefusedError: the value cannot be saved, or the run's code cannot read it.
        """
        await self.act(
            f"runs/{quote_path_part(run_id)}/signal", {"name": name, "value": encode_value(value, f"signal {name}")}
        )

    async def cancel(self, run_id: str, reason: str | None = None, *, undo: bool | None = None) -> None:
        """Cancel a run; `undo` = whether its finished steps are undone, None = as its automation says.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended.
        """
        await self.act(f"runs/{quote_path_part(run_id)}/cancel", {"reason": reason, "undo": undo})

    async def pause(self, run_id: str, reason: str | None = None) -> None:
        """Pause a run: attempts under way finish, nothing else starts.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended or needs attention.
        """
        await self.act(f"runs/{quote_path_part(run_id)}/pause", {"reason": reason})

    async def resume(self, run_id: str, reason: str | None = None) -> None:
        """Resume a paused run, or withdraw the request to pause it.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it is not paused.
        """
        await self.act(f"runs/{quote_path_part(run_id)}/resume", {"reason": reason})

    async def fork(
        self,
        run_id: str,
        from_step: str | None,
        reason: str | None = None,
        *,
        arguments: Mapping[str, Any] | None = None,
        key: str | None = None,
        partition: str | None = None,
    ) -> RemoteHandle:
        """Start a new run from a step of a finished one, None = from its end; see `App.fork`."""
        input = None if arguments is None else encode_value(arguments, "arguments")
        body = {"reason": reason, "from_step": from_step, "input": input, "key": key, "partition": partition}
        made = await self.act(f"runs/{quote_path_part(run_id)}/fork", body)
        return RemoteHandle(self, made["run"], created=made["created"])

    async def retry(self, run_id: str, reason: str | None = None, *, from_step: str | None = None) -> None:
        """Continue a failed or halted run from where it failed, or from a step."""
        await self.act(f"runs/{quote_path_part(run_id)}/retry", {"reason": reason, "from_step": from_step})

    async def answer(
        self, run_id: str, choice: object, note: str | None = None, *, question: str | None = None
    ) -> None:
        """Answer the open question of a run with a choice, or with the fields of its form; see `App.answer`.

        Raises:
            NotFoundError: there is no such open question.
            ConflictError: several are open and none is named. The error lists them.
        """
        given = {"choice": choice} if isinstance(choice, str) else {"form": encode_value(choice, "the answer")}
        await self.act(f"runs/{quote_path_part(run_id)}/answer", {**given, "note": note, "question": question})

    async def start_with_update(
        self, update: Update, automation: str, /, *, timeout: float | None = REPLY_TIMEOUT_S, **arguments: Any
    ) -> tuple[RemoteHandle, Any]:
        """Start a run, or find the one of the key, and send it an update in the same commit; see `App.start_with_update`."""
        starter = RemoteStarter(self, StartOptions())
        return await starter.start_with_update(update, automation, timeout=timeout, **arguments)

    async def act(self, path: str, body: Mapping[str, Any], *, command: str | None = None) -> Any:
        """Call any operation of the API: POST to a path below /api/v1 and return the response. `command` = a command id of your own."""
        headers = {"Idempotency-Key": command or f"client.{secrets.token_hex(16)}", "Content-Type": "application/json"}
        return await self._request("POST", path, content=msgspec.json.encode(body), headers=headers)

    async def read(self, path: str, **query: Any) -> Any:
        """Read anything of the API: GET a path below /api/v1 and return the response."""
        return await self._request("GET", path, params=query)

    def stream(self, path: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[httpx2.Response]:
        """Read anything of the API in parts: GET a path below /api/v1, once, and return the response when its head is there."""
        return self._http.stream("GET", f"{self.url}/api/v1/{path.lstrip('/')}", headers=headers)

    async def read_run(self, run_id: str, *, newest: bool = False, wait: float = 0) -> RemoteRun:
        """Return a run, or with `newest` the run that continues it. Raises NotFoundError.

        `wait` = seconds (30 at most) that the server waits for its end before it answers.
        """
        query = ({"newest": "true"} if newest else {}) | ({"wait": f"{wait:.3f}"} if wait else {})
        document = await self.read(f"runs/{quote_path_part(run_id)}", **query)
        return msgspec.convert(document | {"failure": drop_sealed(document["failure"])}, RemoteRun)

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request until there is a response. A temporary failure is retried, a few times."""
        # Not by a base of the HTTP client: a path that is an address would replace it, and the token would go there.
        url, pause = f"{self.url}/api/v1/{path.lstrip('/')}", _FIRST_PAUSE_S
        for left in reversed(range(_TRIES)):
            try:
                response = await self._http.request(method, url, **options)
            except httpx2.TransportError as error:
                if not left:
                    raise StoreUnavailableError(
                        f"{self.url} does not answer: {type(error).__name__}", hint="Is `mainspring up` running there?"
                    ) from error
            else:
                if response.status_code not in RETRYABLE_STATUSES or not left:
                    return self._read_response(response)
            await self.sleep(pause)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _read_response(self, response: httpx2.Response) -> Any:
        if response.status_code == 200:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # a page of a proxy in between
                return msgspec.json.decode(response.content)
        raise make_api_error(response.status_code, response.content, self.url)


class RemoteStarter:
    """Returned by `Client.options`: it starts runs with these options."""

    def __init__(self, client: Client, options: StartOptions) -> None:
        self._client = client
        self._options = options

    async def start(self, automation: str, /, **arguments: Any) -> RemoteHandle:
        """Start a run with the options; it returns and raises what `Client.start` does."""
        body = {"input": encode_value(arguments, "arguments"), **_encode_options(self._options)}
        made = await self._client.act(f"automations/{quote_path_part(automation)}/runs", body)
        return RemoteHandle(self._client, made["run"], created=made["created"])

    async def start_with_update(
        self, update: Update, automation: str, /, *, timeout: float | None = REPLY_TIMEOUT_S, **arguments: Any
    ) -> tuple[RemoteHandle, Any]:
        """Start a run with the options and an update; it returns and raises what `Client.start_with_update` does."""
        body = {"input": encode_value(arguments, "arguments"), **_encode_options(self._options)}
        body |= {"update": update.name, "value": encode_value(update.value, f"update {update.name}"), "id": update.id}
        sent = await self._client.act(f"automations/{quote_path_part(automation)}/update", body)
        handle = RemoteHandle(self._client, sent["run"], created=sent["created_run"])
        return handle, await await_reply(self._client, sent["run"], sent["update"], update.type, timeout)


def _encode_options(options: StartOptions) -> dict[str, Any]:
    """Return the options as the API reads them."""
    names = ("key", "request_id", "queue", "priority", "tag", "tags", "title")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.due_at is not None:
        given["at"] = datetime.fromtimestamp(options.due_at / 1000, UTC)
    if options.retry is not None:
        given["retry"] = Retry.parse(options.retry).to_data()
    if (headers := add_current_baggage(options.headers)) is not None:
        given["headers"] = dict(headers)
    return given | {"key_policy": options.key_policy, "join": options.join}


def _check_url(url: str) -> str:
    """Return the address without a trailing slash. Raises ConfigError, which does not repeat the address: it may contain a password."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and parts.hostname is not None and parts.username is None
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ConfigError("this is not an address of a project", hint='Example: connect("https://ops.example.com").')
    return url.rstrip("/")


def connect(url: str, *, token: str | None = None) -> Client:
    """Return a client of the project whose pages are at `url`.

    Raises:
        ConfigError: it is no address.
    """
    return Client(url, token=token)
