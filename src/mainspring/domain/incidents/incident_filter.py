"""Incident filters of routes and maintenance windows: by severity, team, tag, automation, owner, kind or assignee.

A key that is left out is not checked; one of several values has to match; all keys have to match. Names of automations are patterns:
`billing-*`.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.text.escaping import is_plain_line


class IncidentAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of an incident, and of the definition of its automation, that decide on its notifications."""

    subject: Subject
    severity: Severity
    owner: str | None = None
    team: str | None = None
    tags: Mapping[str, str] = {}
    assignee: str | None = None
    """Of a question: who is to answer it now."""


class IncidentFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The values that have to match; a tag is "key" or "key=value"."""

    severity: tuple[Severity, ...] = ()
    team: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    automation: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    kind: tuple[IncidentKind, ...] = ()
    assignee: tuple[str, ...] = ()

    def fits(self, attributes: IncidentAttributes) -> bool:
        """Whether it matches this incident."""
        tags = {*attributes.tags, *(f"{key}={value}" for key, value in attributes.tags.items())}
        name = attributes.subject.automation
        return (
            (not self.severity or attributes.severity in self.severity)
            and (not self.kind or attributes.subject.kind in self.kind)
            and (not self.team or attributes.team in self.team)
            and (not self.owner or attributes.owner in self.owner)
            and (not self.assignee or attributes.assignee in self.assignee)
            and (not self.tag or not tags.isdisjoint(self.tag))
            and (not self.automation or any(fnmatchcase(name, pattern) for pattern in self.automation))
        )


def read_incident_filter(value: Any, where: str) -> IncidentFilter:
    """Return the filter that is written, as in `{ severity = "page", team = ["billing", "data"] }`.

    Raises:
        OptionError: a value cannot be used; `where` names its place.
        UnknownNameError: no such key, severity or kind.
    """
    if not isinstance(value, Mapping):
        raise OptionError(f"the match of {where} is not a table", hint='Write match = { severity = "page" }.')
    readers: dict[str, Callable[[Any], Any]] = {name: lambda text: text for name in IncidentFilter.__struct_fields__}
    readers |= {
        "severity": lambda text: _read_choice(Severity, "severity", text),
        "kind": lambda text: _read_choice(IncidentKind, "kind of incident", text),
    }
    values: dict[str, Any] = {}
    for key, value_read in value.items():
        if key not in readers:
            raise UnknownNameError(f"key in the match of {where}:", key, readers)
        values[key] = tuple(readers[key](text) for text in read_texts(value_read, f"{key} in the match of {where}"))
    return IncidentFilter(**values)


def read_texts(value: Any, place: str) -> tuple[str, ...]:
    """Return one text or several, none of them empty. Raises OptionError."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise OptionError(f"{place}: expected a text or a list of texts, got {str(value)[:40]!r}")
    if not all(isinstance(text, str) and text and is_plain_line(text) for text in texts):
        raise OptionError(f"{place}: each must be one line of text that is not empty")
    return tuple(texts)


def _read_choice(kind: type[Any], place: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise UnknownNameError(place, text, [choice.value for choice in kind]) from None
