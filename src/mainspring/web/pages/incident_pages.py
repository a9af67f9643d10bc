"""The pages behind a link in a message: one incident and the run that it names; their buttons act once.

See docs/adr/0014-links-in-messages.md.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mainspring import __version__
from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.config import Settings
from mainspring.domain.access.incident_link import LINK_SECRET_NAME, IncidentLinkToken, verify_link_token
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError, ConflictError, MainspringError, NotFoundError
from mainspring.domain.incidents.incident import Incident
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
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.text.formatting import format_distance
from mainspring.resources.secret_store import SecretStore
from mainspring.service import incident as acts
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.runs import run as runs
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents as reads
from mainspring.store.read.status.status import automations
from mainspring.web.api.prior_responses import find_prior_response, newest_run_of_incident
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
_SHOWN = 20
_MOVING_S, _SETTLING_S = 5, 15
_MOVES = {
    "acknowledge": (IncidentMove.ACKNOWLEDGE, "I look after it"),
    "snooze": (IncidentMove.SNOOZE, "Snooze 4 h"),
    "resolve": (IncidentMove.RESOLVE, "It is over"),
}
_RETRY = "retry"
_INCIDENT, _RUN = "/i/{token}", "/i/{token}/run"


class IncidentButton(NamedTuple):
    """One act that is possible now."""

    name: str
    text: str


class RunbookText(NamedTuple):
    """Where a runbook is, and its words about the incident; None = only its reader can open it."""

    where: str
    text: str | None


class IncidentPageView(NamedTuple):
    """What a page shows: the incident, its history, the newest run that it names (None = none, or it is gone), and the runbook."""

    incident: Incident
    moves: list[reads.MoveView]
    run: LinkedRun | None
    runbook: RunbookText | None

    @property
    def again(self) -> LinkedRun | None:
        """The run, if it can be continued now."""
        is_over = self.incident.state is IncidentState.RESOLVED
        return self.run if self.run is not None and self.run.state in REOPENABLE_STATES and not is_over else None

    @property
    def refresh_s(self) -> int | None:
        """After how many seconds the page loads itself again: while the run moves, and while its success has not ended the incident yet."""
        if self.run is None or self.incident.state is IncidentState.RESOLVED:
            return None
        if self.run.state is RunState.SUCCEEDED:
            return _SETTLING_S
        return None if self.run.state in TERMINAL_STATES or self.run.state in REOPENABLE_STATES else _MOVING_S

    @property
    def seen(self) -> str:
        """The state that is shown, as the form repeats it."""
        return f"{self.incident.changed_at}.{self.again.changed_at if self.again else 0}"

    @property
    def buttons(self) -> list[IncidentButton]:
        """What can be done now with the incident."""
        return [
            IncidentButton(name, text)
            for name, (move, text) in _MOVES.items()
            if self.incident.state in INCIDENT_MOVES[move][0]
        ]


class IncidentPages:
    """`store` is asked in threads. `secrets` holds the keys of links; without them every link is unknown."""

    def __init__(self, settings: Settings, store: ProcessStore, secrets: SecretStore, clock: Clock) -> None:
        project = settings.project
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._zone = find_zone(project.timezone)
        self._around = NotificationContext(zone=self._zone, project=project.name, environment=project.environment)
        self._site = PublicSite(settings.web)
        self._forms = anonymous_form_reader()
        self._assets = Assets()
        self._runbooks = RunbookFinder(settings)
        self._pages = build_environment(self._zone, clock)

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [
            Route(path, answer, methods=[method])
            for path in (_INCIDENT, _RUN)
            for method, answer in (("GET", self.show), ("POST", self.press))
        ]

    async def show(self, request: Request) -> Response:
        """Show, and change nothing."""
        return await self._answer(request, lambda grant: (self._shown(grant), ""))

    async def press(self, request: Request) -> Response:
        """Do what a button says, once."""
        if not self._site.is_own(request):
            return self._told(403, "this came from another site, and nothing was done: open the link itself")
        if self._grant(request) is None:
            return self._unknown()
        try:
            form = await self._forms.read(request) if is_form(request) else None
        except ClientDisconnect:
            form = None
        if form is None:
            return self._told(413, "this is no form of ours, and nothing was done")
        return await self._answer(request, lambda grant: self._acted(request.path_params["token"], grant, form))

    async def _answer(
        self, request: Request, look: Callable[[IncidentLinkToken], tuple[IncidentPageView, str]]
    ) -> Response:
        grant = self._grant(request)
        if grant is None:
            return self._unknown()
        try:
            shown, said = await asyncio.to_thread(look, grant)
        except NotFoundError:
            return self._told(404, "this incident is over and forgotten")
        except MainspringError as error:
            return self._told(
                503, f"{error.message.splitlines()[0]}. Try again, or: mainspring incidents show {grant.incident}"
            )
        wants_run = request_path(request).endswith(_RUN[-4:])
        if wants_run and shown.run is None:
            return self._told(404, "this incident names no run, or it is gone")
        return self._page("night_run.html" if wants_run else "night.html", shown, said, request)

    def _grant(self, request: Request) -> IncidentLinkToken | None:
        """Return what the link of a request permits; None = the link is over, or is none."""
        try:
            return verify_link_token(
                request.path_params["token"], self._secrets.lines(LINK_SECRET_NAME), self._clock.now() // 1000
            )
        except ConfigError:
            return None

    def _unknown(self) -> Response:
        return self._told(404, "this link is over, or never was one: mainspring incidents list shows what is wrong")

    def _shown(self, grant: IncidentLinkToken) -> IncidentPageView:
        found = reads.incident(self._store.reader, grant.incident)
        if found is None or found.opened != grant.opened:
            raise NotFoundError(f"incident {grant.incident} is over")
        return IncidentPageView(
            found, reads.moves(self._store.reader, found.id), self._run(found), self._runbook(found)
        )

    def _runbook(self, found: Incident) -> RunbookText | None:
        """Return the runbook of its automation at what is about the incident; None = there is none."""
        name = found.subject.automation
        views = automations(self._store.reader, name) if name else []
        runbook = self._runbooks.of(name, read_definition(views[0]) if views else None, found) if name else None
        return None if runbook is None else RunbookText(runbook.where, self._runbooks.words(runbook))

    def _run(self, found: Incident) -> LinkedRun | None:
        """Return the newest run that the incident names."""
        run = newest_run_of_incident(found)
        try:
            return (
                read_linked_run(self._store.reader, run, self._clock.now(), self._zone.key) if run is not None else None
            )
        except NotFoundError:
            return None

    def _acted(self, token: str, grant: IncidentLinkToken, form: dict[str, str]) -> tuple[IncidentPageView, str]:
        before = self._shown(grant)
        name, seen = form.get("act", ""), form.get("seen", "")
        digest = hashlib.sha256(f"{token}\x1f{name}\x1f{seen}".encode()).hexdigest()[:32]
        actor = Actor.link(form.get("name", ""))
        act = operation_context(actor, self._clock, reason="by the link in a message", command=f"link.{digest}")
        try:
            self._do(name, before, seen, act)
        except ConflictError as error:
            shown = self._shown(grant)
            faster = self._continued(before.incident, seen) if name == _RETRY else ""
            return shown, f"{error.message}: {faster or self._line(shown.moves[-1])}"
        run = before.again
        done = f"done: run {run.id} goes on" if name == _RETRY and run is not None else "done"
        return self._shown(grant), done

    def _do(self, name: str, before: IncidentPageView, seen: str, act: OperationContext) -> None:
        now, incident = self._clock.now(), before.incident.id
        incident_seen, _, run_seen = seen.partition(".")
        if name == _RETRY:
            # Repeated by the same press it is answered as before; by another one only in the state that was shown.
            if before.again is not None and run_seen == str(before.again.changed_at):
                return runs.retry(self._store, before.again.id, act=act)
            raise ConflictError("the run was continued meanwhile")
        if name not in _MOVES:
            raise ConflictError(f"there is no act {name[:40]!r}")
        if incident_seen != str(before.incident.changed_at):
            raise ConflictError(f"it is {before.incident.state} already")
        if name == "acknowledge":
            return acts.acknowledge(self._store, incident, act=act)
        if name == "snooze":
            return acts.snooze(self._store, incident, now + _SNOOZE_MS, now=now, act=act)
        return acts.resolve(self._store, incident, act=act)

    def _continued(self, incident: Incident, seen: str) -> str:
        """Return who was faster with the run since it was shown, and when; "" where nobody is on record."""
        act = find_prior_response(self._store.reader, newest_run_of_incident(incident), seen)
        if act is None:
            return ""
        at, now = to_local(act.at, self._zone), to_local(self._clock.now(), self._zone)
        when = f"{at:%H:%M}" if at.date() == now.date() else format_moment(act.at, self._zone)
        return f"already {act.done} by {act.by} at {when}"

    def _line(self, move: reads.MoveView) -> str:
        return f"{format_distance(move.at, self._clock.now())}: {_describe_move(move)}"

    def _told(self, status: int, said: str) -> Response:
        """Return a page that holds a sentence and nothing else."""
        return self._drawn("night_told.html", status, title="There is nothing to show", said=said, wrong=True)

    def _page(self, template: str, shown: IncidentPageView, said: str, request: Request) -> Response:
        found, token = shown.incident, request.path_params["token"]
        path = "/run" if template == "night_run.html" else ""
        about = NotificationEvent.RESOLVED if found.state is IncidentState.RESOLVED else NotificationEvent.REPEATED
        return self._drawn(
            template,
            200,
            title=render_headline(about, found, self._around.environment),
            said=said,
            incident=found,
            headline=f"{found.subject.automation or 'mainspring'}: {found.said}",
            fields=[
                field
                for field in render_notification("", about, self._clock.now(), found, self._around).fields
                if field.label != "Command"
            ],
            seen=shown.seen,
            run=shown.run,
            may_retry=shown.again is not None and shown.again.is_plain,
            acts=shown.buttons,
            token=token,
            now=self._clock.now(),
            history=[(move.at, _describe_move(move)) for move in shown.moves[-_SHOWN:]],
            runbook=shown.runbook,
            refresh=None if shown.refresh_s is None else f"{shown.refresh_s}; url={self._site.base}/i/{token}{path}",
        )

    def _drawn(self, template: str, status: int, *, refresh: str | None = None, **values: Any) -> Response:
        environment = self._around.environment
        shown: dict[str, Any] = {
            "base": self._site.base,
            "asset": lambda asset: self._site.base + self._assets.path(asset),
            "version": __version__,
            "project": self._around.project or "mainspring",
            "environment": None if environment == "production" else environment,
            "visitor": None,
            "verdict": None,
            "wrong": False,
        }
        headers = HEADERS if refresh is None else {**HEADERS, "Refresh": refresh}
        return HTMLResponse(self._pages.get_template(template).render(shown | values), status, headers)


def _describe_move(move: reads.MoveView) -> str:
    who = f" by {move.by}" if move.by else ""
    return f"{move.move}{who}" + (f": {move.note}" if move.note else "")
