"""Incident pages behind a link in a message: one incident and the run that it names; each button works once.

See docs/adr/0014-links-in-messages.md.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.config import Settings
from mainspring.domain.access.incident_link import LINK_SECRET_NAME, IncidentLinkToken, verify_link_token
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError, ConflictError, MainspringError, NotFoundError
from mainspring.domain.incidents.incident import ANSWER_FACT, Incident
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import (
    NotificationContext,
    format_moment,
    render_headline,
    render_notification,
)
from mainspring.domain.states import (
    INCIDENT_MOVES,
    REOPENABLE_STATES,
    TERMINAL_STATES,
    IncidentMove,
    IncidentState,
    RunState,
)
from mainspring.domain.time.cron import find_zone, to_local
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.runs.waits import list_open_questions
from mainspring.insight.text.formatting import format_distance
from mainspring.resources.secret_store import SecretStore
from mainspring.service import incident
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.perform import was_performed
from mainspring.service.runs import run
from mainspring.service.store_engine import StoreEngine
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import newest_of, waits_of
from mainspring.store.read.status.status import automations
from mainspring.version import __version__
from mainspring.web.api.prior_responses import (
    PriorResponse,
    find_prior_answer,
    find_prior_response,
    newest_run_of_incident,
)
from mainspring.web.auth.authenticator import request_path
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.pages.assets import Assets
from mainspring.web.pages.linked_run import LinkedRun, read_linked_run
from mainspring.web.pages.template_environment import build_environment
from mainspring.web.server.form_reader import anonymous_form_reader, is_form

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_SNOOZE_MS = 4 * 3_600_000
_MAX_MOVES = 20
_MOVING_S, _SETTLING_S = 5, 15
_MOVES = {
    "acknowledge": (IncidentMove.ACKNOWLEDGE, "Acknowledge"),
    "snooze": (IncidentMove.SNOOZE, "Snooze 4 h"),
    "resolve": (IncidentMove.RESOLVE, "Resolve"),
}
_RETRY = "retry"
_ANSWER = "answer:"
"""The start of the name of a button that answers: `answer:QUESTION:CHOICE`."""
_INCIDENT, _RUN = "/i/{token}", "/i/{token}/run"


class IncidentButton(NamedTuple):
    """One operation that is possible now."""

    name: str
    text: str


class RunbookText(NamedTuple):
    """The address of a runbook, and its text about the incident; None = only its reader can open it."""

    where: str
    text: str | None


class IncidentPageView(NamedTuple):
    """The contents of a page: the incident, its history, the newest run that it names (None = none, or it was deleted), and the runbook."""

    incident: Incident
    moves: list[incidents.MoveView]
    run: LinkedRun | None
    runbook: RunbookText | None
    answers: list[str]
    """The choices of the question that it is about, as long as that is open."""

    @property
    def question(self) -> str:
        """A mark of the question that it is about now: an incident may come to be about another one of the same automation."""
        answer = self.incident.facts.get(ANSWER_FACT)
        if not isinstance(answer, dict):
            return ""
        opening = f"{self.incident.facts.get('run')}\x1f{answer['ident']}\x1f{answer['opened_at']}"
        return hashlib.sha256(opening.encode()).hexdigest()[:16]

    @property
    def again(self) -> LinkedRun | None:
        """The run, if it can be continued now."""
        is_over = self.incident.state is IncidentState.RESOLVED
        return self.run if self.run is not None and self.run.state in REOPENABLE_STATES and not is_over else None

    @property
    def refresh_s(self) -> int | None:
        """Seconds until the page reloads: while the run is unfinished, and while its success has not resolved the incident yet."""
        if self.run is None or self.incident.state is IncidentState.RESOLVED:
            return None
        if self.run.state is RunState.SUCCEEDED:
            return _SETTLING_S
        return None if self.run.state in TERMINAL_STATES or self.run.state in REOPENABLE_STATES else _MOVING_S

    @property
    def seen(self) -> str:
        """The displayed state, as the form repeats it."""
        return f"{self.incident.changed_at}.{self.again.changed_at if self.again else 0}"

    @property
    def buttons(self) -> list[IncidentButton]:
        """The operations on the incident that are possible now."""
        return [
            IncidentButton(name, text)
            for name, (move, text) in _MOVES.items()
            if self.incident.state in INCIDENT_MOVES[move][0]
        ]


class IncidentPages:
    """The handlers. `store` is read in threads. `secrets` holds the keys of links; without them every link is unknown."""

    def __init__(self, settings: Settings, store: ProcessStore, secrets: SecretStore, clock: Clock) -> None:
        project = settings.project
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._zone = find_zone(project.timezone)
        self._context = NotificationContext(zone=self._zone, project=project.name, environment=project.environment)
        self._site = PublicSite(settings.web)
        self._forms = anonymous_form_reader()
        self._assets = Assets()
        self._runbooks = RunbookFinder(settings)
        self._pages = build_environment(self._zone, clock)

    def routes(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            Route(path, answer, methods=[method])
            for path in (_INCIDENT, _RUN)
            for method, answer in (("GET", self.show), ("POST", self.post))
        ]

    async def show(self, request: Request) -> Response:
        """Show a page, and change nothing."""
        return await self._answer(request, lambda grant: (self._read_view(grant), ""))

    async def post(self, request: Request) -> Response:
        """Perform the operation of a button, once."""
        if not self._site.is_own(request):
            return self._render_message(403, "this came from another site, so nothing was done: open the link itself")
        if self._verify_link(request) is None:
            return self._reject_unknown()
        try:
            form = await self._forms.read(request) if is_form(request) else None
        except ClientDisconnect:
            form = None
        if form is None:
            return self._render_message(413, "this is not a form of Mainspring, so nothing was done")
        return await self._answer(request, lambda grant: self._perform_form(request.path_params["token"], grant, form))

    async def _answer(
        self, request: Request, read: Callable[[IncidentLinkToken], tuple[IncidentPageView, str]]
    ) -> Response:
        grant = self._verify_link(request)
        if grant is None:
            return self._reject_unknown()
        try:
            view, message = await asyncio.to_thread(read, grant)
        except NotFoundError:
            return self._render_message(404, "this incident is resolved and no longer stored")
        except MainspringError as error:
            return self._render_message(
                503, f"{error.message.splitlines()[0]}. Try again, or: mainspring incidents show {grant.incident}"
            )
        is_run_page = request_path(request).endswith(_RUN[-4:])
        if is_run_page and view.run is None:
            return self._render_message(404, "this incident has no run, or the run is no longer stored")
        return self._render_page(
            "incidents/linked_run.html" if is_run_page else "incidents/linked_incident.html", view, message, request
        )

    def _verify_link(self, request: Request) -> IncidentLinkToken | None:
        """Return the token in the link of a request; None = the link has expired or is invalid."""
        try:
            return verify_link_token(
                request.path_params["token"], self._secrets.lines(LINK_SECRET_NAME), self._clock.now() // 1000
            )
        except ConfigError:
            return None

    def _reject_unknown(self) -> Response:
        return self._render_message(
            404, "this link has expired or never existed: mainspring incidents list shows open incidents"
        )

    def _read_view(self, grant: IncidentLinkToken) -> IncidentPageView:
        found_incident = incidents.incident(self._store.reader, grant.incident)
        if found_incident is None or found_incident.opened != grant.opened:
            raise NotFoundError(f"incident {grant.incident} is resolved")
        return IncidentPageView(
            found_incident,
            incidents.moves(self._store.reader, found_incident.id),
            self._run(found_incident),
            self._runbook(found_incident),
            self._list_answers(found_incident),
        )

    def _list_answers(self, subject_incident: Incident) -> list[str]:
        """Return the choices of the question of an incident; none if it is over, or too long for buttons."""
        answer = subject_incident.facts.get(ANSWER_FACT)
        if not isinstance(answer, dict) or subject_incident.state is IncidentState.RESOLVED:
            return []
        run = newest_of(self._store.reader, str(subject_incident.facts.get("run")))
        waits = list_open_questions(waits_of(self._store.reader, run), self._clock.now())
        is_open = any(wait.ident == answer["ident"] and wait.opened_at == answer["opened_at"] for wait in waits)
        return list(answer["choices"]) if is_open else []

    def _runbook(self, subject_incident: Incident) -> RunbookText | None:
        """Return the runbook of its automation, at the section about the incident; None = there is none."""
        name = subject_incident.subject.automation
        views = automations(self._store.reader, name) if name else []
        runbook = (
            self._runbooks.of(name, read_definition(views[0]) if views else None, subject_incident) if name else None
        )
        return None if runbook is None else RunbookText(runbook.where, self._runbooks.words(runbook))

    def _run(self, named_by: Incident) -> LinkedRun | None:
        """Return the newest run that the incident names."""
        run_id = newest_run_of_incident(named_by)
        try:
            return (
                read_linked_run(self._store.reader, run_id, self._clock.now(), self._zone.key)
                if run_id is not None
                else None
            )
        except NotFoundError:
            return None

    def _perform_form(self, token: str, grant: IncidentLinkToken, form: dict[str, str]) -> tuple[IncidentPageView, str]:
        before = self._read_view(grant)
        name, seen = form.get("act", ""), form.get("seen", "")
        digest = hashlib.sha256(f"{token}\x1f{name}\x1f{seen}".encode()).hexdigest()[:32]
        actor = Actor.link(form.get("name", ""))
        act = operation_context(actor, self._clock, reason="by the link in a message", command=f"link.{digest}")
        try:
            self._perform(name, before, seen, act)
        except ConflictError as error:
            view = self._read_view(grant)
            if name.startswith(_ANSWER):
                return view, error.message
            prior_response = self._describe_prior_response(before.incident, seen) if name == _RETRY else ""
            return view, f"{error.message}: {prior_response or self._describe_past_move(view.moves[-1])}"
        continued_run = before.again
        if name.startswith(_ANSWER):
            return self._read_view(grant), f"answered {name.split(':', 2)[-1]}"
        done = f"done: run {continued_run.id} continues" if name == _RETRY and continued_run is not None else "done"
        return self._read_view(grant), done

    def _perform(self, name: str, before: IncidentPageView, seen: str, act: OperationContext) -> None:
        now, incident_id = self._clock.now(), before.incident.id
        incident_seen, _, run_seen = seen.partition(".")
        if name == _RETRY:
            # The same form sent again gets the same answer; another form works only in the displayed state.
            if before.again is not None and run_seen == str(before.again.changed_at):
                return run.retry(self._store, before.again.id, act=act)
            raise ConflictError("the run was continued by someone else")
        if name.startswith(_ANSWER):
            return self._answer_question(before, *name.removeprefix(_ANSWER).partition(":")[::2], act)
        if name not in _MOVES:
            raise ConflictError(f"there is no operation {name[:40]!r}")
        if incident_seen != str(before.incident.changed_at):
            raise ConflictError(f"it is {before.incident.state} already")
        if name == "acknowledge":
            return incident.acknowledge(self._store, incident_id, act=act)
        if name == "snooze":
            return incident.snooze(self._store, incident_id, now + _SNOOZE_MS, now=now, act=act)
        return incident.resolve(self._store, incident_id, act=act)

    def _answer_question(self, before: IncidentPageView, displayed: str, choice: str, act: OperationContext) -> None:
        """Answer the question that the form has shown, and no other one."""
        run, answer = str(before.incident.facts.get("run")), before.incident.facts.get(ANSWER_FACT, {})
        if was_performed(OperationReads(self._store.reader), act, "answer", f"run:{run}"):
            return
        if displayed != before.question:
            raise ConflictError(
                "nothing was answered: the incident is about another question now, which this page shows"
            )
        if not before.answers:
            raise ConflictError(f"nothing was answered: {self._describe_prior_answer(run, answer.get('ident'))}")
        try:
            StoreEngine(self._store, self._clock).answer(run, choice, act=act, question=answer.get("ident"))
        except NotFoundError:  # someone was faster
            raise ConflictError(
                f"nothing was answered: {self._describe_prior_answer(run, answer.get('ident'))}"
            ) from None

    def _describe_prior_answer(self, run: str, question: str | None) -> str:
        """Return who answered a question, and when."""
        response = find_prior_answer(self._store.reader, ViewUnsealer(PLAIN_SEALING), run, question)
        return "the question is not open any more" if response is None else self._describe_response(response)

    def _describe_prior_response(self, incident: Incident, seen: str) -> str:
        """Return who continued the run since it was displayed, and when; "" if no one is recorded."""
        response = find_prior_response(self._store.reader, newest_run_of_incident(incident), seen)
        return "" if response is None else self._describe_response(response)

    def _describe_response(self, response: PriorResponse) -> str:
        at, now = to_local(response.at, self._zone), to_local(self._clock.now(), self._zone)
        when = f"{at:%H:%M}" if at.date() == now.date() else format_moment(response.at, self._zone)
        return f"already {response.done} by {response.by} at {when}"

    def _describe_past_move(self, move: incidents.MoveView) -> str:
        return f"{format_distance(move.at, self._clock.now())}: {_describe_move(move)}"

    def _render_message(self, status: int, message: str) -> Response:
        """Return a page that contains only a sentence."""
        return self._render(
            "incidents/link_message.html", status, title="Nothing to show", message=message, is_error=True
        )

    def _render_page(self, template: str, view: IncidentPageView, message: str, request: Request) -> Response:
        incident, token = view.incident, request.path_params["token"]
        path = "/run" if template == "incidents/linked_run.html" else ""
        event = NotificationEvent.RESOLVED if incident.state is IncidentState.RESOLVED else NotificationEvent.REPEATED
        return self._render(
            template,
            200,
            title=render_headline(event, incident, self._context.environment),
            message=message,
            incident=incident,
            headline=f"{incident.subject.automation or 'mainspring'}: {incident.summary}",
            fields=[
                field
                for field in render_notification("", event, self._clock.now(), incident, self._context).fields
                if field.label != "Command"
            ],
            seen=view.seen,
            run=view.run,
            may_retry=view.again is not None and view.again.is_plain,
            acts=view.buttons,
            answers=view.answers,
            question=view.question,
            token=token,
            now=self._clock.now(),
            history=[(move.at, _describe_move(move)) for move in view.moves[-_MAX_MOVES:]],
            runbook=view.runbook,
            refresh=None if view.refresh_s is None else f"{view.refresh_s}; url={self._site.base}/i/{token}{path}",
        )

    def _render(self, template: str, status: int, *, refresh: str | None = None, **values: Any) -> Response:
        environment = self._context.environment
        defaults: dict[str, Any] = {
            "base": self._site.base,
            "asset": lambda asset: self._site.base + self._assets.path(asset),
            "version": __version__,
            "project": self._context.project or "mainspring",
            "environment": None if environment == "production" else environment,
            "visitor": None,
            "bar_status": None,
            "is_error": False,
        }
        headers = HEADERS if refresh is None else {**HEADERS, "Refresh": refresh}
        return HTMLResponse(self._pages.get_template(template).render(defaults | values), status, headers)


def _describe_move(move: incidents.MoveView) -> str:
    author = f" by {move.by}" if move.by else ""
    return f"{move.move}{author}" + (f": {move.note}" if move.note else "")
