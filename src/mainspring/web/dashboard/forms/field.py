"""One field of a form, and what may be said at it: what was typed, what is wrong, what is to be known. Pure."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from mainspring.web.dashboard.forms.field_type import TIMES, InputKind, has_picker
from mainspring.web.dashboard.forms.typed_values import JSON, PLAIN, ZONE

FormFields = tuple["FormField", ...]


class FieldChoice(msgspec.Struct, frozen=True):
    """One of a select: its value in the form, and what is shown."""

    value: str
    text: str


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One control, or with `fields` several together. `zone` is set where the zone of an instant is asked for beside it.

    `path` = where it stands in the arguments; `about` is its author's word, `hint` ours; `note` says what is to be known of its value,
    `fault` what is wrong with it.
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
    """Give fields with all that are inside of them."""
    for one in fields:
        yield one
        yield from iterate_fields(one.fields)


def refill_fields(fields: FormFields, form: Mapping[str, str]) -> FormFields:
    """Return fields with what was typed, well or not, each in a control that can show it."""
    return tuple(_refill(one, form) for one in fields)


def add_faults(fields: FormFields, faults: Mapping[str, str]) -> FormFields:
    """Return fields with what is wrong at each: a fault stands at the innermost field that holds its place."""
    places = {one.path for one in iterate_fields(fields)}
    found: dict[str, list[str]] = {}
    for path, why in faults.items():
        holding = [one for one in places if path == one or path.startswith((f"{one}.", f"{one}["))]
        place = max(holding, key=len, default="")
        found.setdefault(place, []).append(why if place == path else f"{path}: {why}")
    return _map_fields(fields, lambda one: msgspec.structs.replace(one, fault="; ".join(found.get(one.path, ()))))


def add_notes(fields: FormFields, notes: Mapping[str, str]) -> FormFields:
    """Return fields with a note at those of these names."""
    return tuple(msgspec.structs.replace(one, note=notes.get(one.label, "")) for one in fields)


def build_sent_form(fields: FormFields) -> dict[str, str]:
    """Return the form that a browser sends of these fields where nobody changes them."""
    form: dict[str, str] = {}
    for one in iterate_fields(fields):
        if not one.fields:
            form[one.name] = one.text
            if one.zone is not None:
                form[ZONE + one.name.removeprefix(PLAIN)] = one.zone
    return form


def _refill(field: FormField, form: Mapping[str, str]) -> FormField:
    bare = field.name.removeprefix(PLAIN)
    if field.name.startswith(PLAIN) and JSON + bare in form:
        text = form[JSON + bare]
        return msgspec.structs.replace(field, name=JSON + bare, kind=InputKind.JSON, text=text, zone=None, fields=())
    text = form.get(field.name, field.text)
    kind = field.kind
    # A picker would show nothing of what it cannot show.
    if kind in TIMES and not has_picker(kind, text):
        kind = InputKind.TEXT
    if kind is InputKind.TEXT and "\n" in text:
        kind = InputKind.LINES
    zone = form.get(ZONE + bare, None if kind is InputKind.TEXT else field.zone)
    return msgspec.structs.replace(field, kind=kind, text=text, zone=zone, fields=refill_fields(field.fields, form))


def _map_fields(fields: FormFields, change: Callable[[FormField], FormField]) -> FormFields:
    return tuple(change(msgspec.structs.replace(one, fields=_map_fields(one.fields, change))) for one in fields)
