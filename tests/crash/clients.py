"""A program outside the crash domain: it starts runs, delivers what they wait for, and looks, on the same store as the workers."""

import contextlib
from typing import Any

from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.ids import derive_id
from mainspring.engine.definitions.registry import Registry
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.flag import change_flag
from mainspring.service.runs import question, run_start
from mainspring.service.runs.run import cancel, pause, resume, retry
from mainspring.service.runs.run_fork import ForkOptions, fork
from mainspring.service.runs.update import request_update
from mainspring.service.triggers import event
from mainspring.store.commands.queries import AskQuery
from mainspring.store.commands.results import Refused
from mainspring.store.read.flags import find_flag
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import query_view, run_history, run_view, update_view
from mainspring.store.views import QueryView, RunHistory, RunView, UpdateView
from tests.crash.stores import open_store

_QUERY_WITHIN_MS = 3_000


class Client:
    """A program that starts runs and delivers what they wait for, on the same store."""

    def __init__(self, url: str, registry: Registry) -> None:
        self.clock = SystemClock()
        self.registry = registry
        self.url = url
        self.store = open_store(url, self.clock)
        self.store.open()
        self._query = ""

    def act(self, command: str) -> OperationContext:
        """Return an act under a fixed command id: anyone who repeats it changes nothing."""
        return operation_context(Actor("app", "client"), self.clock, command=command)

    def start(self, automation: str, data: bytes = b"{}", command: str = "start") -> str:
        """Start a run, twice under one command id."""
        definition = self.registry.get(automation).definition
        options = StartOptions(headers={"tenant": "acme"})
        first, again = (
            run_start.start(self.store, self.clock, definition, data, act=self.act(command), options=options)
            for _ in range(2)
        )
        assert first.run == again.run
        return first.run

    def replace(self, automation: str, key: str) -> str:
        """Start a run in place of the one that has the key; the same request twice."""
        definition = self.registry.get(automation).definition
        options = StartOptions(key=key, key_policy="replace", request_id="replacing")
        first, again = (
            run_start.start(self.store, self.clock, definition, b"{}", act=self.act(f"replace-{n}"), options=options)
            for n in (1, 2)
        )
        assert first.run == again.run
        return first.run

    def publish(self, name: str, data: Any) -> None:
        """Publish an event, twice under one command id."""
        for _ in range(2):
            event.publish(self.store, self.clock, name, data, act=self.act(f"publish-{name}"))

    def answer(self, run: str, choice: object, name: str | None = None, note: str | None = None) -> bool:
        """Answer the open question of a run, twice under one command id; False while there is none."""
        reads, act = OperationReads(self.store.reader), self.act("answer" if name is None else f"answer-{name}")
        try:
            for _ in range(2):
                question.answer(self.store, reads, run, choice, act=act, question=name, note=note)
        except NotFoundError:
            return False
        return True

    def cancel(self, run: str) -> None:
        """Ask a run to stop, twice under one command id."""
        for _ in range(2):
            cancel(self.store, run, act=self.act("cancel"))

    def pause(self, run: str) -> None:
        """Pause a run; if it has ended or is paused already, nothing happens."""
        with contextlib.suppress(ConflictError):
            pause(self.store, run, act=operation_context(Actor("app", "client"), self.clock))

    def resume(self, run: str) -> None:
        """Resume a run, twice under one command id."""
        for _ in range(2):
            resume(self.store, run, act=self.act("resume"))

    def fork(self, run: str, step: str) -> str:
        """Fork a run from a step with another input, twice under one command id."""
        definition, reads = self.registry.get(self.view(run).automation).definition, OperationReads(self.store.reader)
        options = ForkOptions(b'{"word": "fork"}')
        first, again = (
            fork(self.store, reads, self.clock, definition, run, step, act=self.act("fork"), options=options)
            for _ in range(2)
        )
        assert first.run == again.run
        return first.run

    def update(self, run: str, name: str, value: Any, request_id: str) -> UpdateView:
        """Send an update, twice under one id of its request, and return it as it stands."""
        first, again = (
            request_update(self.store, run, name, value, act=self.act(f"{request_id}-{n}"), request_id=request_id)
            for n in (1, 2)
        )
        assert first.id == again.id
        return update_view(self.store.reader, first.id)

    def query(self, run: str, name: str) -> QueryView | None:
        """Ask a query, and again after its time, as its worker may be dead. Return it as it stands; None = no worker lives now."""
        view = query_view(self.store.reader, self._query) if self._query else None
        if view is not None and (view.answered_at is not None or view.until_at > self.store.clock.now()):
            return view
        new = derive_id("q", 0, run, self._query)
        if isinstance(self.store.apply(AskQuery(new, run, name, b"null", _QUERY_WITHIN_MS)), Refused):
            return None
        self._query = new
        return query_view(self.store.reader, new)

    def flip(self, name: str) -> None:
        """Give a flag to all keys, or to none if all have it; at the first call to none."""
        flag = find_flag(self.store.reader, name)
        share = SHARE_UNITS if flag is not None and flag.rules.share == 0 else 0
        act = operation_context(Actor("app", "client"), self.clock)
        change_flag(self.store, self.store.reader, self.clock, name, FlagChange(share=share), act=act)

    def retry(self, run: str) -> None:
        """Continue a run that stopped, twice under one command id."""
        for _ in range(2):
            retry(self.store, run, act=self.act("retry"))

    def view(self, run: str) -> RunView:
        """Return a run as it stands."""
        return run_view(self.store.reader, run)

    def history(self, run: str) -> RunHistory:
        """Return all that is on record of a run."""
        return run_history(self.store.reader, run)

    def rows(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read the store."""
        return self.store.reader.read_text(text, parameters)

    def close(self) -> None:
        """Close the store."""
        self.store.close()
