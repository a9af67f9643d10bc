"""The page behind a link in a message: it shows one incident, and its buttons act once. See docs/adr/0014-links-in-messages.md."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.cron import to_local, zone_of
from mainspring.domain.errors import ConfigError, ConflictError, MainspringError, NotFoundError
from mainspring.domain.incident import Incident
from mainspring.domain.link import SECRET, Grant, grant_of
from mainspring.domain.notice import About
from mainspring.domain.rendering import Circumstances, headline_of, moment_of, render_notice
from mainspring.domain.states import INCIDENT_MOVES, REOPENABLE, IncidentMove, IncidentState
from mainspring.resources.secret import Secrets
from mainspring.service import incident as acts
from mainspring.service import run as runs
from mainspring.service.actor import Act, Actor, act_of
from mainspring.store.process_store import ProcessStore
from mainspring.store.reads import incidents as reads
from mainspring.store.reads.runs import run_view
from mainspring.web.assets import Assets
from mainspring.web.continued import continued_since, run_of
from mainspring.web.entrance import is_form, read_form
from mainspring.web.marks import icon_of, tone_of
from mainspring.web.own_site import OwnSite

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_SNOOZE_MS = 4 * 3_600_000
_SHOWN = 20
_MOVES = {
    "acknowledge": (IncidentMove.ACKNOWLEDGE, "I look after it"),
    "snooze": (IncidentMove.SNOOZE, "Snooze 4 h"),
    "resolve": (IncidentMove.RESOLVE, "It is over"),
}
_RETRY = "retry"


class Button(NamedTuple):
    """One act that is possible now."""

    name: str
    text: str


class Shown(NamedTuple):
    """What a page shows: the incident, what became of it, and the run that can be retried (id, when it changed), None = none can."""

    incident: Incident
    moves: list[reads.MoveView]
    run: tuple[str, int] | None

    @property
    def seen(self) -> str:
        """The state that is shown, as the form repeats it."""
        return f"{self.incident.changed_at}.{self.run[1] if self.run else 0}"

    @property
    def buttons(self) -> list[Button]:
        """What can be done now."""
        moves = [
            Button(name, text)
            for name, (move, text) in _MOVES.items()
            if self.incident.state in INCIDENT_MOVES[move][0]
        ]
        return [Button(_RETRY, f"Retry run {self.run[0]}"), *moves] if self.run else moves


class IncidentPages:
    """`store` is asked in threads. `secrets` holds the keys of links; without them every link is unknown."""

    def __init__(self, settings: Settings, store: ProcessStore, secrets: Secrets, clock: Clock) -> None:
        project = settings.project
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._zone = zone_of(project.timezone)
        self._around = Circumstances(zone=self._zone, project=project.name, environment=project.environment)
        self._site = OwnSite(settings.web)
        self._look = self._site.base + Assets().path("look.css")
        self._pages = Environment(
            loader=PackageLoader("mainspring.web"), autoescape=select_autoescape(), undefined=StrictUndefined
        )

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [
            Route("/i/{token}", self.show, methods=["GET"]),
            Route("/i/{token}", self.press, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Show, and change nothing."""
        return await self._answer(request, lambda grant: (self._shown(grant), ""))

    async def press(self, request: Request) -> Response:
        """Do what a button says, once."""
        if not self._site.is_own(request):
            return self._page(403, said="this came from another site, and nothing was done: open the link itself")
        try:
            form = await read_form(request) if is_form(request) else None
        except ClientDisconnect:
            form = None
        if form is None:
            return self._page(413, said="this is no form of ours, and nothing was done")
        return await self._answer(request, lambda grant: self._acted(request.path_params["token"], grant, form))

    async def _answer(self, request: Request, look: Callable[[Grant], tuple[Shown, str]]) -> Response:
        token: str = request.path_params["token"]
        try:
            grant = grant_of(token, self._secrets.lines(SECRET), self._clock.now() // 1000)
        except ConfigError:
            grant = None
        if grant is None:
            return self._page(
                404, said="this link is over, or never was one: mainspring incidents list shows what is wrong"
            )
        try:
            shown, said = await asyncio.to_thread(look, grant)
        except NotFoundError:
            return self._page(404, said="this incident is over and forgotten")
        except MainspringError as error:
            return self._page(
                503, said=f"{error.message.splitlines()[0]}. Try again, or: mainspring incidents show {grant.incident}"
            )
        return self._page(200, shown=shown, said=said, token=token)

    def _shown(self, grant: Grant) -> Shown:
        found = reads.incident(self._store.reader, grant.incident)
        if found is None or found.opened != grant.opened:
            raise NotFoundError(f"incident {grant.incident} is over")
        return Shown(found, reads.moves(self._store.reader, found.id), self._retryable(found))

    def _retryable(self, found: Incident) -> tuple[str, int] | None:
        """Return the newest run that the incident names, if it can be continued now."""
        run = run_of(found)
        if run is None or found.state is IncidentState.RESOLVED:
            return None
        try:
            view = run_view(self._store.reader, run)
        except NotFoundError:
            return None
        return (run, view.changed_at) if view.state in REOPENABLE else None

    def _acted(self, token: str, grant: Grant, form: dict[str, str]) -> tuple[Shown, str]:
        before = self._shown(grant)
        name, seen = form.get("act", ""), form.get("seen", "")
        digest = hashlib.sha256(f"{token}\x1f{name}\x1f{seen}".encode()).hexdigest()[:32]
        actor = Actor.link(form.get("name", ""))
        act = act_of(actor, self._clock, reason="by the link in a message", command=f"link.{digest}")
        try:
            self._do(name, before, seen, act)
        except ConflictError as error:
            shown = self._shown(grant)
            faster = self._continued(before.incident, seen) if name == _RETRY else ""
            return shown, f"{error.message}: {faster or self._line(shown.moves[-1])}"
        return self._shown(grant), "done"

    def _do(self, name: str, before: Shown, seen: str, act: Act) -> None:
        now, incident = self._clock.now(), before.incident.id
        incident_seen, _, run_seen = seen.partition(".")
        if name == _RETRY:
            # Repeated by the same press it is answered as before; by another one only in the state that was shown.
            if before.run is not None and run_seen == str(before.run[1]):
                return runs.retry(self._store, before.run[0], act=act)
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
        act = continued_since(self._store.reader, run_of(incident), seen)
        if act is None:
            return ""
        at, now = to_local(act.at, self._zone), to_local(self._clock.now(), self._zone)
        when = f"{at:%H:%M}" if at.date() == now.date() else moment_of(act.at, self._zone)
        return f"already {act.done} by {act.by} at {when}"

    def _line(self, move: reads.MoveView) -> str:
        who = f" by {move.by}" if move.by else ""
        return f"{moment_of(move.at, self._zone)}  {move.move}{who}" + (f": {move.note}" if move.note else "")

    def _page(self, status: int, *, shown: Shown | None = None, said: str = "", token: str = "") -> Response:
        values: dict[str, Any] = {
            "base": self._site.base,
            "look": self._look,
            "said": said,
            "incident": None,
            "title": "mainspring",
            "token": token,
        }
        if shown is not None:
            found = shown.incident
            about = About.RESOLVED if found.state is IncidentState.RESOLVED else About.REPEATED
            values |= {
                "incident": found,
                "icon": icon_of(found.state),
                "tone": tone_of(found.state),
                "title": headline_of(about, found, self._around.environment),
                "headline": f"{found.subject.automation or 'mainspring'}: {found.text}",
                "fields": render_notice("", about, self._clock.now(), found, self._around).fields,
                "seen": shown.seen,
                "acts": shown.buttons,
                "history": [self._line(move) for move in shown.moves[-_SHOWN:]],
            }
        return HTMLResponse(self._pages.get_template("incident.html").render(values), status, HEADERS)
