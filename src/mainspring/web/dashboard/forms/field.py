"""One field of a form, with its typed text, its fault and its notes. Pure."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from mainspring.domain.values.canonical_json import join_path
from mainspring.web.dashboard.forms.field_type import TIMES, InputKind, has_picker
from mainspring.web.dashboard.forms.typed_values import JSON, PLAIN, ZONE

FormFields = tuple["FormField", ...]


class FieldChoice(msgspec.Struct, frozen=True):
    """One choice of a select: its value in the form, and its label."""

    value: str
    text: str


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One control, or with `fields` a group of them. `zone` is set if the zone of an instant has a field of its own.

    `path` = its place in the arguments; `about` is the text of its author, `hint` our own; `note` is about its value, `fault` the error in
    it.
    """

    name: str
    path: str
    label: str
    kind: InputKind
    text: str = ""
    zone: str | None = None
    required: bool = False
    about: str = ""
    hint: str = ""
    note: str = ""
    fault: str = ""
    choices: tuple[FieldChoice, ...] = ()
    fields: FormFields = ()


def iterate_fields(fields: FormFields) -> Iterator[FormField]:
    """Yield fields, each followed by the fields inside it."""
    for field in fields:
        yield field
        yield from iterate_fields(field.fields)


def refill_fields(fields: FormFields, form: Mapping[str, str]) -> FormFields:
    """Return fields with the typed texts, valid or not, each in a control that can display its text."""
    return tuple(_refill(field, form) for field in fields)


def add_faults(fields: FormFields, faults: Mapping[str, str]) -> FormFields:
    """Return fields with their faults: a fault is set on the innermost field that contains its place."""
    places = {field.path for field in iterate_fields(fields)}
    reasons: dict[str, list[str]] = {}
    for path, reason in faults.items():
        containing = [
            known_path
            for known_path in places
            if path == known_path or path.startswith((f"{known_path}.", f"{known_path}["))
        ]
        innermost = max(containing, key=len, default="")
        reasons.setdefault(innermost, []).append(reason if innermost == path else f"{path}: {reason}")
    return _map_fields(
        fields, lambda field: msgspec.structs.replace(field, fault="; ".join(reasons.get(field.path, ())))
    )


def add_notes(fields: FormFields, notes: Mapping[str, str]) -> FormFields:
    """Return fields with notes, by the name of the argument."""
    by_path = {join_path("$", name): note for name, note in notes.items()}
    return tuple(msgspec.structs.replace(field, note=by_path.get(field.path, "")) for field in fields)


def build_sent_form(fields: FormFields) -> dict[str, str]:
    """Return the form that a browser sends if the person changes nothing."""
    form: dict[str, str] = {}
    for field in iterate_fields(fields):
        if not field.fields:
            form[field.name] = field.text
            if field.zone is not None:
                form[ZONE + field.name.removeprefix(PLAIN)] = field.zone
    return form


def _refill(field: FormField, form: Mapping[str, str]) -> FormField:
    bare = field.name.removeprefix(PLAIN)
    if field.name.startswith(PLAIN) and JSON + bare in form:
        text = form[JSON + bare]
        return msgspec.structs.replace(field, name=JSON + bare, kind=InputKind.JSON, text=text, zone=None, fields=())
    text = form.get(field.name, field.text)
    kind = field.kind
    # A picker displays nothing if it cannot display the text.
    if kind in TIMES and not has_picker(kind, text):
        kind = InputKind.TEXT
    if kind is InputKind.TEXT and "\n" in text:
        kind = InputKind.LINES
    zone = form.get(ZONE + bare, None if kind is InputKind.TEXT else field.zone)
    return msgspec.structs.replace(field, kind=kind, text=text, zone=zone, fields=refill_fields(field.fields, form))


def _map_fields(fields: FormFields, change: Callable[[FormField], FormField]) -> FormFields:
    return tuple(change(msgspec.structs.replace(field, fields=_map_fields(field.fields, change))) for field in fields)
