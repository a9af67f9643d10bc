"""Flow control: how many deliveries become how many runs: debounce, throttle, batch, dedup and rate, each by key.

Pure functions of the earlier state and of time.

Invariant: every held delivery has an instant at which it is evaluated again, so that no accepted delivery waits for ever.
"""

from typing import NamedTuple, Self

import msgspec

from mainspring.domain.duration import SpanInput, format_duration, parse_duration, read_milliseconds, to_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.states import DeliveryState
from mainspring.domain.time.rate import parse_rate
from mainspring.domain.time.rate_window import RateWindow
from mainspring.domain.triggers.header_template import normalize_template

TEMPLATE_FIELDS = ("data", "headers", "name", "key", "trigger")
"""Fields of an event that a template of a trigger may use."""
_MOST_IN_A_BATCH = 1_000
_MOST_HELD = 10_000


class FlowControl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The flow control of a trigger; the plain one starts a run for each delivery. Spans are milliseconds.

    `by` = template of the key by which all of it counts (default: the trigger as a whole). `debounce` = start with the newest once
    nothing came for this long; `throttle` = at most one start a span, the newest of those that came meanwhile at its end; `batch` = one
    run for this many deliveries, or for those of `within` after the first. `dedup` = a delivery this soon after another of its key that
    counted is dropped. `rate` = (count, per): a start that would be too early waits. `concurrency` = at most this many runs of a key at
    once.
    """

    by: str | None = None
    debounce: int | None = None
    throttle: int | None = None
    batch: int | None = None
    within: int | None = None
    dedup: int | None = None
    rate: tuple[int, int] | None = None
    concurrency: int | None = None

    @classmethod
    def parse(
        cls,
        *,
        by: str | None = None,
        debounce: SpanInput | None = None,
        throttle: SpanInput | None = None,
        batch: int | None = None,
        within: SpanInput | None = None,
        dedup: SpanInput | None = None,
        rate: str | None = None,
        concurrency: int | None = None,
    ) -> Self:
        """Return the flow control that options describe.

        Raises:
            OptionError: a value cannot be used, or two options exclude each other.
        """
        shapes = {"debounce": debounce, "throttle": throttle, "batch": batch}
        stated = [name for name, value in shapes.items() if value is not None]
        if len(stated) > 1:
            raise OptionError(
                f"{' and '.join(stated)} exclude each other: each decides which deliveries become one run",
                hint="Keep one of them.",
            )
        if within is not None and batch is None and debounce is None:
            raise OptionError("within= belongs to batch= or debounce=", hint='Write batch=100, within="5s".')
        for name, number, most in (("batch", batch, _MOST_IN_A_BATCH), ("concurrency", concurrency, 1_000)):
            if number is not None and (type(number) is not int or not 1 <= number <= most):
                raise OptionError(f"{name}={number!r} is not a whole number from 1 to {most}", hint="Choose one.")
        limit = None if rate is None else parse_rate(rate)
        return cls(
            by=None if by is None else normalize_template(by, TEMPLATE_FIELDS, option="by"),
            debounce=_read_ms("debounce", debounce),
            throttle=_read_ms("throttle", throttle),
            batch=batch,
            within=_read_ms("within", within) if within is not None or batch is None else 5_000,
            dedup=_read_ms("dedup", dedup),
            rate=None if limit is None else (limit.count, to_milliseconds(limit.per)),
            concurrency=concurrency,
        )

    @property
    def is_plain(self) -> bool:
        """Whether each arrival starts its run at once."""
        return all(value is None for value in (self.debounce, self.throttle, self.batch, self.dedup, self.rate))

    @property
    def remembers(self) -> int:
        """How long (ms) after its change the state of a key still matters."""
        return max(self.dedup or 0, self.throttle or 0, self.rate[1] if self.rate is not None else 0)

    @property
    def needs_list(self) -> bool:
        """Whether a run gets a list of deliveries."""
        return self.batch is not None

    def words(self) -> list[str]:
        """Return the flow control in words, for people."""
        spans = {"debounce": self.debounce, "throttle": self.throttle, "within": self.within, "dedup": self.dedup}
        parts = [f"{name} {_format_ms(ms)}" for name, ms in spans.items() if ms is not None]
        if self.batch is not None:
            parts.insert(0, f"batch of {self.batch}")
        if self.rate is not None:
            parts.append(f"at most {self.rate[0]} in {_format_ms(self.rate[1])}")
        if self.concurrency is not None:
            parts.append(f"at most {self.concurrency} at once")
        return [*parts, f"by {self.by}"] if parts and self.by is not None else parts


class FlowControlState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one key: when a delivery of it last counted and last started (ms), and the starts of the rate's span.

    `since_at` = when the first of the held ones came; the newest will start.
    """

    counted_at: int | None = None
    started_at: int | None = None
    starts: str = "[]"
    since_at: int | None = None


class HeldDeliveries(NamedTuple):
    """The held deliveries of one key: how many, and when the last of them is due."""

    number: int = 0
    last_due_at: int | None = None


class FlowControlDecision(NamedTuple):
    """The decision on a delivery: STARTED, HELD (evaluated again at `due_at`) or DROPPED. `replaces` = it replaces the held ones."""

    state: DeliveryState
    due_at: int | None = None
    replaces: bool = False
    note: str | None = None


def decide_delivery(
    flow_control: FlowControl, state: FlowControlState, held: HeldDeliveries, now: int
) -> FlowControlDecision:
    """Return the decision on a delivery of a key at the instant `now` (ms)."""
    if (
        flow_control.dedup is not None
        and state.counted_at is not None
        and _is_within(flow_control.dedup, state.counted_at, now)
    ):
        ago = _format_ms(max(now - state.counted_at, 0))
        return FlowControlDecision(
            DeliveryState.DROPPED,
            note=f"one of its key counted {ago} before; dedup is {_format_ms(flow_control.dedup)}",
        )
    if flow_control.debounce is not None:
        quiet_at = now + flow_control.debounce
        if flow_control.within is not None:
            quiet_at = min(quiet_at, _held_since(state, held, now) + flow_control.within)
        return FlowControlDecision(DeliveryState.HELD, max(quiet_at, now), replaces=True)
    if flow_control.batch is not None:
        place_in_batch = held.number % flow_control.batch  # earlier ones are full batches that were not released yet
        if place_in_batch + 1 == flow_control.batch:
            return FlowControlDecision(DeliveryState.HELD, now)
        due_at = now + (flow_control.within or 0)
        if place_in_batch and held.last_due_at is not None:
            due_at = min(due_at, held.last_due_at)
        return FlowControlDecision(DeliveryState.HELD, due_at)
    if flow_control.throttle is not None:
        free_at = now
        if state.started_at is not None and _is_within(flow_control.throttle, state.started_at, now):
            free_at = state.started_at + flow_control.throttle
        if free_at > now or held.number:
            return FlowControlDecision(DeliveryState.HELD, max(free_at, now), replaces=True)
    return FlowControlDecision(DeliveryState.HELD, now) if held.number else decide_start(flow_control, state, now)


def decide_start(flow_control: FlowControl, state: FlowControlState, now: int) -> FlowControlDecision:
    """Return whether a run may start now under the rate, else when."""
    if flow_control.rate is None:
        return FlowControlDecision(DeliveryState.STARTED)
    free_at = RateWindow.of(*flow_control.rate, state.starts).next_at(now)
    return (
        FlowControlDecision(DeliveryState.STARTED)
        if free_at <= now
        else FlowControlDecision(DeliveryState.HELD, free_at)
    )


def _held_since(state: FlowControlState, held: HeldDeliveries, now: int) -> int:
    return min(state.since_at, now) if held.number and state.since_at is not None else now


def _is_within(span: int, at: int, now: int) -> bool:
    """Return whether an instant is less than a span ago, or at most a span ahead: one further ahead is of a clock that was set back."""
    return -span <= now - at < span


def record_delivery(
    flow_control: FlowControl, state: FlowControlState, held: HeldDeliveries, now: int, *, started: bool
) -> FlowControlState:
    """Return the state after a delivery counted, and perhaps started a run; `held` = the deliveries held before it."""
    if started:
        return msgspec.structs.replace(record_release(flow_control, state, now), counted_at=now)
    return msgspec.structs.replace(state, counted_at=now, since_at=_held_since(state, held, now))


def record_release(flow_control: FlowControl, state: FlowControlState, now: int) -> FlowControlState:
    """Return the state after a run was started for the held deliveries."""
    starts = (
        state.starts
        if flow_control.rate is None
        else RateWindow.of(*flow_control.rate, state.starts).spend(1, now).write()
    )
    return msgspec.structs.replace(state, started_at=now, starts=starts, since_at=None)


def is_full(held: HeldDeliveries) -> bool:
    """Whether no more deliveries of a key are accepted until some have started: the sender has to wait."""
    return held.number >= _MOST_HELD


def _read_ms(name: str, value: SpanInput | None) -> int | None:
    return None if value is None else read_milliseconds(name, value, 1)


def _format_ms(ms: int) -> str:
    return format_duration(parse_duration(ms / 1000))
