"""A trigger as data: its source, how many deliveries become one run, and how an event becomes a run's arguments.

Workers announce it; web, scheduler and all others read it from the store, without user code.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.printable_key import make_printable_key
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.header_template import headers_by_template_name
from mainspring.domain.triggers.sources import load_sources
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.domain.values.function_signature import Parameter, Signature
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.domain.values.template import expand_template

if TYPE_CHECKING:
    StoredSource = TriggerSource
else:  # the tagged union of all kinds, which checkers cannot build
    StoredSource = reduce(or_, load_sources().values())
ArgumentMapping = Literal["nothing", "event", "data", "fields", "stdin"]
EVENT_ARGUMENT = "event"
"""The argument of a command's run that holds the event that started it."""
_SHORT = frozenset({str, int, float, bool, type(None)})


def split_trigger_name(name: str) -> tuple[str, str]:
    """Return the automation in the name of a trigger, and its end ("webhook", "files#2"). An automation's own name may contain a "/"."""
    automation, _, end = name.rpartition("/")
    return automation, end


class EventBinding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an event becomes arguments: the whole event, its data, or the fields of its data by name; `many` = a list of them."""

    how: ArgumentMapping = "nothing"
    parameter: str = ""
    names: tuple[str, ...] = ()
    many: bool = False

    @classmethod
    def of(cls, signature: Signature | None, event_type: type, *, many: bool) -> Self:
        """Return how a function reads an event: by a parameter annotated with `event_type`, by its only one, or field by field.

        A command (no signature) reads it as JSON from its standard input.

        Raises:
            OptionError: a batch is read field by field or as one event, or a parameter is required that no event provides.
        """
        if signature is None:
            return cls(how="stdin", parameter=EVENT_ARGUMENT, many=many)
        parameters = signature.parameters
        event_list = list[event_type]  # type: ignore[valid-type]
        for parameter in parameters:
            if parameter.annotation in (event_type, event_list):
                if many and parameter.annotation != event_list:
                    raise OptionError(
                        f"parameter {parameter.name!r} is one event, but batch= gives several",
                        hint=f"Annotate it as a list: {parameter.name}: list[ms.Event].",
                    )
                _check_other_parameters([other for other in parameters if other is not parameter], parameter.name)
                return cls(how="event", parameter=parameter.name, many=parameter.annotation == event_list)
        if len(parameters) == 1 and (many or parameters[0].annotation not in _SHORT):
            return cls(how="data", parameter=parameters[0].name, many=many)
        if not parameters:
            return cls(many=many)
        if many:
            raise OptionError(
                f"batch= gives several events, and there are {len(parameters)} parameters for the fields of one",
                hint="Receive them in one parameter: events: list[ms.Event].",
            )
        return cls(how="fields", names=tuple(parameter.name for parameter in parameters))

    def arguments(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the arguments of a run that was started by these events, oldest first (one, but for a batch).

        Raises:
            ArgumentMismatchError: the data has no fields, but fields are needed.
        """
        match self.how:
            case "nothing":
                return {}
            case "event" | "stdin":
                values: list[Any] = events
            case "data" | "fields":
                values = [event["data"] for event in events]
        if self.how != "fields":
            return {self.parameter: values if self.many else values[-1]}
        data = values[-1]
        if not isinstance(data, Mapping):
            raise ArgumentMismatchError(
                f"the data is {type(data).__name__}, not an object: there is nothing named {self.names[0]!r} in it",
                hint="Send a JSON object, or give the automation one parameter, which then gets all of the data.",
                at="$",
            )
        return {name: data[name] for name in self.names if name in data}

    def check(self, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        """Do nothing if the arguments fit the automation; `schema` = its parameters, empty for a command.

        Raises:
            ArgumentMismatchError: names the place inside the event or its data.
        """
        fault = find_mismatch(schema, arguments) if schema else None
        if fault is None:
            return
        inside = f"$.{self.parameter}"
        if self.many and len(arguments[self.parameter]) == 1:  # the sender of a single one knows nothing of a list
            inside += "[0]"
        path = "$" + fault.path[len(inside) :] if self.parameter and fault.path.startswith(inside) else fault.path
        raise ArgumentMismatchError(
            f"{path}: {fault.why}", hint="Send the arguments of the automation: mainspring triggers show NAME", at=path
        )


class ArgumentMismatchError(ArgumentError):
    """The data does not fit the automation that it would start; `at` = the place inside the event or its data (JSON path)."""

    def __init__(self, message: str, *, hint: str, at: str) -> None:
        super().__init__(message, hint=hint)
        self.at = at


def _check_other_parameters(other_parameters: Iterable[Parameter], event_parameter: str) -> None:
    for other in other_parameters:
        if other.is_required:
            raise OptionError(
                f"parameter {other.name!r} has no default, and a trigger gives the event to {event_parameter!r} alone",
                hint=f"Give {other.name!r} a default, or read it from the event.",
            )


def _with_header_names(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event whose headers a template can use: {headers.x_tenant} is x-tenant."""
    return {**event, "headers": headers_by_template_name(event.get("headers", {}))}


class Trigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trigger of one automation. `filtered` = a function of the user decides in a worker.

    `partition` = template: runs of one partition go one after the other.
    """

    source: StoredSource
    pace: FlowControl = FlowControl()
    filtered: bool = False
    partition: str | None = None
    reading: EventBinding = EventBinding()

    @property
    def kind(self) -> str:
        """The kind of its source, as one word."""
        return str(self.source.__struct_config__.tag)

    def by_of(self, event: Mapping[str, Any]) -> str:
        """Return the key by which the flow control counts an event.

        Raises:
            OptionError: the template has no value for a name.
        """
        return (
            "" if self.pace.by is None else make_printable_key(expand_template(self.pace.by, _with_header_names(event)))
        )

    def partition_of(self, event: Mapping[str, Any], delivery: str) -> str | None:
        """Return the partition of a run that an event starts, in addition to that of its definition; None = none.

        The `concurrency` of a flow control spreads the runs of a key over this many partitions.

        Raises:
            OptionError: a template has no value for a name.
        """
        if self.partition is not None:
            return expand_template(self.partition, _with_header_names(event))
        if self.pace.concurrency is None:
            return None
        partition_number = int.from_bytes(delivery.encode()[-4:], "big") % self.pace.concurrency
        return f"{self.by_of(event)}~{partition_number}"


class _StoredTrigger(msgspec.Struct, frozen=True):
    source: StoredSource
    pace: FlowControl = FlowControl()


_STORED_DECODER = msgspec.json.Decoder(_StoredTrigger)


def read_debounce(data: bytes) -> int | None:
    """Return the debounce (ms) of a stored trigger; None without one, or of another version."""
    try:
        return _STORED_DECODER.decode(data).pace.debounce
    except msgspec.MsgspecError:
        return None


def read_source(data: bytes) -> TriggerSource | None:
    """Return the source of a stored trigger; None if it is of another version, which this one does not know."""
    try:
        return _STORED_DECODER.decode(data).source
    except msgspec.MsgspecError:
        return None
