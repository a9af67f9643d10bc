"""The input of an earlier run, to fill in a form: as far as it may be shown and the automation still accepts it."""

from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.redaction.secret_detection import SECRET_FIELD_NAME
from mainspring.domain.values.sealing import split_sealed
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall

_SECRET = "not shown: it contains a secret, or has the name of one"
_SECRET_IN_IT = "partly hidden: it contains a secret, or something with the name of one"


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
