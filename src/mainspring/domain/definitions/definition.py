"""A definition: everything about an automation that can be written down as data.

The worker writes it to the store, so that web and watcher know webhooks, schedules, options and parameters without
importing user code, and use the last good one when the worker is down. Invariant: `from_data(to_data())`
is the same definition. `fingerprint` shows changes; it never decides whether a run may continue.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Self

import msgspec

from mainspring.domain.definitions.options import OPTIONS, DefinitionKind
from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import MainspringError, OptionError
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.values.template import check_fields, check_template, expand_template, split_template

__all__ = ["Definition", "DefinitionKind", "build_schedules", "read_message_schemas"]

_TEMPLATE_OPTIONS = ("title", "key", "partition", "per", "produces", "item", "rollout_by")
_NO_VALUE = "?"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of one automation; `options` holds canonical values of the written options, without defaults."""

    kind: DefinitionKind
    name: str
    module: str = ""
    """The place of the function: a module's name, or the file it was loaded from."""
    qualname: str = ""
    version: int = 1
    options: dict[str, Any] = {}
    schedules: tuple[Schedule, ...] = ()
    triggers: dict[str, Trigger] = {}
    """By the end of their names: "webhook", "webhook#2"."""
    parameters: dict[str, Any] = {}
    """JSON schema of the arguments; empty for commands."""
    message_schemas: dict[str, dict[str, list[Any]]] = {}
    """The messages that its code can read: kind ("signal", "event"), name -> JSON schemas, one for each place that waits for it.

    A name is left out if the code does not state its whole schema. Found when it is announced.
    """
    actions: tuple[str, ...] = ()
    """The actions that its code and its steps name, such as "http.request". Found when it is announced."""
    fingerprint: str = ""
    command: list[str] = []
    """The words of a script's command; no shell reads them."""
    cwd: str | None = None
    env: dict[str, str] = {}
    doc: str = ""
    guide: str = ""
    """The section "Runbook" of its docstring."""
    file: str = ""
    line: int = 0
    is_isolated_by_timeout: bool = False
    """Its function runs in a child process because only there its time-out can stop it."""

    @property
    def where(self) -> str:
        """Return "file:line", or the module, for messages."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file or self.module

    def option(self, name: str) -> Any:
        """Return the canonical value of an option, its default if it was left out."""
        return self.options.get(name, OPTIONS[name].default)

    def span(self, name: str) -> timedelta | None:
        """Return an option that is a span; None if it is left out or off."""
        value = self.option(name)
        return None if value is None or value is False else parse_duration(value)

    def title_for(self, arguments: Mapping[str, Any], slot: int | None = None) -> str:
        """Return the title of one run in lists. A title never keeps a run from starting: a missing value is "?"."""
        title = self.option("title")
        if title is None:
            return self.name
        parts: list[str] = []
        for literal, name, spec in split_template(title):
            parts.append(literal)
            if name:
                field = f"{{{name}:{spec}}}" if spec else f"{{{name}}}"
                try:
                    parts.append(self.expand(field, arguments, slot))
                except OptionError:
                    parts.append(_NO_VALUE)
        return "".join(parts)

    def expand(self, template: str, arguments: Mapping[str, Any], slot: int | None = None) -> str:
        """Return a template filled with decoded JSON arguments and the slot's time in the schedule's zone.

        A run that no schedule started has no slot: pass the instant at which it was requested instead.

        Raises:
            OptionError: a name has no value, or a value does not fit its format.
        """
        values = dict(arguments)
        if slot is not None:
            values["slot"] = (self.schedules[0] if self.schedules else Schedule(tz=self.option("tz") or "UTC")).local(
                slot
            )
        return expand_template(template, values)

    def check_templates(self) -> None:
        """Refuse a template that uses a name which no run of this definition will have.

        Raises:
            OptionError: names the option, the automation and its place.
        """
        names = self._template_names()
        for option in _TEMPLATE_OPTIONS:
            value = self.option(option)
            for template in [value] if isinstance(value, str) else value or []:
                try:
                    check_template(template, names)
                    check_fields(template, self.parameters)
                except MainspringError as error:
                    raise OptionError(
                        f"option {option!r} of {self.name!r}: {error.message}\nin {self.where}", hint=error.hint
                    ) from None

    def _template_names(self) -> list[str] | None:
        """Return the names a template may use; None if any argument may be given."""
        if self.parameters.get("additionalProperties", False) not in (False, None):
            return None
        return [*self.parameters.get("properties", {}), "slot"]

    def to_data(self) -> dict[str, Any]:
        """Return plain JSON-able data that `from_data` turns into an equal definition."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        if not self.is_isolated_by_timeout:
            del data["is_isolated_by_timeout"]
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the definition that `to_data` described."""
        return msgspec.convert(dict(data), cls)


class _DefinitionSchemas(msgspec.Struct, frozen=True):
    message_schemas: dict[str, dict[str, list[Any]]] = {}


def read_message_schemas(definition: bytes, kind: str) -> dict[str, list[Any]]:
    """Return the schemas of the signals or events (`kind`) that an announced definition can read, by name."""
    try:
        return msgspec.json.decode(definition, type=_DefinitionSchemas).message_schemas.get(kind, {})
    except msgspec.MsgspecError:
        return {}


def build_schedules(
    options: Mapping[str, Any], name: str, more: Iterable[Schedule] = (), calendar: Calendar | None = None
) -> tuple[Schedule, ...]:
    """Return the schedules of canonical options, then `more` of them, all restricted to `calendar`; equal ones once.

    Raises:
        OptionError: a value cannot be used, no slot is ever on an open day, or `tz` is given without a wall-clock time.
    """
    tz, times = options.get("tz"), options.get("at", ())
    once = [at for at in times if "T" in at]
    crons = [*options.get("cron", ()), *(_daily_cron(at) for at in times if at not in once)]
    own_schedules = [Schedule.parse(cron=cron, tz=tz, name=name) for cron in crons]
    own_schedules += [Schedule.parse(at=at, tz=tz) for at in once]
    if "every" in options:
        own_schedules.append(
            Schedule.parse(every=options["every"], tz=None if own_schedules or calendar is not None else tz)
        )
    schedules = [schedule.with_calendar(calendar, tz) for schedule in (*own_schedules, *more)]
    _check_jitter(options.get("jitter"), schedules)
    return tuple({schedule.key: schedule for schedule in schedules}.values())


def _check_jitter(jitter: str | None, schedules: Iterable[Schedule]) -> None:
    """Refuse a jitter that could move a start past the next slot of an interval."""
    for schedule in schedules if jitter is not None else ():
        if schedule.every is not None and parse_duration(jitter or 0) >= timedelta(milliseconds=schedule.every):
            raise OptionError(
                f"jitter={jitter!r} is not shorter than {schedule.describe()}",
                hint="Make it shorter than the interval.",
            )


def _daily_cron(clock_time: str) -> str:
    """Return the cron expression of a time of day."""
    hour, minute = clock_time.split(":")
    return f"{int(minute)} {int(hour)} * * *"
