"""Internal event sources of triggers: published events, and the ends of other automations' runs."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

import msgspec

from mainspring.domain.duration import SpanInput, format_rounded_duration, read_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.triggers.event_matching import event_hash, match_hash, match_paths
from mainspring.domain.triggers.trigger_source import TriggerSource, TriggerTopic
from mainspring.domain.values.canonical_json import encode_canonical

END_STATES = tuple(sorted(state.value for state in TERMINAL_STATES))
_WITHIN = "24h"


class EventSource(TriggerSource, frozen=True, kw_only=True, tag="event", omit_defaults=True):
    """Every event of this name whose data has the values of `where` (dotted paths)."""

    required_options: ClassVar[tuple[str, ...]] = ("name",)
    further_options: ClassVar[tuple[str, ...]] = ("where",)

    name: str
    where: dict[str, Any] = {}  # noqa: RUF012 - a field, copied for each struct

    @classmethod
    def parse(cls, name: str, where: Mapping[str, Any] | None = None) -> Self:
        """Return the source.

        Raises:
            OptionError: the name is empty, or `where` is no table of JSON values.
        """
        return cls(name=_read_name(name, "event"), where=_read_where(where))

    def describe(self) -> str:
        parts = [f"{path} = {encode_canonical(value, 'where', None).decode()}" for path, value in self.where.items()]
        return f"event {self.name}" + (f" where {' and '.join(parts)}" if parts else "")

    def topics(self) -> tuple[TriggerTopic, ...]:
        return (TriggerTopic("event", self.name, msgspec.json.encode(self.where, order="deterministic").decode()),)

    def matches(self, data: Any) -> bool:
        """Return whether an event with this data matches."""
        return event_hash(self.name, match_paths(self.where), data) == match_hash(self.name, self.where)


class RunEndSource(TriggerSource, frozen=True, kw_only=True, tag="run", omit_defaults=True):
    """Each end of a run of `automation` in one of `states`."""

    required_options: ClassVar[tuple[str, ...]] = ("automation",)
    further_options: ClassVar[tuple[str, ...]] = ("state",)

    automation: str
    states: tuple[str, ...] = (RunState.SUCCEEDED.value,)

    @classmethod
    def parse(cls, automation: str, state: str | Iterable[str] | None = None) -> Self:
        """Return the source; state None = succeeded, "any" = each end.

        Raises:
            OptionError: a state is no end state of a run.
        """
        return cls(automation=_read_name(automation, "automation"), states=read_end_states(state))

    def describe(self) -> str:
        return f"a run of {self.automation} that {_describe_states(self.states)}"

    def topics(self) -> tuple[TriggerTopic, ...]:
        return (TriggerTopic("run", self.automation, msgspec.json.encode(self.states).decode()),)

    def upstream(self) -> tuple[str, ...]:
        return (self.automation,)

    def upstream_states(self) -> tuple[str, ...]:
        return self.states


class JoinedRunsSource(TriggerSource, frozen=True, kw_only=True, tag="runs", omit_defaults=True):
    """The end of all `automations` in one of `states` for one slot, or under one run key; `within` (ms) of the first."""

    required_options: ClassVar[tuple[str, ...]] = ("automations",)
    further_options: ClassVar[tuple[str, ...]] = ("state", "per", "within")
    has_flow_control: ClassVar[bool] = False

    automations: tuple[str, ...]
    states: tuple[str, ...] = (RunState.SUCCEEDED.value,)
    per: Literal["slot", "key"] = "slot"
    within: int = 86_400_000

    @classmethod
    def parse(
        cls,
        automations: Iterable[str],
        state: str | Iterable[str] | None = None,
        per: str = "slot",
        within: SpanInput | None = None,
    ) -> Self:
        """Return the source.

        Raises:
            OptionError: fewer than two names, one of them twice, or a value that cannot be used.
        """
        names = _read_several("automations", automations)
        for name in names:
            _read_name(name, "automation")
        if len(names) < 2 or len(set(names)) < len(names):
            raise OptionError(
                f"runs of {', '.join(map(repr, names)) or 'nothing'}: this waits for two or more different automations",
                hint='Write ms.on.runs(["extract", "load"]); for one: ms.on.run("extract").',
            )
        if per not in ("slot", "key"):
            raise OptionError(f"per={per!r} is neither slot nor key", hint='Write per="slot" or per="key".')
        span = read_milliseconds("within", _WITHIN if within is None else within, 1)
        return cls(
            automations=names, states=read_end_states(state), per="slot" if per == "slot" else "key", within=span
        )

    def describe(self) -> str:
        names = f"{', '.join(self.automations[:-1])} and {self.automations[-1]}"
        within = format_rounded_duration(self.within)
        return f"runs of {names} that {_describe_states(self.states)}, for one {self.per}, within {within}"

    def topics(self) -> tuple[TriggerTopic, ...]:
        return tuple(TriggerTopic("run", automation, "[]") for automation in self.automations)

    def upstream(self) -> tuple[str, ...]:
        return self.automations

    def upstream_states(self) -> tuple[str, ...]:
        return self.states


def read_end_states(state: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the requested end states.

    Raises:
        OptionError: one is no end state of a run.
    """
    if state is None:
        return (RunState.SUCCEEDED.value,)
    if state == "any":
        return END_STATES
    requested = _read_several("state", state)
    for end_state in requested:
        if end_state not in END_STATES:
            raise OptionError(f"no run ends as {end_state!r}", hint=f"Choose of: {', '.join(END_STATES)}, any.")
    return tuple(sorted({str(end_state) for end_state in requested})) or END_STATES


def _describe_states(states: tuple[str, ...]) -> str:
    if states == END_STATES:
        return "ended"
    words = ["ended well" if state == RunState.SUCCEEDED else f"ended {state}" for state in states]
    return " or ".join(words)


def _read_where(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    hint = 'Write paths and values: where={"card.country": "DE"}.'
    if not isinstance(value, Mapping) or not all(isinstance(path, str) for path in value):
        raise OptionError(f"where={repr(value)[:80]} is not a table", hint=hint)
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"where={repr(value)[:80]} cannot be saved: {error}", hint=hint) from None
    return dict(value)


def _read_several(option: str, value: Any) -> tuple[Any, ...]:
    """Return one text as a tuple."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise OptionError(f"{option}={repr(value)[:80]} is not a list of names", hint=f'Write {option}=["...", "..."].')
    return tuple(value)


def _read_name(name: Any, kind: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise OptionError(f"{name!r} is not the name of an {kind}", hint='Write it as text: "orders.paid".')
    return name
