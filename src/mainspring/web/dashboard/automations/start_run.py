"""`/a/NAME/run`: start a run by a form of the automation's parameters, filled in from the last run or another one."""

import shlex
from collections.abc import Callable
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.errors import ConflictError, MainspringError
from mainspring.domain.redaction.secret_detection import SECRET_FIELD_NAME
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.domain.values.sealing import find_reference, split_sealed
from mainspring.insight.text.formatting import format_count
from mainspring.insight.triggers.delivery_view import remove_secret_headers
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.service.runs.run_start import read_startable_definition
from mainspring.store.views import RunView
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import automations
from mainspring.web.api.endpoints.automations import StartRunRequest
from mainspring.web.dashboard.forms.field import add_faults, add_notes, build_sent_form, refill_fields
from mainspring.web.dashboard.forms.form import build_fields
from mainspring.web.dashboard.forms.typed_values import parse_form
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api
from mainspring.web.dashboard.time_fields import parse_local_time, zone_of_automation
from mainspring.web.server.path_table import path_segment

_SECRET = "not shown: it contains a secret, or has the name of one"
_SECRET_IN_IT = "partly hidden: it contains a secret, or something with the name of one"


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
        definition = read_startable_definition(view)
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
    definition = read_startable_definition(automations.show_automation(api_call(call)).automation)
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
        words += ["--key", body.key, *([] if body.key_policy == "reuse" else ["--key-policy", body.key_policy])]
        words += ["--join", body.join] if body.join != "same" else []
    words += ["--request-id", body.request_id] if body.request_id is not None else []
    words += ["--retry", str(body.retry)] if body.retry is not None else []
    for header, value in remove_secret_headers(body.headers or {}).items():
        words += ["--header", f"{header}={value}"]
    words += ["--at", body.at.isoformat()] if body.at is not None else []
    words += ["--queue", body.queue] if body.queue is not None else []
    words += ["--priority", str(body.priority)] if body.priority is not None else []
    return shlex.join(words)


def _parse_attempts(text: str) -> int:
    """Return how many attempts the run has in all. Raises ValueError."""
    if not text.isdecimal():
        raise ValueError(f"{text[:60]!r} is no whole number from 1")
    return int(text)


def _parse_pairs(text: str) -> dict[str, str]:
    """Return the pairs of lines such as "team=billing". Raises ValueError."""
    tags: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"{line[:60]!r} is not of the form name=value")
        if name.strip() in tags:
            raise ValueError(f"{name.strip()[:60]!r} is there twice")
        tags[name.strip()] = value.strip()
    return tags


_OPTIONS: Final[dict[str, Callable[[str, str], Any]]] = {
    **dict.fromkeys(
        ("key", "key_policy", "join", "request_id", "queue", "priority", "title", "reason"), lambda text, _zone: text
    ),
    "at": parse_local_time,
    "retry": lambda text, _zone: _parse_attempts(text),
    "tags": lambda text, _zone: _parse_pairs(text),
    "headers": lambda text, _zone: _parse_pairs(text),
}
"""Parsers of the fields besides the arguments; the second argument is the zone."""

PAGES = (
    PageRoute(
        path="/a/{automation}/run",
        template="automations/run_now.html",
        show=show,
        query=StartRunQuery,
        role=Role.OPERATOR,
        at="/automations",
        buttons={"start": PageButton(Role.OPERATOR, start_run_of_form)},
    ),
)


class EarlierInput(msgspec.Struct, frozen=True):
    """`run` = the source of the values, None = there is none; `description` = why part of its input is missing; `notes` = by argument."""

    run: RunView | None = None
    values: dict[str, Any] = {}
    description: str = ""
    notes: dict[str, str] = {}


def read_earlier_input(
    call: ApiCall[Any, Any], definition: Definition, run: str | None, *, blank: bool = False
) -> EarlierInput:
    """Return the input of this run, else of the newest of the automation.

    Raises:
        NotFoundError: this visitor sees no such run of this automation.
    """
    if run is None:
        newest = () if blank else call.site.reads.list_runs(name=definition.name, limit=1).runs
        if not newest:
            return EarlierInput()
        run = newest[0].id
    view = call.run(run)
    if view.automation != definition.name:
        call.missing(f"run of {definition.name}", run)
    data = call.site.opening.run(view).input
    sealed = split_sealed(data)
    if sealed is not None:
        return EarlierInput(
            view,
            description=f"Its input is sealed by codec {sealed.codec!r}, which the web process does not have, so it is "
            "not shown.",
        )
    if find_reference(data) is not None:
        return EarlierInput(
            view, description="Its input is stored by reference and cannot be read now, so it is not shown."
        )
    values = msgspec.json.decode(data)
    return _build_earlier_input(view, values, definition.parameters) if isinstance(values, dict) else EarlierInput(view)


def remove_secret_defaults(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the schema of arguments without secret defaults, and a note for each argument that lost its default."""
    cleaned, notes = _remove_defaults(schema)
    if "$defs" in schema:
        cleaned = {**cleaned, "$defs": {name: _remove_defaults(part)[0] for name, part in schema["$defs"].items()}}
    return cleaned, notes


def _remove_defaults(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    properties, notes = {}, {}
    for name, part in schema.get("properties", {}).items():
        if "default" in part and _is_secret(name, part["default"]):
            notes[name] = f"its default is {_SECRET}"
            part = {key: value for key, value in part.items() if key != "default"}  # noqa: PLW2901 - a copy of it
        properties[name] = part
    return ({**schema, "properties": properties} if notes else schema), notes


def _build_earlier_input(view: RunView, values: dict[str, Any], schema: dict[str, Any]) -> EarlierInput:
    is_open = schema.get("additionalProperties", False) is not False
    accepted = {name: value for name, value in values.items() if is_open or name in schema.get("properties", {})}
    notes = {name: _SECRET for name, value in accepted.items() if _is_secret(name, value)}
    partly = {name: visible for name in notes if (visible := _remove_secrets(name, accepted[name]))}
    notes |= dict.fromkeys(partly, _SECRET_IN_IT)
    dropped = [name for name in values if name not in accepted]
    text = f"It also had {', '.join(dropped)}, which the automation no longer has." if dropped else ""
    return EarlierInput(
        view, {name: value for name, value in accepted.items() if name not in notes} | partly, text, notes
    )


def _remove_secrets(name: str, value: Any) -> dict[str, Any]:
    """Return the fields of an object that may be shown, nested ones too; none if it is no object, or its name says that it is a secret."""
    if (
        not isinstance(value, dict)
        or SECRET_FIELD_NAME.search(name)
        or any(KNOWN_SECRETS.redact(key) != key for key in value)
    ):
        return {}
    parts = {key: _remove_secrets(key, field) for key, field in value.items() if _is_secret(key, field)}
    return {key: parts.get(key, field) for key, field in value.items() if key not in parts or parts[key]}


def _is_secret(name: str, value: Any) -> bool:
    data = {name: value}
    return bool(KNOWN_SECRETS.redactor.redact_data(data) != data)
