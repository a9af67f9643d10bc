"""A store with a little of everything, the API on it, and visitors who ask."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mainspring.config import Settings
from mainspring.domain.access.permissions import API, Role, Visitor
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.process_store import ProcessStore
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.api.api_asgi import ApiApp
from mainspring.web.api.call import HandlerContext
from mainspring.web.api.document import build_document
from mainspring.web.api.problem import build_problem
from mainspring.web.api.problem_response import problem_response
from mainspring.web.api.request_parsing import scope_command_id
from mainspring.web.api.route import BASE
from mainspring.web.api.table import ROUTES, find_route
from mainspring.web.auth.authenticator import CredentialKey
from tests.contract.store.clock import FakeClock

PARAMETERS = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}, "to": {"type": "string", "default": "ana"}},
    "required": ["amount"],
    "additionalProperties": False,
}
PAY = Definition(kind=DefinitionKind.TASK, name="pay", parameters=PARAMETERS)
BACKUP = Definition(kind=DefinitionKind.SCRIPT, name="backup", command=["true"], env={"PORT": "8080"})
VISITORS = {
    "ann": Visitor(entry_point=API, name="ann", role=Role.ADMIN),
    "olga": Visitor(entry_point=API, name="olga", role=Role.OPERATOR),
    "vic": Visitor(entry_point=API, name="vic", role=Role.VIEWER),
    "payer": Visitor(entry_point=API, name="payer", role=Role.OPERATOR, automations=("pay*",)),
}


@cache
def schema_of(path: str, method: str) -> Any:
    """Return what checks an answer of this route by the document."""
    whole = build_document(ROUTES, "1")
    schema = whole["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": whole["components"]})


class NamedAuthenticator:
    """Lets those in whose name is their token."""

    def __init__(self) -> None:
        self.visitors = dict(VISITORS)

    async def visitor(self, request: Request) -> Visitor | Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self.visitors.get(token) or problem_response(build_problem(401, "unauthenticated", "who?"))

    def key(self, request: Request) -> CredentialKey | None:
        return CredentialKey(request.headers.get("authorization", "").removeprefix("Bearer "), is_token=True)

    def current_visitors(self, keys: Collection[CredentialKey]) -> dict[CredentialKey, Visitor]:
        return {key: self.visitors[key.hash] for key in keys if key.hash in self.visitors}


class ApiWorld:
    """The API in this process, asked without a network."""

    def __init__(self, store: ProcessStore, clock: FakeClock, sealing: Sealing = PLAIN_SEALING) -> None:
        self.store, self.clock, self.sealing = store, clock, sealing
        self.authenticator = NamedAuthenticator()
        self.site = HandlerContext(store, sealing, Settings(), clock)
        self.serve(ApiApp(self.authenticator, self.site))

    def serve(self, api: ApiApp) -> None:
        """Ask this one from here on."""
        self.api = api
        transport = httpx2.ASGITransport(api)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://here", trust_env=False)

    async def ask(self, method: str, path: str, *, who: str = "ann", **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {who}", **options.pop("headers", {})}
        answer = await self.client.request(method, f"{BASE}{path}", headers=headers, **options)
        found = find_route(answer.request.url.raw_path.partition(b"?")[0]).routes.get(method)
        if (
            answer.status_code == 200 and found is not None and not found.is_download
        ):  # whatever is answered is what the document says
            schema_of(f"{BASE}{found.path}", method.lower()).validate(answer.json())
        return answer

    async def get(self, path: str, *, who: str = "ann", **query: Any) -> Any:
        found = await self.ask("GET", path, who=who, params=query)
        assert found.status_code == 200, found.text
        return found.json()

    async def post(self, path: str, *, who: str = "ann", key: str | None = None, **body: Any) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        found = await self.ask("POST", path, who=who, headers=headers, json=body)
        assert found.status_code == 200, found.text
        return found.json()

    def begin(self, definition: Definition = PAY, data: bytes = b'{"amount":1}') -> str:
        act = operation_context(Actor.cli("ann", "box"), self.clock)
        return start(self.store, self.clock, definition, data, act=act, sealing=self.sealing).run

    def claim(self) -> Any:
        return self.store.apply(ClaimRuns(f"claim.{self.clock.now()}.{self.clock.random_bits(40)}", 10)).runs

    def open_incident(
        self, automation: str = "pay", id: str = "i_01", kind: IncidentKind = IncidentKind.SILENCE
    ) -> None:
        finding = Finding(subject=Subject(automation, kind), severity=Severity.PAGE, text="no success", since_at=1)
        found = EvaluatedFinding(id=id, finding=finding, to=(NotificationTarget(0, "ops"),))
        self.store.apply(RecordEvaluation(started_at=self.clock.now(), found=(found,)))


def own(key: str, who: str = "ann") -> str:
    """Return the command id that a visitor's Idempotency-Key becomes."""
    return scope_command_id(key, VISITORS[who], FakeClock())


def announce(store: ProcessStore, *definitions: Definition, triggers: tuple[TriggerRow, ...] = ()) -> None:
    rows = [
        AutomationRow(
            definition.name, definition.kind, definition.version, "f", msgspec.json.encode(definition.to_data())
        )
        for definition in definitions
    ]
    store.apply(AnnounceDefinitions("code", tuple(rows), (), triggers))


def sqlite_world(folder: Path, sealing: Sealing = PLAIN_SEALING, clock: FakeClock | None = None) -> ApiWorld:
    """Return a world on a new file; anyone who made it closes its store and its API."""
    clock = clock or FakeClock()
    store = SqliteStore(folder / "state.db", clock=clock, sealing=sealing)
    store.open()
    store.open_session("worker")
    announce(store, PAY, BACKUP)
    return ApiWorld(store, clock, sealing)
