"""One authenticated API call: its visitor, its names, query and body, and the context that handlers work with."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mainspring.alerting.inputs.monitor_inputs import CachedMonitorInputs
from mainspring.config import Settings
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ArgumentError, NotFoundError
from mainspring.domain.ids import is_regular_id
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.resources.secret_store import SecretStore
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.refusal import error_for_refusal
from mainspring.service.run_engine import RunEngine
from mainspring.service.store_engine import StoreEngine
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import find_run_of_key, run_not_found, run_view
from mainspring.store.read.short_ids import IdKind, ids_ending, whole_id
from mainspring.store.read.status.status import automation_names
from mainspring.store.views import AutomationView, RunView
from mainspring.web.api.cached_project_status import CachedProjectStatus
from mainspring.web.auth.authenticator import CredentialKey

Q = TypeVar("Q")
B = TypeVar("B")
K = TypeVar("K")


class RequestAuthenticator(Protocol):
    """Turns a request into a visitor, or into the response that rejects it."""

    async def visitor(self, request: Request) -> Visitor | Response:
        """Return the visitor; a response if the request is not let in."""
        ...

    def key(self, request: Request) -> CredentialKey | None:
        """Return the credential of a request."""
        ...

    def current_visitors(self, keys: Collection[CredentialKey]) -> Mapping[CredentialKey, Visitor]:
        """Return the visitors who have these credentials now. Blocking; raises StoreError."""
        ...


class HandlerContext(msgspec.Struct, frozen=True):
    """The context of all handlers. `cost` = the cost of hashing a new password.

    `hook_answers` = the number of answers to webhooks since this process started, by trigger and answer.
    """

    store: ProcessStore
    sealing: Sealing
    settings: Settings
    clock: Clock
    cost: ScryptCost = ScryptCost()
    hook_answers: Mapping[tuple[str, str], int] = {}
    monitor_inputs: CachedMonitorInputs = msgspec.field(default_factory=CachedMonitorInputs)
    """The inputs of monitors, cached for all requests."""
    secrets: SecretStore = msgspec.field(default_factory=lambda: SecretStore([]))
    project_status: CachedProjectStatus = msgspec.field(default_factory=CachedProjectStatus)

    @property
    def reader(self) -> StoreReader:
        """The reads. Raises StoreUnavailableError before the store was opened."""
        return self.store.reader

    @property
    def reads(self) -> OperationReads:
        """The reads that operations need."""
        return OperationReads(self.reader)

    def engine(self, sealing: Sealing | None = None) -> RunEngine:
        """Return the engine of the project; `sealing` = that of new values, by default of this process."""
        return StoreEngine(self.store, self.clock, self.sealing if sealing is None else sealing)

    @property
    def opening(self) -> ViewUnsealer:
        """Unseals values as far as the codec is available; the rest stays sealed and says so."""
        return ViewUnsealer(self.sealing, lenient=True)


class ApiCall(msgspec.Struct, Generic[Q, B], frozen=True):
    """A request. `names` = those in its path; `command` = its Idempotency-Key; `seen` = the automations that it has read, by name."""

    site: HandlerContext
    visitor: Visitor
    names: dict[str, str]
    query: Q
    body: B
    command: str | None = None
    seen: dict[str, AutomationView] = {}

    def act(self) -> OperationContext:
        """Return the actor, the reason and the command id.

        Raises:
            OptionError: the Idempotency-Key is invalid.
        """
        actor = Actor(self.visitor.entry_point, self.visitor.name)
        reason: str | None = getattr(self.body, "reason", None)
        return operation_context(actor, self.site.clock, reason=reason, command=self.command)

    def with_query(self, query: K, **names: str) -> "ApiCall[K, None]":
        """Return a read of the same visitor with another query; `names` replace those of its path."""
        return ApiCall(self.site, self.visitor, {**self.names, **names}, query, None, seen=self.seen)

    def run(self, id: str | None = None) -> RunView:
        """Return the run of an id, or the one that the path names, as it is stored.

        Raises:
            NotFoundError: there is no such run that this visitor may see.
        """
        run_id = self.id_of(IdKind.RUN, self.names["run"] if id is None else id)
        run = run_view(self.site.reader, run_id)
        if not self.visitor.may_view(run.automation):
            raise run_not_found(run_id)
        return run

    def id_of(self, kind: IdKind, text: str) -> str:
        """Return the whole id for an id or the end of one, as pages and lists show it, or for AUTOMATION/KEY of a run.

        Text that matches no id is returned unchanged.

        Raises:
            ConflictError: several ids that the visitor may see end like this; they are listed.
        """
        if is_regular_id(text):
            return text
        if kind is IdKind.RUN and (keyed := find_run_of_key(self.site.reader, text)) is not None:
            return keyed.run if self.visitor.may_view(keyed.automation) else text
        matches = [
            match for match in ids_ending(self.site.reader, kind, text) if self.visitor.may_view(match.automation)
        ]
        return whole_id(kind, text, matches) if matches else text

    def automations(self) -> list[str] | None:
        """Return the automations that the visitor sees, for reads that filter by automation; None = all."""
        if self.visitor.is_for_all:
            return None
        return [name for name in automation_names(self.site.reader) if self.visitor.may_view(name)]

    def sealing_of(self, run: RunView) -> Sealing:
        """Return the sealing for new values of a run: only a process with its codec can add to sealed values.

        Raises:
            ConflictError: this process does not have its codec.
        """
        if run.codec not in (PLAIN_SEALING.id, self.site.sealing.id):
            detail = f"the values of run {run.id} are sealed by codec {run.codec!r}"
            raise error_for_refusal(Refused("sealed_otherwise", detail), run.id)
        return self.site.sealing

    def engine_for(self, run: RunView) -> RunEngine:
        """Return the engine, with the sealing for new values of a run. Raises ConflictError: this process does not have its codec."""
        return self.site.engine(self.sealing_of(run))

    @staticmethod
    def missing(noun: str, name: str) -> NoReturn:
        """Raise NotFoundError. What a visitor may not see is missing for them."""
        raise NotFoundError(f"there is no {noun} {name}")


def to_ms(at: datetime | None) -> int | None:
    """Return an instant as the store has it (ms UTC), at least 0.

    Raises:
        ArgumentError: the instant is too late for a calendar of some zone, so lists could not show it.
    """
    if at is None:
        return None
    instant = round(at.timestamp() * 1000)
    if instant > LATEST_INSTANT:
        raise ArgumentError(f"{at.isoformat()} is too far in the future", hint="Name an instant before the year 9999.")
    return max(0, instant)


AnyApiCall = ApiCall[Any, Any]
