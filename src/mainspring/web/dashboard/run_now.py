"""`/a/NAME/run`: start a run by a form of the automation's parameters, filled in as the last run was, or another one."""

import shlex
from collections.abc import Callable
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.errors import ConflictError, MainspringError
from mainspring.domain.triggers.trigger import MisfitError
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.insight.words import many
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api import automations
from mainspring.web.api.automations import StartRunRequest
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import Call
from mainspring.web.dashboard.earlier_input import Earlier, earlier_of, without_secret_defaults
from mainspring.web.dashboard.moments import typed_moment, zone_for
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press
from mainspring.web.dashboard.schema.field import marked, noted, refilled, sent_by
from mainspring.web.dashboard.schema.form import fields_of
from mainspring.web.dashboard.schema.typed import typed
from mainspring.web.paths import part


class RunNow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`from` = the run whose input it is filled in with; left out: the last one. `blank` = with defaults alone."""

    from_: Word | None = msgspec.field(name="from", default=None)
    blank: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """A start as the form says it; `faults` = by JSON path of the input, and by the name of an option."""

    body: StartRunRequest
    faults: dict[str, str]


def show(call: Call[RunNow, Form | None]) -> View:
    """Draw the form; after a start that could not be, as it was typed."""
    view = automations.shown(looked(call)).automation
    title = f"Run {view.name}"
    try:
        definition = automations.definition_of(view)
    except ConflictError as error:
        return View(title, {"automation": view.name, "refused": error, "fields": ()})
    zone = zone_for(call, definition)
    schema, notes = without_secret_defaults(definition.parameters)
    form = call.body
    earlier = Earlier() if form is not None else earlier_of(call, definition, call.query.from_, blank=call.query.blank)
    if form is None:
        fields = fields_of(schema, earlier.values, zone)
        wanted = Wanted(StartRunRequest(input=typed(schema, sent_by(fields)).value), {})
    else:
        wanted = wanted_of(definition, form, zone)
        fields = refilled(fields_of(schema, wanted.body.input, zone), form)
    options, faults = form or {}, wanted.faults
    return View(
        title,
        {
            "automation": view.name,
            "refused": None,
            "definition": definition,
            "fields": marked(noted(fields, notes | earlier.notes), faults),
            "earlier": earlier,
            "options": {name: options.get(name, "") for name in _OPTIONS},
            "wrong_options": {name: faults[name] for name in _OPTIONS if name in faults},
            "zone": zone,
            "queue": definition.option("queue"),
            "paused": is_paused(view, call.site.clock.now()),
            "command": command_of(view.name, wanted.body, takes=bool(definition.parameters)),
        },
    )


def begin(call: Call[Any, Any]) -> str:
    """Start the run and lead to it."""
    definition = automations.definition_of(automations.shown(looked(call)).automation)
    wanted = wanted_of(definition, call.body, zone_for(call, definition))
    if wanted.faults:
        place, why = next(iter(wanted.faults.items()))
        said = why if len(wanted.faults) == 1 else f"{many(len(wanted.faults), 'field')} cannot be used"
        raise MisfitError(f"{said}: nothing was started", hint="See the marked fields.", at=place)
    return f"/r/{part(press(call, automations.begin, wanted.body).run)}"


def wanted_of(definition: Definition, form: Form, zone: str) -> Wanted:
    """Return what a form asks to start."""
    said = typed(definition.parameters, form)
    faults = dict(said.faults)
    if not faults and definition.parameters:
        found = find_mismatch(definition.parameters, said.value)
        faults = {} if found is None else {found.path: found.why}
    body = StartRunRequest(input=said.value)
    for name, read in _OPTIONS.items():
        text = form.get(name, "").strip()
        try:
            option = msgspec.convert({name: read(text, zone)} if text else {}, StartRunRequest, strict=False)
        except (ValueError, MainspringError) as error:
            faults[name] = str(getattr(error, "message", error)).partition(" - at ")[0]
        else:
            body = msgspec.structs.replace(body, **({name: getattr(option, name)} if text else {}))
    return Wanted(body, faults)


def command_of(name: str, body: StartRunRequest, *, takes: bool) -> str:
    """Return the command line that starts the same run."""
    words = ["mainspring", "run", name]
    if takes:
        words.append(KNOWN_SECRETS.redact(msgspec.json.encode(body.input).decode()))
    if body.key is not None:
        words += ["--key", body.key, *(["--restart-failed"] if body.key_policy == "restart" else [])]
    words += ["--at", body.at.isoformat()] if body.at is not None else []
    words += ["--queue", body.queue] if body.queue is not None else []
    words += ["--priority", str(body.priority)] if body.priority is not None else []
    return shlex.join(words)


def _tags(text: str) -> dict[str, str]:
    """Return the tags of lines such as "team=billing". Raises ValueError."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"{line[:60]!r} is not of the form name=value")
        found[name.strip()] = value.strip()
    return found


_OPTIONS: Final[dict[str, Callable[[str, str], Any]]] = {
    **dict.fromkeys(("key", "key_policy", "queue", "priority", "title", "reason"), lambda text, _zone: text),
    "at": typed_moment,
    "tags": lambda text, _zone: _tags(text),
}
"""Fields beside the arguments, and how what is typed there is read; the second argument is the zone."""

PAGES = (
    PageRoute(
        path="/a/{automation}/run",
        template="run_now.html",
        show=show,
        query=RunNow,
        role=Role.OPERATOR,
        at="/automations",
        buttons={"start": Button(Role.OPERATOR, begin)},
    ),
)
