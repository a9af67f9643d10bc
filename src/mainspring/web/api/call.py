"""One request that was let in: who asks, what for, and what its handler works with."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mainspring.alerting.inputs.cached_monitor_inputs import CachedMonitorInputs
from mainspring.config import Settings
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ArgumentError, NotFoundError
from mainspring.domain.ids import is_regular_id
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.refusal import error_for_refusal
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import run_not_found, run_view
from mainspring.store.read.short_ids import IdKind, ids_ending, whole_id
from mainspring.store.read.status.status import automation_names
from mainspring.store.views import AutomationView, RunView
from mainspring.web.api.cached_project_status import CachedProjectStatus
from mainspring.web.auth.authenticator import CredentialKey

Q = TypeVar("Q")
B = TypeVar("B")
K = TypeVar("K")


class RequestAuthenticator(Protocol):
    """Turns a request into a visitor, or into what it is answered."""

    async def visitor(self, request: Request) -> Visitor | Response:
        """Return who asks; a response where nobody is let in so."""
        ...

    def key(self, request: Request) -> CredentialKey | None:
        """Return by what a request comes in."""
        ...

    def still(self, keys: Collection[CredentialKey]) -> Mapping[CredentialKey, Visitor]:
        """Return who comes in by these keys now. Blocking; raises StoreError."""
        ...


class HandlerContext(msgspec.Struct, frozen=True):
    """What all handlers work with. `cost` = what a new password costs to compute with.

    `hook_answers` = what this process answered to webhooks since its start, by trigger and answer.
    """

    store: ProcessStore
    sealing: Sealing
    settings: Settings
    clock: Clock
    cost: ScryptCost = ScryptCost()
    hook_answers: Mapping[tuple[str, str], int] = {}
    sight: CachedMonitorInputs = msgspec.field(default_factory=CachedMonitorInputs)
    """What monitors judge by, remembered for all requests."""
    kept: CachedProjectStatus = msgspec.field(default_factory=CachedProjectStatus)

    @property
    def reader(self) -> StoreReader:
        """The reads. Raises StoreUnavailableError before the store was opened."""
        return self.store.reader

    @property
    def reads(self) -> OperationReads:
        """The reads that acts need."""
        return OperationReads(self.reader)

    @property
    def opening(self) -> ViewUnsealer:
        """Opens what is told as far as the codec is at hand; the rest stays sealed and says so."""
        return ViewUnsealer(self.sealing, lenient=True)


class ApiCall(msgspec.Struct, Generic[Q, B], frozen=True):
    """A request. `names` = those in its path; `command` = its Idempotency-Key; `seen` = the automations that it read, by name."""

    site: HandlerContext
    visitor: Visitor
    names: dict[str, str]
    query: Q
    body: B
    command: str | None = None
    seen: dict[str, AutomationView] = {}

    def act(self) -> OperationContext:
        """Return who acts, why and under which command id.

        Raises:
            OptionError: the Idempotency-Key can be none.
        """
        actor = Actor(self.visitor.door, self.visitor.name)
        reason: str | None = getattr(self.body, "reason", None)
        return operation_context(actor, self.site.clock, reason=reason, command=self.command)

    def asking(self, query: K, **names: str) -> "ApiCall[K, None]":
        """Return a look of the same visitor with another query; `names` = those of its path where they are others."""
        return ApiCall(self.site, self.visitor, {**self.names, **names}, query, None, seen=self.seen)

    def run(self, id: str | None = None) -> RunView:
        """Return the run that the path names, or that of an id, as it is stored.

        Raises:
            NotFoundError: there is none of this id, for this visitor.
        """
        wanted = self.id_of(IdKind.RUN, self.names["run"] if id is None else id)
        found = run_view(self.site.reader, wanted)
        if not self.visitor.may_see(found.automation):
            raise run_not_found(wanted)
        return found

    def id_of(self, kind: IdKind, text: str) -> str:
        """Return the id that is meant by one, or by its end as pages and lists show it; what means nothing is returned as it is.

        Raises:
            ConflictError: it is the end of more than one that the visitor may see; these are listed.
        """
        if is_regular_id(text):
            return text
        found = [one for one in ids_ending(self.site.reader, kind, text) if self.visitor.may_see(one.automation)]
        return whole_id(kind, text, found) if found else text

    def automations(self) -> list[str] | None:
        """Return the automations that the visitor sees, for reads that take no others; None = all."""
        if self.visitor.is_for_all:
            return None
        return [name for name in automation_names(self.site.reader) if self.visitor.may_see(name)]

    def sealing_of(self, run: RunView) -> Sealing:
        """Return how values for a run are written: what a codec seals, only who has that codec can add to.

        Raises:
            ConflictError: its codec is not at hand.
        """
        if run.codec not in (PLAIN_SEALING.id, self.site.sealing.id):
            said = f"the values of run {run.id} are sealed by codec {run.codec!r}"
            raise error_for_refusal(Refused("sealed_otherwise", said), run.id)
        return self.site.sealing

    @staticmethod
    def missing(noun: str, name: str) -> NoReturn:
        """Say that nothing has this name: what a visitor may not see is for it as if it were not there."""
        raise NotFoundError(f"there is no {noun} {name}")


def to_ms(at: datetime | None) -> int | None:
    """Return an instant as the store has it (ms UTC); nothing here is older than 1970.

    Raises:
        ArgumentError: no calendar reaches so far in every zone, so the list in which it stands could not be shown any more.
    """
    if at is None:
        return None
    found = round(at.timestamp() * 1000)
    if found > LATEST_INSTANT:
        raise ArgumentError(f"{at.isoformat()} is too far away", hint="Name an instant before the year 9999.")
    return max(0, found)


AnyApiCall = ApiCall[Any, Any]
