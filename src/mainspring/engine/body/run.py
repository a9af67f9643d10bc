"""`ms.Run`: the API of a run for its workflow body. Steps, children and maps are in `step_calls.py`, messages in `message_calls.py`.

All of it is deterministic: the same history returns the same answers. Nothing here blocks; each await ends with an
outcome of the journal.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar, overload

from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import mark_question
from mainspring.domain.flags.flag_question import FlagKey, make_question, read_value
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.saved_call import encode_call
from mainspring.engine.body.body import Body
from mainspring.engine.body.body_stop import Shield
from mainspring.engine.body.message_calls import MessageCaller
from mainspring.engine.body.request import (
    FlagCall,
    Request,
    Restarted,
    RolledBack,
)
from mainspring.engine.body.run_log import RunLog
from mainspring.engine.body.streams import BodyStream
from mainspring.engine.body.unawaited_calls import track_calls
from mainspring.engine.body.undo import undo_all

T = TypeVar("T")
Handler = TypeVar("Handler", bound=Callable[..., Any])


class Run(MessageCaller):
    """The run of a workflow, as its body sees it: the first parameter of a workflow.

    Each `await` of it ends with a saved outcome. Its calls belong into the body of the workflow: a step gets values, not the run.
    """

    def __init__(self, body: Body, facts: Mapping[str, Any], restart_signature: Signature | None) -> None:
        super().__init__(body)
        self._facts = facts
        body.headers = facts["headers"]
        self._restart_signature = restart_signature
        self._flags: dict[tuple[object, ...], str] = {}
        """The answers so far: the same question again needs no other."""
        self.log = RunLog(body)

    @property
    def id(self) -> str:
        """The id of the run, as `mainspring runs show` prints it."""
        return self._body.run_id

    @property
    def automation(self) -> str:
        """The name of the automation that runs."""
        return str(self._facts["automation"])

    @property
    def key(self) -> str | None:
        """The run key, None if it was started without one."""
        key: str | None = self._facts.get("key")
        return key

    @property
    def slot(self) -> datetime | None:
        """The due time (UTC) of the schedule that started the run; None for other runs."""
        slot_at = self._facts.get("slot_at")
        return None if slot_at is None else _instant(slot_at)

    @property
    def deadline(self) -> datetime | None:
        """The instant (UTC) at which `deadline` ends the run; None without a deadline."""
        deadline_at = self._facts.get("deadline_at")
        return None if deadline_at is None else _instant(deadline_at)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, fixed at the start of the run: texts by names in lower case, read-only. Its steps have the same, and its children,
        unless `run.options(headers=)` adds to them.
        """
        headers: Mapping[str, str] = self._facts["headers"]
        return headers

    def now(self) -> datetime:
        """Return the time of the run: the instant (UTC) of its last outcome. It is the same in each replay."""
        return _instant(self._body.now_at)

    def uuid(self) -> uuid.UUID:
        """Return a UUID that is the same in each replay; each call returns another one."""
        self._body.refuse_if_read_only()
        return uuid.UUID(bytes=self._body.identities.draw("uuid")[:16], version=4)

    def random(self) -> float:
        """Return a number in [0, 1) that is the same in each replay; each call returns another one."""
        self._body.refuse_if_read_only()
        return int.from_bytes(self._body.identities.draw("random")[:7], "big") / 2.0**56

    # -- updates -------------------------------------------------------------------------------------------------------

    def on_update(
        self, name: str, *, validate: Callable[[Any], object] | Callable[[], object] | None = None
    ) -> Callable[[Handler], Handler]:
        """Register the handler of an update: a request from outside that gets a reply (`handle.update`).

        The handler has one parameter, typed, or none; it may be `def` or `async def`, and use `run.*`. It returns the reply. If it
        raises, the error is the reply, and the run continues. `validate` gets the same value before the update is accepted. It only reads
        the state of the workflow, and its error rejects the update.

        Updates that arrive before their handler is registered wait for it. The run completes accepted ones before it ends.

        Raises:
            OptionError: the name has a handler already, or cannot be used; the handler has several parameters.
        """
        self._body.refuse_if_read_only()

        def register(handler: Handler) -> Handler:
            self._body.updates.register(name, handler, validate)
            return handler

        return register

    def on_query(self, name: str) -> Callable[[Handler], Handler]:
        """Register the function that answers a query: a question from outside about the state of the workflow (`handle.query`).

        The function has one parameter, typed, or none, and is `def`. It only reads: it cannot call `run.*`. A query is in no journal. A
        worker also answers it for a run that waits or has ended: it calls the workflow function with the saved outcomes.

        Raises:
            OptionError: the name has a function already, or cannot be used; the function is `async def` or has several parameters.
        """
        self._body.refuse_if_read_only()

        def register(function: Handler) -> Handler:
            self._body.queries.register(name, function)
            return function

        return register

    @track_calls
    async def updates_done(self) -> None:
        """Accept no update, and wait until no handler runs: before `run.restart`, so that its input has what they change.

        Later updates wait, for this run or for the one that continues it. Before it returns, a run does this by itself.
        """
        await self._body.updates.wait_until_idle()

    # -- flags ---------------------------------------------------------------------------------------------------------

    @overload
    async def flag(
        self,
        name: str,
        *,
        by: FlagKey | None = ...,
        attributes: Mapping[str, object] | None = ...,
        fresh: bool = ...,
    ) -> bool: ...
    @overload
    async def flag(
        self,
        name: str,
        *,
        by: FlagKey | None = ...,
        default: T,
        attributes: Mapping[str, object] | None = ...,
        fresh: bool = ...,
    ) -> T: ...
    @track_calls
    async def flag(
        self,
        name: str,
        *,
        by: FlagKey | None = None,
        default: Any = False,
        attributes: Mapping[str, object] | None = None,
        fresh: bool = False,
    ) -> Any:
        """Return the value of a flag for `by`, by default this run; `default` = the value if there is no such flag.

        The first answer for a flag and a key counts for the whole run, its steps included, whatever changes after it. `fresh` = ask
        again: the answer of now is saved for this call only. `attributes` are compared with the rules of the flag.

        Raises:
            ArgumentError: an argument cannot be used.
        """
        body = self._body
        question = make_question(name, by, default, attributes, otherwise=body.first_id)
        body.refuse_if_stopped()
        question_key = (name, question.key, question.default, *sorted(question.attributes.items()))
        if not fresh and question_key in self._flags:
            return read_value(self._flags[question_key])
        future = body.future()

        def take(value: Any, failure: Failure | None) -> None:
            del failure
            if not future.done():
                future.set_result(value)

        ident = body.identities.of_request(f"{mark_question(question)}{':fresh' if fresh else ''}", None)
        request = Request(OutcomeKind.FLAG, ident, name, FlagCall(question, fresh), decode, take)
        body.register(request)
        try:
            value = await future
            if not fresh:
                self._flags[question_key] = encode(value, value_name=f"flag {name}").decode()
            return value
        finally:
            if request.open:
                body.cancel_request(request)

    # -- versions of changes ------------------------------------------------------------------------------------------

    @track_calls
    async def version(self, change: str, newest: int) -> int:
        """Return the version of a change in the code that this run takes: `newest`, or that of the code which worked on it before.

        1 = the code from before the change. The first answer counts for the whole run and is saved in its journal. A run that starts with
        this code takes `newest`. A run in flight takes it if no earlier code passed this place or can have a step under way; otherwise it
        keeps the old side. Write id and number as constants: Mainspring reads them in the code with which a run begins.

        Raises:
            ArgumentError: the id or the number cannot be used.
        """
        return await self._body.versions.ask(change, newest)

    # -- ends ----------------------------------------------------------------------------------------------------------

    @track_calls
    async def rollback(self, reason: str) -> NoReturn:
        """Undo each finished or in-doubt step that has an undo, newest first, and end the run as failed (rolled_back).

        It never returns. An undo is a saved step that retries; if it fails for good, the run needs attention.
        """
        await undo_all(self._body)
        raise RolledBack(reason)

    def restart(self, *args: Any, **kwargs: Any) -> NoReturn:
        """End this run and start it again with another input under the same key: for endless runs.

        Raises:
            ArgumentError, ValueRefusedError: the input does not fit the workflow.
            BodyError: a handler of an update runs, and what it changes would be lost: `await run.updates_done()` first.
        """
        self._body.refuse_if_read_only()
        self._body.updates.refuse_restart()
        signature = self._restart_signature
        subject = f"restart of {self.automation}"
        limit = self._body.payload_max
        raise Restarted(encode({}) if signature is None else encode_call(signature, args, kwargs, subject, limit=limit))

    def shield(self) -> Shield:
        """Return a context for `async with`, in which clean-up continues although the run is cancelled; `cleanup` limits its time."""
        self._body.refuse_if_read_only()
        return Shield(self._body)

    async def as_completed(self, awaitables: Iterable[Awaitable[T]]) -> AsyncIterator[T]:
        """Yield the results of several calls in the order in which they arrive, the same in each replay. An error is raised at its turn."""
        loop = self._body.loop
        tasks = [asyncio.ensure_future(awaitable, loop=loop) for awaitable in awaitables]
        queue: asyncio.Queue[asyncio.Future[T]] = asyncio.Queue()
        for task in tasks:
            task.add_done_callback(queue.put_nowait)
        try:
            for _ in tasks:
                yield (await queue.get()).result()
        finally:
            for task in tasks:
                task.cancel()

    def stream(self, name: str) -> BodyStream:
        """Return a stream of the run, to which the body can write records. Others follow it with `handle.stream(name)`.

        In the code of a step, use `ms.stream(name)`.

        Raises:
            ArgumentError: the name is empty, longer than 200 characters, or cannot be printed; or the body has 100 streams already.
        """
        self._body.refuse_if_read_only()
        return self._body.streams.open(name)

    # -- notes ---------------------------------------------------------------------------------------------------------

    def tag(self, **tags: object) -> None:
        """Set tags by which the run is found: `app.runs.list(tag=...)`, `mainspring runs list`. Values are saved as text."""
        self._body.refuse_if_read_only()
        notes = self._body.notes
        notes.tags.update({name: str(value) for name, value in tags.items()})
        notes.changed = True

    def publish_state(self, value: Any) -> None:
        """Publish a value that others can read (`handle.published()`), also while the run waits or after its end.

        The last value is committed with the next outcome of the run, before its wait or its end, and within a second.

        Raises:
            ValueRefusedError: the value cannot be saved.
        """
        self._body.refuse_if_read_only()
        self._body.notes.published = encode(value, value_name="published state", limit=self._body.payload_max)
        self._body.notes.changed = self._body.notes.has_new_state = True

    def progress(self, done: int, total: int | None = None) -> None:
        """Report how much of the run is done, in units of your own; users see it. `total` None = unknown."""
        self._body.refuse_if_read_only()
        self._body.notes.note_progress(done, total, of_run=True)


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
