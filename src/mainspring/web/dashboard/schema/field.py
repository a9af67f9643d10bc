"""One field of a form, and what may be said at it: what was typed, what is wrong, what is to be known. Pure."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from mainspring.web.dashboard.schema.shape import TIMES, Kind, has_picker
from mainspring.web.dashboard.schema.typed import JSON, PLAIN, ZONE

Fields = tuple["Field", ...]


class Choice(msgspec.Struct, frozen=True):
    """One of a select: its value in the form, and what is shown."""

    value: str
    text: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One control, or with `fields` several together. `zone` is set where the zone of an instant is asked for beside it.

    `path` = where it stands in the arguments; `about` is its author's word, `hint` ours; `note` says what is to be known of its value,
    `fault` what is wrong with it.
    """

    name: str
    path: str
    label: str
    kind: Kind
    text: str = ""
    zone: str | None = None
    required: bool = False
    about: str = ""
    hint: str = ""
    note: str = ""
    fault: str = ""
    choices: tuple[Choice, ...] = ()
    fields: Fields = ()


def all_of(fields: Fields) -> Iterator[Field]:
    """Give fields with all that are inside of them."""
    for one in fields:
        yield one
        yield from all_of(one.fields)


def refilled(fields: Fields, form: Mapping[str, str]) -> Fields:
    """Return fields with what was typed, well or not, each in a control that can show it."""
    return tuple(_refilled(one, form) for one in fields)


def marked(fields: Fields, faults: Mapping[str, str]) -> Fields:
    """Return fields with what is wrong at each: a fault stands at the innermost field that holds its place."""
    places = {one.path for one in all_of(fields)}
    found: dict[str, list[str]] = {}
    for path, why in faults.items():
        holding = [one for one in places if path == one or path.startswith((f"{one}.", f"{one}["))]
        place = max(holding, key=len, default="")
        found.setdefault(place, []).append(why if place == path else f"{path}: {why}")
    return _each(fields, lambda one: msgspec.structs.replace(one, fault="; ".join(found.get(one.path, ()))))


def noted(fields: Fields, notes: Mapping[str, str]) -> Fields:
    """Return fields with a note at those of these names."""
    return tuple(msgspec.structs.replace(one, note=notes.get(one.label, "")) for one in fields)


def sent_by(fields: Fields) -> dict[str, str]:
    """Return the form that a browser sends of these fields where nobody changes them."""
    form: dict[str, str] = {}
    for one in all_of(fields):
        if not one.fields:
            form[one.name] = one.text
            if one.zone is not None:
                form[ZONE + one.name.removeprefix(PLAIN)] = one.zone
    return form


def _refilled(field: Field, form: Mapping[str, str]) -> Field:
    bare = field.name.removeprefix(PLAIN)
    if field.name.startswith(PLAIN) and JSON + bare in form:
        text = form[JSON + bare]
        return msgspec.structs.replace(field, name=JSON + bare, kind=Kind.JSON, text=text, zone=None, fields=())
    text = form.get(field.name, field.text)
    kind = field.kind
    # A picker would show nothing of what it cannot show.
    if kind in TIMES and not has_picker(kind, text):
        kind = Kind.TEXT
    if kind is Kind.TEXT and "\n" in text:
        kind = Kind.LINES
    zone = form.get(ZONE + bare, None if kind is Kind.TEXT else field.zone)
    return msgspec.structs.replace(field, kind=kind, text=text, zone=zone, fields=refilled(field.fields, form))


def _each(fields: Fields, change: Callable[[Field], Field]) -> Fields:
    return tuple(change(msgspec.structs.replace(one, fields=_each(one.fields, change))) for one in fields)
