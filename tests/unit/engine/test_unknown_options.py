"""An unknown option of a public call names the call, the option and the nearest one, in our words and as a TypeError."""

from typing import Any

import pytest

import mainspring
from mainspring.domain.errors import UnknownNameError, UnknownOptionError
from mainspring.engine.body.step_calls import StepCaller

ms: Any = mainspring  # a checker of types refuses these calls, too
CALLER: Any = StepCaller(None)  # type: ignore[arg-type]  # the option is refused before anything is asked for


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda: ms.Retry(attempt=3), "ms.Retry has no option 'attempt'", "Did you mean 'attempts'?"),
        (lambda: ms.Retry(3, backoff=2), "ms.Retry has no option 'backoff'", "Known: attempts, initial, jitter, max, "),
        (lambda: ms.App("x.db", concurency=3), "ms.App has no option 'concurency'", "Did you mean 'concurrency'?"),
        (
            lambda: CALLER.map(str, [1], item="x"),
            "run.map has no option 'item'",
            "Known: concurrency, on_error, spread.",
        ),
        (lambda: CALLER.map(str, [1], concurency=2), "run.map has no option 'concurency'", "'concurrency'"),
        (lambda: CALLER.options(time_out="1s"), "run.options has no option 'time_out'", "Did you mean 'timeout'?"),
        (lambda: ms.on.cron("0 3 * * *", timezone="UTC"), "ms.on.cron has no option 'timezone'", "Known: tz."),
        (lambda: ms.on.every("1h", ofset="1m"), "ms.on.every has no option 'ofset'", "Did you mean 'offset'?"),
    ],
)
def test_unknown_option_names_the_call_the_option_and_the_nearest(call, message, hint):
    """No class of the inside is named, on any version of Python."""
    with pytest.raises(UnknownOptionError) as caught:
        call()
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")
    assert isinstance(caught.value, TypeError)


def test_runs_trigger_names_its_unknown_option():
    """As the other triggers do."""
    with pytest.raises(UnknownNameError, match="option of a trigger of kind 'runs': 'pre'"):
        ms.on.runs(["a"], pre="slot")


def test_known_options_are_taken_as_before():
    """Also those whose value is the default."""
    assert ms.Retry(attempts=3, jitter=False).attempts == 3
    assert ms.Retry(3) == ms.Retry.parse(3)
