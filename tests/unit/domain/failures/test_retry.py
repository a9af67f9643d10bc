"""Retry policies: bounded, seeded, and tenacity as pure policy."""

import random
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.failures.retry import MAX_ATTEMPTS, MAX_RETRY_AFTER, Retry
from mainspring.domain.failures.tenacity_policy import make_call_state
from mainspring.domain.failures.verdict import permanent, transient, unknown

ZERO = timedelta(0)
SPANS = st.timedeltas(ZERO, timedelta(days=300))
LATER = transient("later")


def seconds(policy: Retry, attempt: int, elapsed: float = 0, **options: Any) -> float | None:
    delay = policy.delay_after(attempt, elapsed=timedelta(seconds=elapsed), verdict=LATER, seed="run/step", **options)
    return None if delay is None else delay.total_seconds()


@given(st.integers(1, 12), st.integers(1, 20), SPANS, SPANS, st.booleans(), st.text(st.characters()))
def test_delay_is_bounded_and_the_same_each_time(attempts, attempt, first_seed, second_seed, jitter, seed):
    """Every wait lies in [0, max] and doubles at most, attempts are honoured, and equal questions agree."""
    first, longest = sorted((first_seed, second_seed))
    policy = Retry(attempts, initial=first, max=longest, jitter=jitter)
    delay, again = (policy.delay_after(attempt, elapsed=ZERO, verdict=LATER, seed=seed) for _ in range(2))
    assert delay == again
    if attempt >= attempts:
        assert delay is None
    else:
        high = min(first * 2 ** (attempt - 1), longest)
        assert ZERO <= delay <= high
        assert jitter or delay == high


def test_delay_is_pinned_for_one_seed():
    """The waits of a seed never change between versions or machines, for replays compare them."""
    assert [seconds(Retry(), n) for n in (1, 2, 3, 4, 5)] == [1.084894, 0.868266, 6.162804, 9.941539, None]


def test_delay_spreads_over_seeds():
    """Full jitter: the mean over many runs is near half of the whole wait, with small and large ones."""
    delays = [Retry().delay_after(3, elapsed=ZERO, verdict=LATER, seed=f"r{n}/s").total_seconds() for n in range(400)]
    assert 3.5 < sum(delays) / 400 < 4.5
    assert min(delays) < 0.2
    assert max(delays) > 7.8


def test_policy_without_limit_never_stops():
    """In code None, in a table "unlimited"; stored as null. A permanent error of the code ends it all the same."""
    policy = Retry(attempts=None, jitter=False)
    assert seconds(policy, 1_000_000) == 600
    assert policy.delay_after(1, elapsed=ZERO, verdict=permanent("no"), seed="s") is None
    data = policy.to_data()
    assert data["attempts"] is None
    assert Retry.from_data(data) == Retry.parse({"attempts": "unlimited", "jitter": False}) == policy
    assert Retry().attempts == 5
    assert Retry(None, stop=tenacity.stop_after_attempt(2)).attempts is None


def test_delay_survives_huge_attempt_numbers():
    """The ten-thousandth attempt waits no longer than max."""
    policy = Retry(MAX_ATTEMPTS, jitter=False)
    assert seconds(policy, MAX_ATTEMPTS - 1) == 600


def test_permanent_is_never_tried_again_and_unknown_is():
    """Only a permanent verdict ends it before the attempts are used up."""
    assert Retry().delay_after(1, elapsed=ZERO, verdict=permanent("no"), seed="") is None
    assert Retry().delay_after(4, elapsed=ZERO, verdict=unknown(), seed="") is not None
    assert Retry().delay_after(5, elapsed=ZERO, verdict=unknown(), seed="") is None


@pytest.mark.parametrize("retry_after", [ZERO, timedelta(hours=3), timedelta(days=9)])
def test_retry_after_wins_up_to_a_day(retry_after):
    """The server's wish is obeyed before any wait, within 24 hours."""
    policy = Retry(wait=tenacity.wait_fixed(1))
    verdict = transient("later", retry_after=retry_after)
    assert policy.delay_after(1, elapsed=ZERO, verdict=verdict, seed="") == min(retry_after, MAX_RETRY_AFTER)


def test_tenacity_waits_see_the_attempt():
    """Waits that depend on the attempt's number compute what tenacity would."""
    chain = Retry(wait=tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(7)))
    assert [seconds(chain, n) for n in (1, 2, 3)] == [1, 7, 7]
    assert [seconds(Retry(wait=tenacity.wait_exponential(multiplier=3)), n) for n in (1, 2, 3)] == [3, 6, 12]


def test_tenacity_waits_see_the_exception():
    """A wait by exception gets the one that was raised."""
    policy = Retry(wait=tenacity.wait_exception(lambda exc: float(exc.args[0])))
    assert seconds(policy, 1, exc=ValueError(42)) == 42


def test_tenacity_stops_see_elapsed_time_and_the_next_wait():
    """Stops by time count from the first attempt, and the strict one adds the wait to come."""
    after = Retry(stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(4))
    before = Retry(stop=tenacity.stop_before_delay(10), wait=tenacity.wait_fixed(4))
    assert [seconds(after, 1, elapsed) for elapsed in (0, 9.9, 10)] == [4, 4, None]
    assert [seconds(before, 1, elapsed) for elapsed in (0, 5.9, 6)] == [4, 4, None]


def test_only_stop_decides_within_a_bound():
    """With stop and no attempts the default of five does not cut it short."""
    policy = Retry(stop=tenacity.stop_after_attempt(8))
    assert seconds(policy, 7) is not None
    assert seconds(policy, 8) is None
    assert Retry(stop=tenacity.stop_never).attempts == MAX_ATTEMPTS
    assert seconds(Retry(3, stop=tenacity.stop_never), 3) is None


@pytest.mark.parametrize(
    "wait",
    [
        tenacity.wait_random(0, 50),
        tenacity.wait_random_exponential(multiplier=50, max=60),
        tenacity.wait_exponential_jitter(jitter=50),
        tenacity.wait_fixed(1) + tenacity.wait_random(0, 50),
    ],
    ids=lambda wait: type(wait).__name__,
)
def test_tenacity_random_waits_are_seeded(wait):
    """The same seed draws the same wait, another seed another one, and the global source is untouched."""
    policy, before = Retry(wait=wait), random.getstate()
    ask = {"elapsed": ZERO, "verdict": LATER}
    first, same, other = (policy.delay_after(1, seed=seed, **ask) for seed in ("a", "a", "b"))
    assert first == same != other
    assert random.getstate() == before
    assert tenacity.wait.random is random


@pytest.mark.parametrize("wait", [lambda state: 1 / 0, lambda state: "soon", lambda state: float("nan")])
def test_broken_waits_fall_back_to_the_default(wait):
    """A wait that raises or computes no number cannot strand a run."""
    assert seconds(Retry(wait=wait), 1) == seconds(Retry(), 1)
    assert seconds(Retry(stop=lambda state: 1 / 0), 1) is not None


@pytest.mark.parametrize(("computed", "expected"), [(-5, 0), (float("inf"), 365 * 86400), (3, 3)])
def test_custom_waits_are_clamped(computed, expected):
    """A wait is never negative and never endless."""
    assert seconds(Retry(wait=lambda state: computed), 1) == expected


def test_call_state_is_what_tenacity_reads():
    """The attributes that wait and stop objects of the installed tenacity use are all set."""
    exc = ValueError("x")
    state = make_call_state(3, elapsed=timedelta(seconds=9), exc=exc, upcoming=timedelta(seconds=2))
    assert (state.attempt_number, state.seconds_since_start, state.upcoming_sleep) == (3, 9.0, 2.0)
    assert (state.outcome.failed, state.outcome.exception(), state.outcome.attempt_number) == (True, exc, 3)


@pytest.mark.parametrize("value", ["3", 3, " 3 ", {"attempts": 3}, Retry(3)])
def test_parse_reads_each_form(value):
    """A number, its text, a table and a policy are the same policy."""
    assert Retry.parse(value) == Retry(3)


def test_parse_reads_the_whole_table():
    """Spans in a table are texts, and the policy comes back from its data."""
    policy = Retry.parse({"attempts": 8, "initial": "1s", "max": "5m", "jitter": False})
    assert policy == Retry(8, initial=1, max=timedelta(minutes=5), jitter=False)
    assert Retry.from_data(policy.to_data()) == policy
    assert policy.to_data() == {"attempts": 8, "initial": "1s", "max": "5m", "jitter": False}


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, True, "", "x", "-3", None, 2.5, [3], 10_001, {"attempts": "3"}, {"jitter": 1}, {"initial": "1x"}),
        *({"initial": "2h", "max": "1h"}, {"max": "400d"}),
    ],
)
def test_parse_refuses_what_is_no_policy(value):
    """Anything else is an OptionError."""
    with pytest.raises(OptionError):
        Retry.parse(value)


def test_parse_names_an_unknown_key():
    """A mistyped key shows the nearest one."""
    with pytest.raises(UnknownNameError, match="attempts"):
        Retry.parse({"atempts": 3})


@pytest.mark.parametrize("options", [{"wait": 3}, {"stop": "x"}, {"wait": tenacity.wait_none(), "max": "3s"}])
def test_retry_refuses_policies_that_are_none(options):
    """Wait and stop are callables, and a wait leaves no room for another one."""
    with pytest.raises(OptionError):
        Retry(**options)


def test_to_data_describes_tenacity_objects():
    """People read class and parameters; nested objects are shown, functions by name."""
    wait = tenacity.wait_fixed(30) + tenacity.wait_random(0, 2)
    data = Retry(4, wait=wait, stop=tenacity.stop_after_delay(60)).to_data()
    assert data == {
        "attempts": 4,
        "wait": "wait_combine(wait_funcs=[wait_fixed(wait_fixed=30.0), "
        "wait_random(wait_random_max=2.0, wait_random_min=0.0)])",
        "stop": "stop_after_delay(max_delay=60.0)",
    }
    assert Retry.from_data(data) == Retry(4)
    assert Retry(wait=len).to_data()["wait"] == "len"


def test_default_policy_imports_no_tenacity():
    """Policies without custom objects cost no import of tenacity."""
    code = (
        "import sys; from datetime import timedelta; from mainspring.domain.failures.retry import Retry;"
        "from mainspring.domain.failures.verdict import unknown; r = Retry.parse('3'); r.to_data();"
        "r.delay_after(1, elapsed=timedelta(0), verdict=unknown(), seed='a'); print('tenacity' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
