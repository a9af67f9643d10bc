"""How many arrivals become how many runs, against the words of each pace, on any arrivals."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.errors import MainspringError
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers import flow_control
from mainspring.domain.triggers.flow_control import (
    FlowControl,
    FlowControlDecision,
    FlowControlState,
    HeldDeliveries,
    decide_delivery,
    decide_start,
    is_full,
    record_delivery,
    record_release,
)

_D = DeliveryState


class Run(NamedTuple):
    """When it started, and the arrivals (by number) that it is for."""

    at: int
    of: list[int]


class Key:
    """What a store keeps of one key of a trigger, and a router that looks exactly when something is due."""

    def __init__(self, flow_control: FlowControl) -> None:
        self.flow_control = flow_control
        self.mark = FlowControlState()
        self.held: list[tuple[int, int, int]] = []
        self.runs: list[Run] = []
        self.dropped: list[int] = []

    def arrive(self, number: int, at: int) -> None:
        last_due = self.held[-1][2] if self.held else None
        before = HeldDeliveries(len(self.held), last_due)
        decision = decide_delivery(self.flow_control, self.mark, before, at)
        if decision.replaces:
            self.dropped += [input for input, _, _ in self.held]
            self.held = []
        if decision.state is _D.STARTED:
            self.runs.append(Run(at, [number]))
        elif decision.state is _D.DROPPED:
            self.dropped.append(number)
        else:
            assert decision.due_at is not None, "nothing is held without an instant at which it is looked at"
            assert decision.due_at >= at
            self.held.append((number, at, decision.due_at))
            if self.flow_control.batch is not None:
                self.held = [(input, received_at, min(due, decision.due_at)) for input, received_at, due in self.held]
        if decision.state is not _D.DROPPED:
            self.mark = record_delivery(self.flow_control, self.mark, before, at, started=decision.state is _D.STARTED)

    def due_at(self) -> int | None:
        return min((due for _, _, due in self.held), default=None)

    def release(self, at: int) -> None:
        """What the router does with a key that is due."""
        decision = decide_start(self.flow_control, self.mark, at)
        if decision.state is _D.HELD:
            assert decision.due_at is not None
            assert decision.due_at > at, "what is put off is due later, so that no router looks for ever"
            self.held = [(input, received_at, max(due, decision.due_at)) for input, received_at, due in self.held]
            return
        most = self.flow_control.batch or 1
        self.runs.append(Run(at, [input for input, _, _ in self.held[:most]]))
        self.held = self.held[most:]
        self.mark = record_release(self.flow_control, self.mark, at)


def played(flow_control: FlowControl, received: list[int]) -> Key:
    """Let arrivals (instants, in order) come, and all that was held be released."""
    key = Key(flow_control)
    for number, at in enumerate([*received, 2**40]):
        while (due := key.due_at()) is not None and due <= at:
            key.release(due)
        if at < 2**40:
            key.arrive(number, at)
    assert not key.held
    return key


def instants(most_apart: int) -> st.SearchStrategy[list[int]]:
    """Instants of arrivals, in order, some of them the same."""
    gaps = st.lists(st.integers(0, most_apart), min_size=1, max_size=40)
    return gaps.map(lambda found: [1_000 + sum(found[: n + 1]) for n in range(len(found))])


@given(instants(30), st.integers(1, 20))
def test_debounce_starts_the_last_of_each_quiet_group(received, quiet):
    """Exactly that, exactly so long after it."""
    key = played(FlowControl(debounce=quiet), received)
    followed = [*received[1:], 2**40]
    lasts = [n for n, at in enumerate(received) if followed[n] - at >= quiet]
    assert key.runs == [Run(received[n] + quiet, [n]) for n in lasts]
    assert sorted(key.dropped + lasts) == list(range(len(received)))


@given(instants(30), st.integers(1, 20), st.integers(1, 60))
def test_debounce_waits_no_longer_than_within(received, quiet, within):
    """A sender that never rests still starts runs; each with the newest."""
    key = played(FlowControl(debounce=quiet, within=within), received)
    ends = [run.of[-1] for run in key.runs]
    for run, (first, last) in zip(key.runs, zip([0, *(n + 1 for n in ends)], ends, strict=False), strict=True):
        assert run.at == min(received[last] + quiet, max(received[first] + within, received[last]))
    assert ends[-1] == len(received) - 1


@given(instants(30), st.integers(1, 20))
def test_throttle_starts_once_a_span_and_never_loses_the_last(received, span):
    """The first at once, then the newest of those that came meanwhile, when the span is over."""
    key = played(FlowControl(throttle=span), received)
    assert key.runs[0] == Run(received[0], [0])
    assert all(later.at - earlier.at >= span for earlier, later in zip(key.runs, key.runs[1:], strict=False))
    assert key.runs[-1].of == [len(received) - 1]
    for run in key.runs:
        (number,) = run.of
        assert 0 <= run.at - received[number] <= span
        assert all(at >= run.at for at in received[number + 1 :]), "the newest counts"


@given(instants(30), st.integers(1, 6), st.integers(1, 60))
def test_batch_takes_each_once_in_time(received, most, within):
    """Never more than so many in one, in their order, and none waits longer than `within`."""
    key = played(FlowControl(batch=most, within=within), received)
    assert [number for run in key.runs for number in run.of] == list(range(len(received)))
    assert all(1 <= len(run.of) <= most for run in key.runs)
    for run in key.runs:
        first, last = received[run.of[0]], received[run.of[-1]]
        assert run.at == (last if len(run.of) == most and last - first < within else first + within)


@given(instants(30), st.integers(1, 40))
def test_dedup_drops_what_comes_too_soon_after_one_that_counted(received, span):
    """Counted from the one that counted, not from those that were dropped, nor from when it was released."""
    expected: list[int] = []
    for number, at in enumerate(received):
        if not expected or at - received[expected[-1]] >= span:
            expected.append(number)
    key = played(FlowControl(dedup=span), received)
    assert key.runs == [Run(received[number], [number]) for number in expected]
    assert sorted(key.dropped + expected) == list(range(len(received)))
    slow = played(FlowControl(dedup=span, rate=(1, 50)), received)
    assert [number for run in slow.runs for number in run.of] == expected


def most_in_any(runs: list[Run], span: int) -> int:
    return max(sum(run.at <= other.at < run.at + span for other in runs) for run in runs)


@given(instants(20), st.integers(1, 5), st.integers(1, 60))
def test_rate_holds_in_any_span_and_loses_nothing(received, count, span):
    """In the order in which they came, each as soon as it may."""
    key = played(FlowControl(rate=(count, span)), received)
    assert [run.of for run in key.runs] == [[number] for number in range(len(received))]
    assert most_in_any(key.runs, span) <= count
    for number, run in enumerate(key.runs):
        free = key.runs[number - count].at + span if number >= count else 0
        before = key.runs[number - 1].at if number else 0
        assert run.at == max(received[number], free, before)


@settings(max_examples=300)
@given(
    instants(20),
    st.sampled_from([{}, {"debounce": 7}, {"debounce": 7, "within": 15}, {"throttle": 9}, {"batch": 3, "within": 11}]),
    st.sampled_from([None, 5, 25]),
    st.sampled_from([None, (1, 13), (3, 40)]),
)
def test_combined_flow_controls_all_hold(received, shape, dedup, rate):
    """Each arrival is dropped, or in exactly one run; a rate holds whatever stands beside it; nothing waits for ever."""
    key = played(FlowControl(dedup=dedup, rate=rate, **shape), received)
    started = [number for run in key.runs for number in run.of]
    assert sorted(started + key.dropped) == list(range(len(received)))
    assert started == sorted(started)
    if rate is not None:
        assert most_in_any(key.runs, rate[1]) <= rate[0]
    if "throttle" in shape:
        assert all(later.at - earlier.at >= 9 for earlier, later in zip(key.runs, key.runs[1:], strict=False))


_LATER = 100_000_000


@pytest.mark.parametrize(
    ("flow_control", "expected"),
    [
        (FlowControl.parse(dedup="5s"), FlowControlDecision(DeliveryState.STARTED)),
        (FlowControl.parse(throttle="5s"), FlowControlDecision(DeliveryState.STARTED)),
        (FlowControl.parse(debounce="5s", within="20s"), FlowControlDecision(DeliveryState.HELD, 6_000, replaces=True)),
        (FlowControl.parse(batch=9, within="5s"), FlowControlDecision(DeliveryState.HELD, 6_000)),
    ],
    ids=["dedup", "throttle", "debounce", "batch"],
)
def test_clock_that_was_set_back_holds_nothing_up(flow_control, expected):
    """Whatever was remembered of a time that is yet to come says nothing any more: no arrival waits for it, or is dropped for it."""
    held = HeldDeliveries(1, _LATER) if expected.due_at else HeldDeliveries()
    mark = FlowControlState(counted_at=_LATER, started_at=_LATER, since_at=_LATER)
    assert decide_delivery(flow_control, mark, held, 1_000) == expected


@pytest.mark.parametrize(
    "flow_control", [FlowControl.parse(dedup="5s"), FlowControl.parse(throttle="5s")], ids=["dedup", "throttle"]
)
def test_instants_a_moment_ahead_count_as_now(flow_control):
    """Of two commits the later one may have the earlier instant: it does not count as a clock that was set back."""
    assert (
        decide_delivery(
            flow_control, FlowControlState(counted_at=1_050, started_at=1_050), HeldDeliveries(), 1_000
        ).state
        is not DeliveryState.STARTED
    )


def test_empty_flow_control_starts_each_at_once():
    """The plain one."""
    assert FlowControl.parse().is_plain
    assert decide_delivery(FlowControl(), FlowControlState(), HeldDeliveries(), 5).state is _D.STARTED
    assert FlowControl.parse(by="{key}", concurrency=2).is_plain
    assert not FlowControl.parse(rate="1/s").is_plain


def test_flow_control_is_read_from_words():
    """Spans and rates as everywhere else; a batch without a span takes five seconds."""
    assert FlowControl.parse(debounce="2m", within="10m") == FlowControl(debounce=120_000, within=600_000)
    assert FlowControl.parse(batch=3) == FlowControl(batch=3, within=5_000)
    assert FlowControl.parse(rate="10/m", dedup=1.5) == FlowControl(rate=(10, 60_000), dedup=1_500)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"debounce": "1s", "batch": 2}, "debounce and batch exclude each other"),
        ({"throttle": "1s", "within": "1s"}, "within= belongs to batch= or debounce="),
        ({"batch": 0}, "batch=0 is not a whole number from 1"),
        ({"batch": True}, "batch=True is not a whole number"),
        ({"concurrency": 1_001}, "from 1 to 1000"),
        ({"dedup": "0s"}, "is too short"),
        ({"by": "{other}"}, "other"),
        ({"rate": "many"}, "many"),
    ],
)
def test_flow_control_that_cannot_be_is_refused(options, message):
    """With what is wrong and what to write."""
    with pytest.raises(MainspringError, match=message.replace("(", r"\(")) as refused:
        FlowControl.parse(**options)
    assert refused.value.hint


def test_mark_is_stored_as_long_as_its_flow_control_needs_it():
    """Longer it says nothing."""
    assert FlowControl().remembers == 0
    assert FlowControl(dedup=5, throttle=9, rate=(1, 7)).remembers == 9


def test_key_that_holds_too_many_takes_no_more(monkeypatch):
    """Anyone who sends is asked to wait."""
    monkeypatch.setattr(flow_control, "_MOST_HELD", 3)
    assert [is_full(HeldDeliveries(number)) for number in (2, 3)] == [False, True]
