"""Retry policy: when the next attempt is due. Pure, nothing sleeps; the caller saves the resulting time.

Invariants: never more than `attempts` attempts, None = no limit; the same (policy, attempt, elapsed, verdict, seed) gives the same wait
on every machine; a failure that the code itself calls permanent is never tried again, and one that only the built-in table calls so is
tried again only if the policy was given for this very step. Lost attempts (their worker died) are not failures and are never counted here.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Never

from mainspring.domain.duration import SpanInput, format_duration, parse_duration
from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.failures.verdict import FailureKind, Verdict
from mainspring.domain.option_errors import DeferredSettingError, defer_setting_error, reject_unknown_options

MAX_RETRY_AFTER = timedelta(hours=24)
"""A `Retry-After` is obeyed up to this; a server must not suspend a run for ever."""
MAX_ATTEMPTS = 10_000
"""Bound of `attempts`, and its value if only `stop` is given."""

UNLIMITED = "unlimited"
"""No limit of attempts, where a table cannot have None."""

_DEFAULT_ATTEMPTS = 5
_NOT_GIVEN: Any = object()
_INITIAL = timedelta(seconds=2)
_MAX = timedelta(minutes=10)
_LONGEST_MAX = timedelta(days=365)
_DOUBLINGS = 60
_KEYS = ("attempts", "initial", "max", "jitter", "restart")
_DISPLAY_KEYS = ("wait", "stop")
_HINT = (
    'Write a number of attempts, or a table such as {attempts = 5, initial = "2s", max = "10m", jitter = true}. Without limit: '
    'attempts=None, in a file attempts = "unlimited".'
)


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """How often, and how far apart, a step is attempted.

    Without `wait` the n-th wait is drawn evenly between zero and `initial * 2**(n - 1)`, at most `max` (full
    jitter: callers that failed together do not come back together); `jitter=False` waits the whole of it.

    `attempts=None` tries without limit: for a step that must succeed one day. A permanent error of the code still ends it.

    `wait` and `stop` are objects of tenacity, or functions of its `RetryCallState`; they only compute. One that
    raises or computes no number is passed over: the default wait is used, and `attempts` still stops. With
    `stop` and no `attempts` only `stop` decides, within 10,000 attempts.

    `restart=True` is for the retries of a whole run (`run.options(retry=).child`, `app.options(retry=).start`): each begins with the first
    step again, in a new generation. Without it a run continues from its failure.

    Raises:
        OptionError: a parameter is out of bounds, or `wait` is given together with `initial`, `max` or `jitter`.
        UnknownOptionError: there is no such parameter.
    """

    attempts: int | None
    wait: Callable[[Any], float] | None
    stop: Callable[[Any], bool] | None
    initial: timedelta
    max: timedelta
    jitter: bool
    restart: bool
    is_default: bool = field(default=False, compare=False, repr=False)
    """The policy was not given for the step: a failure that the table calls permanent is not tried again."""
    refused: DeferredSettingError | None = field(default=None, compare=False, repr=False)
    """While a file is loaded, the error of an invalid policy: the declaration that uses it reports it."""

    def __init__(
        self,
        attempts: int | None = _NOT_GIVEN,
        wait: Callable[[Any], float] | None = None,
        stop: Callable[[Any], bool] | None = None,
        *,
        initial: SpanInput | None = None,
        max: SpanInput | None = None,  # noqa: A002 - the word of the option
        jitter: bool | None = None,
        restart: bool = False,
        **unknown: Never,
    ) -> None:
        refused = None
        try:
            reject_unknown_options("ms.Retry", Retry.__init__, unknown)
            values = _check_arguments(attempts, wait, stop, initial=initial, max=max, jitter=jitter)
            if not isinstance(restart, bool):
                raise OptionError(f"retry restart={restart!r} is neither true nor false", hint=_HINT)
        except MainspringError as error:
            refused = defer_setting_error(error)
            values, restart = _check_arguments(_NOT_GIVEN, None, None, initial=None, max=None, jitter=None), False
        for name, value in zip(self.__slots__, (*values, restart, False, refused), strict=True):
            object.__setattr__(self, name, value)

    def as_default(self) -> "Retry":
        """Return the same policy, marked as not given for a step."""
        same = copy(self)
        object.__setattr__(same, "is_default", True)
        return same

    def delay_after(
        self, attempt: int, *, elapsed: timedelta, verdict: Verdict, seed: str, exc: BaseException | None = None
    ) -> timedelta | None:
        """Return how long to wait after failed attempt number `attempt` (from 1); None for no more attempts.

        `elapsed` counts from the start of the first attempt; `seed` names run and step; `exc` is only for waits
        and stops that read the exception. The server's `Retry-After` wins over every wait, up to 24 hours.
        """
        is_over = verdict.kind is FailureKind.PERMANENT and (self.is_default or not verdict.is_presumed)
        if is_over or (self.attempts is not None and attempt >= self.attempts):
            return None
        failed = exc if exc is not None else MainspringError(verdict.code)
        if verdict.retry_after is not None:
            delay = min(MAX_RETRY_AFTER, verdict.retry_after)
        else:
            delay = self._wait_after(attempt, elapsed, seed, failed)
        return None if self._stops(attempt, elapsed, failed, delay) else delay

    def to_data(self) -> dict[str, Any]:
        """Return the policy as JSON; tenacity objects as text that people can read."""
        data: dict[str, Any] = {"attempts": self.attempts, **({"restart": True} if self.restart else {})}
        if self.wait is None:
            data |= {"initial": format_duration(self.initial), "max": format_duration(self.max), "jitter": self.jitter}
        if self.wait is not None or self.stop is not None:
            from mainspring.domain.failures.tenacity_policy import describe_policy  # noqa: PLC0415 - tenacity costs 46 ms

            policies = {"wait": self.wait, "stop": self.stop}
            data |= {name: describe_policy(policy) for name, policy in policies.items() if policy is not None}
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Retry":
        """Return the policy that `to_data` described; tenacity objects live in code only and are left out."""
        return cls.parse({name: value for name, value in data.items() if name not in _DISPLAY_KEYS})

    @classmethod
    def parse(cls, value: "str | int | Mapping[str, Any] | Retry") -> "Retry":
        """Return the policy written as a number of attempts, its text, or a table of `attempts initial max jitter`.

        Raises:
            OptionError: it is none of these, or a parameter is out of bounds.
            UnknownNameError: the table has another key.
        """
        policy = value if isinstance(value, Retry) else cls._parse(value)
        if policy.refused is not None:
            raise policy.refused.report()
        return policy

    @classmethod
    def _parse(cls, value: "str | int | Mapping[str, Any]") -> "Retry":
        if isinstance(value, str) and value.strip().isdecimal():
            return cls(int(value.strip()[:9]))
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(value)
        if not isinstance(value, Mapping):
            raise OptionError(f"retry {value!r} is not a policy", hint=_HINT)
        for name in value:
            if name not in _KEYS:
                raise UnknownNameError("retry option", str(name), _KEYS)
        return cls(**{**value, "attempts": None} if value.get("attempts") == UNLIMITED else value)

    def _wait_after(self, attempt: int, elapsed: timedelta, seed: str, exc: BaseException) -> timedelta:
        """Return the wait of the tenacity object, else of the default."""
        if self.wait is not None:
            from mainspring.domain.failures import tenacity_policy  # noqa: PLC0415 - tenacity costs 46 ms

            state = tenacity_policy.make_call_state(attempt, elapsed=elapsed, exc=exc)
            try:
                return tenacity_policy.compute_wait(self.wait, state, seed=f"{seed}/{attempt}")
            except Exception:  # noqa: BLE001 - a policy that raises must not block the run
                return _backoff(attempt, _INITIAL, _MAX, seed, jitter=True)
        return _backoff(attempt, self.initial, self.max, seed, jitter=self.jitter)

    def _stops(self, attempt: int, elapsed: timedelta, exc: BaseException, delay: timedelta) -> bool:
        """Return whether the tenacity object ends the retries."""
        if self.stop is None:
            return False
        from mainspring.domain.failures import tenacity_policy  # noqa: PLC0415 - tenacity costs 46 ms

        state = tenacity_policy.make_call_state(attempt, elapsed=elapsed, exc=exc, upcoming=delay)
        try:
            return bool(self.stop(state))
        except Exception:  # noqa: BLE001 - a policy that raises must not block the run; attempts still bound it
            return False


def _check_attempts(value: object) -> int | None:
    """Return the number of attempts if it is one, or None for no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
        raise OptionError(
            f"retry attempts={value!r} is not a whole number from 1 to {MAX_ATTEMPTS}, or None", hint=_HINT
        )
    return value


def _check_arguments(
    attempts: int | None,
    wait: Callable[[Any], float] | None,
    stop: Callable[[Any], bool] | None,
    *,
    initial: SpanInput | None,
    max: SpanInput | None,  # noqa: A002 - the word of the option
    jitter: bool | None,
) -> tuple[int | None, Callable[[Any], float] | None, Callable[[Any], bool] | None, timedelta, timedelta, bool]:
    """Return the fields of a policy. Raises OptionError."""
    for name, policy in (("wait", wait), ("stop", stop)):
        if policy is not None and not callable(policy):
            raise OptionError(f"retry {name}={policy!r} is not a policy", hint=f"Give a tenacity {name} object.")
    if wait is not None and (initial, max, jitter) != (None, None, None):
        raise OptionError("retry has wait= and also initial=, max= or jitter=", hint="Give one or the other.")
    if jitter is not None and not isinstance(jitter, bool):
        raise OptionError(f"retry jitter={jitter!r} is neither true nor false", hint=_HINT)
    if attempts is _NOT_GIVEN:
        attempts = _DEFAULT_ATTEMPTS if stop is None else MAX_ATTEMPTS
    longest = _MAX if max is None else parse_duration(max)
    first = min(_INITIAL, longest) if initial is None else parse_duration(initial)
    if longest > _LONGEST_MAX or first > longest:
        raise OptionError(
            f"retry initial={format_duration(first)}, max={format_duration(longest)} do not fit",
            hint="initial may not exceed max, and max not 365 days.",
        )
    return _check_attempts(attempts), wait, stop, first, longest, jitter is not False


def _backoff(attempt: int, initial: timedelta, longest: timedelta, seed: str, *, jitter: bool) -> timedelta:
    """Return the exponential wait after `attempt`, a seeded part of it if jittered."""
    microsecond = timedelta(microseconds=1)
    doublings = min(max(attempt, 1) - 1, _DOUBLINGS)
    high = min((initial // microsecond) << doublings, longest // microsecond)
    if not jitter:
        return high * microsecond
    random_part = int.from_bytes(blake2b(f"{seed}/{attempt}".encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return (high * random_part >> 64) * microsecond
