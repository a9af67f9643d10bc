"""Remote handle: one run of a project's API, with its state, its result, updates and queries."""

import os
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from mainspring.app.remote.remote_files import list_remote_files, save_remote_file
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import QueryFailed, RunFailed
from mainspring.domain.runs.query import DEFAULT_WITHIN, make_unanswered_error, read_within
from mainspring.domain.runs.run_file import RunFile
from mainspring.domain.runs.stream import StreamRecord, StreamRecordKind, convert_record
from mainspring.domain.runs.update import REPLY_TIMEOUT_S, check_timeout, make_timeout_error, make_update_error
from mainspring.domain.states import TERMINAL_STATES, RunState, UpdateState
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.sealing import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from mainspring.app.remote.client import Client

_FIRST_POLL_INTERVAL_S, _LONGEST_POLL_INTERVAL_S = 0.02, 2.0
_STREAM_POLL_S = 0.2
SERVER_WAIT_S = 25.0
"""Seconds that the server may wait for the end of a run before it answers."""


class RemoteRun(msgspec.Struct, frozen=True):
    """A run as the API returns it, as far as a program needs it."""

    id: str
    automation: str
    state: RunState
    result: Any = None
    failure: Failure | None = None
    detail: Any = None
    waiting_for: Any = None


class RemoteRecord(msgspec.Struct, frozen=True):
    """A record of a stream as the API returns it."""

    seq: int
    kind: StreamRecordKind
    writer: str
    step: str
    generation: int
    attempt: int
    n: int
    at: datetime
    value: Any = None

    def build(self) -> StreamRecord[Any]:
        """Return the record."""
        fields = msgspec.structs.asdict(self) | {"at": round(self.at.timestamp() * 1000)}
        return StreamRecord(**fields)


class RemoteStreamPage(msgspec.Struct, frozen=True):
    """Records of a stream as the API returns them."""

    records: list[RemoteRecord]
    next: int
    is_over: bool
    continued_by: str | None = None


class RemoteHandle:
    """Returned by `Client.start` and `Client.run`. `id` = the id of the run. `created` = the run is new, else it was found by its key."""

    def __init__(self, client: "Client", run_id: str, *, created: bool = True) -> None:
        self._client = client
        self.id = run_id
        self.created = created

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    async def view(self) -> RemoteRun:
        """Return the run's state, result and error; of a restarted run (`run.restart`) those of the run that continues it."""
        return await self._client.read_run(self.id, newest=True)

    async def status(self) -> RunState:
        """Return the run's state; of a restarted run that of the run that continues it."""
        return (await self.view()).state

    async def signal(self, name: str, value: Any = None) -> None:
        """Send a message to the run, or to the run that continues it."""
        await self._client.signal(self.id, name, value)

    async def update(
        self,
        name: str,
        value: Any = None,
        *,
        id: str | None = None,
        type: Any = Any,
        timeout: float | None = REPLY_TIMEOUT_S,
    ) -> Any:
        """Send a request to the run and return its reply, as `type`; see `Handle.update`."""
        check_timeout(timeout)
        body = {"name": name, "value": encode_value(value, f"update {name}"), "id": id}
        sent = await self._client.act(f"runs/{quote_path_part(self.id)}/update", body)
        return await await_reply(self._client, sent["run"], sent["update"], type, timeout)

    async def query(self, name: str, value: Any = None, *, type: Any = Any, within: str = DEFAULT_WITHIN) -> Any:
        """Ask the code of the run about its state and return the answer, as `type`; see `Handle.query`."""
        return await ask_query(self._client, self.id, name, value, type, within)

    async def stream(
        self, name: str, *, since: int = 0, type: Any = Any, follow: bool = True
    ) -> AsyncIterator[StreamRecord[Any]]:
        """Follow a stream of the run: `async for record in handle.stream("tokens")`; see `Handle.stream`."""
        run_id, wait = self.id, SERVER_WAIT_S if follow else 0
        while True:
            path = f"runs/{quote_path_part(run_id)}/streams/{quote_path_part(name)}"
            sent_at = time.monotonic()
            page = msgspec.convert(await self._client.read(path, since=since, wait=wait), RemoteStreamPage)
            for record in page.records:
                yield convert_record(record.build(), type, name)
            run_id, since = page.continued_by or run_id, page.next
            if page.continued_by is None and (page.is_over or not (follow or page.records)):
                return
            has_waited = time.monotonic() - sent_at >= SERVER_WAIT_S / 2
            if not page.records and page.continued_by is None and not has_waited:
                await self._client.sleep(_STREAM_POLL_S)  # the server has no free place for one more that waits

    async def files(self) -> list[RunFile]:
        """Return the files (`ms.FileRef`) of the run; of a restarted run those of the newest one. See `Handle.files`."""
        run = await self._client.read_run(self.id, newest=True)
        return await list_remote_files(self._client, run.id)

    async def save_file(self, file: str | int, path: str | os.PathLike[str]) -> Path:
        """Download a file of the run to a path, and return the path. The path has all bytes or does not change.

        `file` = its number, its name, or the first digits of its SHA-256. It continues where a connection broke, and compares the SHA-256.

        Raises:
            NotFoundError: the run has no such file. ArgumentError: several files have this name, or the path is a folder.
            FileRefError: a part of the file is absent or damaged.
            DeniedError: the token may not download files: this needs the role operator.
            StoreUnavailableError: no byte came for two minutes.
        """
        run = await self._client.read_run(self.id, newest=True)
        return await save_remote_file(self._client, run.id, file, path)

    async def result(self, timeout: float | None = None, *, type: Any = Any) -> Any:
        """Wait for the end and return the result, typed by `type`. Follows a restarted run to the run that ends.

        Raises:
            RunFailed: it ended failed or cancelled, or needs attention.
            TimeoutError: it has not ended within `timeout` seconds.
            ValueRefusedError: the result does not fit `type`.
        """
        until = None if timeout is None else time.monotonic() + timeout
        run_id, pause = self.id, _FIRST_POLL_INTERVAL_S
        while True:
            sent_at = time.monotonic()
            wait = SERVER_WAIT_S if until is None else min(SERVER_WAIT_S, max(0.0, until - sent_at))
            view = await self._client.read_run(run_id, newest=True, wait=wait)
            successor_id = view.detail.get("restarted_as") if isinstance(view.detail, dict) else None
            if view.state is RunState.SUCCEEDED and isinstance(successor_id, str):
                run_id, pause = successor_id, _FIRST_POLL_INTERVAL_S
                continue
            if view.state in TERMINAL_STATES or view.state is RunState.NEEDS_ATTENTION:
                return _unwrap_result(view, type)
            left = pause if until is None else min(pause, until - time.monotonic())
            if left <= 0:
                hint = f"To see why: mainspring explain {run_id}"
                raise TimeoutError(f"run {run_id} has not ended in {timeout} s; it is {view.state}. {hint}")
            if wait and time.monotonic() - sent_at >= wait / 2:  # the server has waited
                continue
            await self._client.sleep(left)  # the server has no free place for another waiting request
            pause = min(pause * 1.5, _LONGEST_POLL_INTERVAL_S)


class RemoteUpdate(msgspec.Struct, frozen=True):
    """An update as the API returns it, as far as a program needs it."""

    id: str
    run: str
    request_id: str
    name: str
    state: UpdateState
    replied_at: datetime | None = None
    result: Any = None
    failure: Failure | None = None


class RemoteAnswer(msgspec.Struct, frozen=True):
    """The answer to a query as the API returns it, as far as a program needs it."""

    run: str
    answered_at: datetime | None = None
    result: Any = None
    failure: Failure | None = None


def _unwrap_reply(update: RemoteUpdate, kind: Any) -> Any:
    if update.failure is not None:
        raise make_update_error(update.run, update.name, update.state, update.failure)
    return decode(msgspec.json.encode(update.result), kind, value_name=f"reply to update {update.name}")


def _unwrap_result(view: RemoteRun, kind: Any) -> Any:
    if view.state is not RunState.SUCCEEDED:
        raise RunFailed(view.id, view.state, view.failure)
    return decode(msgspec.json.encode(view.result), kind, value_name=f"result of run {view.id}")


async def await_reply(client: "Client", run_id: str, update_id: str, type: Any, timeout: float | None) -> Any:
    """Wait for the reply to an update and return it as `type`. Raises as `Handle.update`."""
    until = None if timeout is None else time.monotonic() + timeout
    pause = _FIRST_POLL_INTERVAL_S
    while True:
        left = SERVER_WAIT_S if until is None else until - time.monotonic()
        wait, sent_at = max(min(left, SERVER_WAIT_S), 0), time.monotonic()
        path = f"runs/{quote_path_part(run_id)}/updates/{quote_path_part(update_id)}"
        document = await client.read(path, **({"wait": f"{wait:.3f}"} if wait else {}))
        update = msgspec.convert(document | {"failure": drop_sealed(document["failure"])}, RemoteUpdate)
        if update.replied_at is not None:
            return _unwrap_reply(update, type)
        run = await client.read_run(update.run)
        if left <= 0:
            raise make_timeout_error(update.name, update.run, update.request_id, timeout, run.waiting_for)
        if run.state is RunState.NEEDS_ATTENTION:
            raise RunFailed(run.id, run.state, run.failure)
        if not wait or time.monotonic() - sent_at < wait / 2:  # the server has no free place for one more that waits
            await client.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL_INTERVAL_S)


async def ask_query(client: "Client", run_id: str, name: str, value: Any, type: Any, within: str) -> Any:
    """Ask the code of a run and return its answer as `type`. Raises as `Handle.query`."""
    span = read_within(within)
    until = time.monotonic() + span.total_seconds()
    body = {"name": name, "value": encode_value(value, f"query {name}"), "within": within}
    stored = await client.act(f"runs/{quote_path_part(run_id)}/query", body)
    path = f"runs/{quote_path_part(stored['run'])}/queries/{quote_path_part(stored['query'])}"
    pause = _FIRST_POLL_INTERVAL_S
    while True:
        left = until - time.monotonic()
        wait, sent_at = max(min(left, SERVER_WAIT_S), 0), time.monotonic()
        document = await client.read(path, **({"wait": f"{wait:.3f}"} if wait else {}))
        answer = msgspec.convert(document | {"failure": drop_sealed(document["failure"])}, RemoteAnswer)
        if answer.failure is not None:
            raise QueryFailed(answer.run, name, answer.failure)
        if answer.answered_at is not None:
            return decode(msgspec.json.encode(answer.result), type, value_name=f"answer to query {name}")
        if left <= 0:
            raise make_unanswered_error(name, answer.run, span)
        if not wait or time.monotonic() - sent_at < wait / 2:  # the server has no free place for one more that waits
            await client.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL_INTERVAL_S)


def drop_sealed(failure: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a failure without the part that a codec sealed: only a holder of the codec can read that."""
    return None if failure is None else failure | {"sealed": None, "cause": drop_sealed(failure["cause"])}


def quote_path_part(name: str) -> str:
    """Return a name as a part of a path: it may contain a slash."""
    return quote(name, safe="")


def encode_value(value: Any, subject: str) -> msgspec.Raw:
    """Return a value as canonical JSON. Raises ValueRefusedError."""
    return msgspec.Raw(encode(value, value_name=subject, limit=MAX_PAYLOAD_BYTES))
