"""`/a/NAME/run`: start a run by a form of the automation's parameters, filled in from the last run or another one."""

import shlex
from collections.abc import Callable
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.errors import ConflictError, MainspringError
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.insight.text.formatting import format_count
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import automations
from mainspring.web.api.endpoints.automations import StartRunRequest
from mainspring.web.dashboard.automations.earlier_input import EarlierInput, read_earlier_input, remove_secret_defaults
from mainspring.web.dashboard.forms.field import add_faults, add_notes, build_sent_form, refill_fields
from mainspring.web.dashboard.forms.form import build_fields
from mainspring.web.dashboard.forms.typed_values import parse_form
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api
from mainspring.web.dashboard.time_fields import parse_local_time, zone_of_automation
from mainspring.web.server.path_table import path_segment


class StartRunQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`from` = the run whose input fills the form; left out: the last one. `blank` = with defaults only."""

    from_: Word | None = msgspec.field(name="from", default=None)
    blank: bool = False


class TypedStart(msgspec.Struct, frozen=True):
    """A start as typed in the form; `faults` = by JSON path of the input, and by the name of an option."""

    body: StartRunRequest
    faults: dict[str, str]


def show(call: ApiCall[StartRunQuery, Form | None]) -> PageView:
    """Show the form; after an error with the typed values."""
    view = automations.show_automation(api_call(call)).automation
    title = f"Run {view.name}"
    try:
        definition = automations.read_definition(view)
    except ConflictError as error:
        return PageView(title, {"automation": view.name, "refused": error, "fields": ()})
    zone = zone_of_automation(call, definition)
    schema, notes = remove_secret_defaults(definition.parameters)
    form = call.body
    earlier = (
        EarlierInput()
        if form is not None
        else read_earlier_input(call, definition, call.query.from_, blank=call.query.blank)
    )
    if form is None:
        fields = build_fields(schema, earlier.values, zone)
        typed = TypedStart(StartRunRequest(input=parse_form(schema, build_sent_form(fields)).value), {})
    else:
        typed = parse_start(definition, form, zone)
        fields = refill_fields(build_fields(schema, typed.body.input, zone), form)
    options, faults = form or {}, typed.faults
    return PageView(
        title,
        {
            "automation": view.name,
            "refused": None,
            "definition": definition,
            "fields": add_faults(add_notes(fields, notes | earlier.notes), faults),
            "earlier": earlier,
            "options": {name: options.get(name, "") for name in _OPTIONS},
            "option_errors": {name: faults[name] for name in _OPTIONS if name in faults},
            "zone": zone,
            "queue": definition.option("queue"),
            "paused": is_paused(view, call.site.clock.now()),
            "command": start_command(view.name, typed.body, has_input=bool(definition.parameters)),
        },
    )


def start_run_of_form(call: ApiCall[Any, Any]) -> str:
    """Start the run and redirect to it."""
    definition = automations.read_definition(automations.show_automation(api_call(call)).automation)
    typed = parse_start(definition, call.body, zone_of_automation(call, definition))
    if typed.faults:
        place, reason = next(iter(typed.faults.items()))
        text = reason if len(typed.faults) == 1 else f"{format_count(len(typed.faults), 'field')} not valid"
        raise ArgumentMismatchError(f"{text}: nothing was started", hint="See the marked fields.", at=place)
    return f"/r/{path_segment(call_api(call, automations.start_run, typed.body).run)}"


def parse_start(definition: Definition, form: Form, zone: str) -> TypedStart:
    """Return the start that a form requests."""
    typed = parse_form(definition.parameters, form)
    faults = dict(typed.faults)
    if not faults and definition.parameters:
        mismatch = find_mismatch(definition.parameters, typed.value)
        faults = {} if mismatch is None else {mismatch.path: mismatch.why}
    body = StartRunRequest(input=typed.value)
    for name, read in _OPTIONS.items():
        text = form.get(name, "").strip()
        try:
            option = msgspec.convert({name: read(text, zone)} if text else {}, StartRunRequest, strict=False)
        except (ValueError, MainspringError) as error:
            faults[name] = str(getattr(error, "message", error)).partition(" - at ")[0]
        else:
            body = msgspec.structs.replace(body, **({name: getattr(option, name)} if text else {}))
    return TypedStart(body, faults)


def start_command(name: str, body: StartRunRequest, *, has_input: bool) -> str:
    """Return the command line that starts the same run."""
    words = ["mainspring", "run", name]
    if has_input:
        words.append(KNOWN_SECRETS.redact(msgspec.json.encode(body.input).decode()))
    if body.key is not None:
        words += ["--key", body.key, *(["--restart-failed"] if body.key_policy == "restart" else [])]
    words += ["--at", body.at.isoformat()] if body.at is not None else []
    words += ["--queue", body.queue] if body.queue is not None else []
    words += ["--priority", str(body.priority)] if body.priority is not None else []
    return shlex.join(words)


def _parse_tags(text: str) -> dict[str, str]:
    """Return the tags of lines such as "team=billing". Raises ValueError."""
    tags: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"{line[:60]!r} is not of the form name=value")
        tags[name.strip()] = value.strip()
    return tags


_OPTIONS: Final[dict[str, Callable[[str, str], Any]]] = {
    **dict.fromkeys(("key", "key_policy", "queue", "priority", "title", "reason"), lambda text, _zone: text),
    "at": parse_local_time,
    "tags": lambda text, _zone: _parse_tags(text),
}
"""Parsers of the fields besides the arguments; the second argument is the zone."""

PAGES = (
    PageRoute(
        path="/a/{automation}/run",
        template="run_now.html",
        show=show,
        query=StartRunQuery,
        role=Role.OPERATOR,
        at="/automations",
        buttons={"start": PageButton(Role.OPERATOR, start_run_of_form)},
    ),
)
