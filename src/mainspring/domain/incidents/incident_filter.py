"""What a route or a maintenance window is for: incidents of some severities, teams, tags, automations, owners or kinds.

What is left out is not looked at; of several values one has to fit; all that is stated has to fit. Names of automations are patterns:
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
    """What of an incident, and of the definition of its automation, decides who is told."""

    subject: Subject
    severity: Severity
    owner: str | None = None
    team: str | None = None
    tags: Mapping[str, str] = {}


class IncidentFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has to fit; a tag is "key" or "key=value"."""

    severity: tuple[Severity, ...] = ()
    team: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    automation: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    kind: tuple[IncidentKind, ...] = ()

    def fits(self, told: IncidentAttributes) -> bool:
        """Whether it is for this incident."""
        tags = {*told.tags, *(f"{key}={value}" for key, value in told.tags.items())}
        name = told.subject.automation
        return (
            (not self.severity or told.severity in self.severity)
            and (not self.kind or told.subject.kind in self.kind)
            and (not self.team or told.team in self.team)
            and (not self.owner or told.owner in self.owner)
            and (not self.tag or not tags.isdisjoint(self.tag))
            and (not self.automation or any(fnmatchcase(name, pattern) for pattern in self.automation))
        )


def read_incident_filter(value: Any, where: str) -> IncidentFilter:
    """Return what was written, as in `{ severity = "page", team = ["billing", "data"] }`.

    Raises:
        OptionError: a value cannot be used; `where` says in what.
        UnknownNameError: no such key, severity or kind.
    """
    if not isinstance(value, Mapping):
        raise OptionError(f"the match of {where} is no table", hint='Write match = { severity = "page" }.')
    readers: dict[str, Callable[[Any], Any]] = {name: lambda text: text for name in IncidentFilter.__struct_fields__}
    readers |= {
        "severity": lambda text: _read_choice(Severity, "severity", text),
        "kind": lambda text: _read_choice(IncidentKind, "kind of incident", text),
    }
    said: dict[str, Any] = {}
    for key, given in value.items():
        if key not in readers:
            raise UnknownNameError(f"key in the match of {where}:", key, readers)
        said[key] = tuple(readers[key](text) for text in read_texts(given, f"{key} in the match of {where}"))
    return IncidentFilter(**said)


def read_texts(value: Any, what: str) -> tuple[str, ...]:
    """Return one text or several, none of them empty. Raises OptionError."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found:
        raise OptionError(f"{what}: expected a text or several, got {str(value)[:40]!r}")
    if not all(isinstance(one, str) and one and is_plain_line(one) for one in found):
        raise OptionError(f"{what}: each is one line of text that is not empty")
    return tuple(found)


def _read_choice(kind: type[Any], what: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise UnknownNameError(what, text, [one.value for one in kind]) from None
