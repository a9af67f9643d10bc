"""Classifier of exceptions: whether trying again can help, and whether an exception proves that nothing was sent.

The order of the rules: the user's, newest first; a group (permanent if any part is, transient if all parts are); the exception itself
(`_RULES`, each reading one table of `error_tables`); for errors of libraries that wrap others, the wrapped error; at last, for an unknown
one, the `__cause__` it was raised from. `__context__` is not followed: it is only the exception that happened to be handled at that time.

Invariants: never raises, whatever the exception or a rule does; no authentication or validation error is transient; `not_sent` of a group
needs it of all parts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from mainspring.domain.errors import (
    BusyError,
    CodecUnavailableError,
    MainspringError,
    NotSent,
    SecretProviderError,
    Transient,
)
from mainspring.domain.failures.error_tables import ERRNO_CODES, EXIT_CODES
from mainspring.domain.failures.http_errors import find_status, http_verdict, parse_retry_after, read_attribute
from mainspring.domain.failures.saved_error import RunFailed, StepFailed
from mainspring.domain.failures.service_errors import (
    class_verdict,
    cloud_verdict,
    database_verdict,
    reply_verdict,
    tls_verdict,
    top_level_module,
)
from mainspring.domain.failures.verdict import FailureKind, Rule, Verdict, permanent, transient, unknown

__all__ = ["DEFAULT_CLASSIFIER", "Classifier", "FailureKind", "Rule", "Verdict", "classify", "classify_exit"]

_DEEPEST = 12
_MOST_PARTS = 100
_WRAPPERS = frozenset(
    "requests urllib3 urllib httpx httpx2 httpcore httpcore2 aiohttp sqlalchemy botocore redis".split()
)
_WRAPPED_ERROR_ATTRIBUTES = ("reason", "orig", "os_error", "certificate_error", "__cause__")


class Classifier:
    """A classifier of exceptions: your rules in their order, then the built-in table.

    A rule is a function of the exception that returns a `Verdict`, or None for what it does not know. Pass it to `ms.App(classifier=...)`.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)

    def classify(self, exc: BaseException, now: datetime | None = None) -> Verdict:
        """Return the verdict; a `Retry-After` that is a date needs `now` (with a time zone)."""
        try:
            return self._classify(exc, now, 0)
        except BaseException:  # noqa: BLE001 - whatever its attributes raise, the failure itself must be stored
            return unknown()

    def _classify(self, exc: BaseException, now: datetime | None, depth: int) -> Verdict:
        """Apply the rules of the module's docstring in their order."""
        if depth > _DEEPEST:
            return unknown()
        for rule in self.rules:
            verdict = _apply_rule(rule, exc)
            if verdict is not None:
                return verdict
        if isinstance(exc, BaseExceptionGroup):
            return _merge_verdicts([self._classify(part, now, depth + 1) for part in exc.exceptions[:_MOST_PARTS]])
        verdict_of_error = _apply_tables(exc, now)
        if verdict_of_error is None or verdict_of_error.kind is FailureKind.TRANSIENT:
            verdict_of_error = self._classify_wrapped(exc, verdict_of_error or unknown(), now, depth)
        cause = exc.__cause__
        if verdict_of_error.kind is FailureKind.UNKNOWN and verdict_of_error.code == "unknown" and cause is not None:
            return self._classify(cause, now, depth + 1)
        return verdict_of_error

    def _classify_wrapped(self, exc: BaseException, outer: Verdict, now: datetime | None, depth: int) -> Verdict:
        """Return the verdict of the first known error that a library's error wraps, else its own."""
        if not any(top_level_module(cls) in _WRAPPERS for cls in type(exc).__mro__):
            return outer
        for part in (*(read_attribute(exc, name) for name in _WRAPPED_ERROR_ATTRIBUTES), *exc.args):
            if isinstance(part, BaseException) and part is not exc:
                inner = self._classify(part, now, depth + 1)
                if inner.kind is not FailureKind.UNKNOWN:
                    return replace(inner, not_sent=inner.not_sent or outer.not_sent)
        return outer


def classify(exc: BaseException, now: datetime | None = None) -> Verdict:
    """Return the verdict of the table alone."""
    return DEFAULT_CLASSIFIER.classify(exc, now)


def classify_exit(code: int) -> Verdict:
    """Return the verdict on a process's exit code; negative, or above 128 from a shell, is the signal that ended it."""
    if code < 0 or 128 < code <= 192:
        return unknown("killed_by_signal")
    return EXIT_CODES.get(code) or unknown("exit_code")


def _apply_rule(rule: Rule, exc: BaseException) -> Verdict | None:
    """Return the answer of a user's rule, None if it raises."""
    try:
        verdict = rule(exc)
    except Exception:  # noqa: BLE001 - the code of others: its error must not change the outcome of the step
        return None
    return verdict if isinstance(verdict, Verdict) else None


def _merge_verdicts(parts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a group."""
    not_sent = all(part.not_sent for part in parts)
    permanent_parts = sorted(
        (part for part in parts if part.kind is FailureKind.PERMANENT), key=lambda part: part.is_presumed
    )
    if permanent_parts:
        return replace(permanent_parts[0], not_sent=not_sent)
    if any(part.kind is not FailureKind.TRANSIENT for part in parts):
        return unknown()
    waits = [part.retry_after for part in parts if part.retry_after is not None]
    return transient(parts[0].code, retry_after=max(waits, default=None), not_sent=not_sent)


def _apply_tables(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the first answer of the rules below, None if no table knows the exception."""
    for rule in _RULES:
        verdict = rule(exc, now)
        if verdict is not None:
            return verdict if rule in _EXPLICIT_RULES else replace(verdict, is_presumed=True)
    return None


def _own_error_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Errors of this program, the user's statements among them."""
    if isinstance(exc, Transient):
        after = exc.retry_after if exc.retry_at is None else parse_retry_after(exc.retry_at, now)
        return transient(exc.code, retry_after=after, not_sent=isinstance(exc, NotSent) or exc.not_sent)
    if isinstance(exc, BusyError):
        return transient(exc.code, retry_after=exc.retry_after)
    if isinstance(exc, CodecUnavailableError) or (isinstance(exc, SecretProviderError) and exc.transient):
        return transient(exc.code)
    if isinstance(exc, StepFailed | RunFailed):
        return permanent(exc.failure.code if exc.failure is not None else exc.code)
    if isinstance(exc, MainspringError) and find_status(exc) is None:
        return class_verdict(exc) or permanent(exc.code)
    return None


def _process_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """A command that ended without success, and `sys.exit()` inside a step."""
    code = exc.code if isinstance(exc, SystemExit) else read_attribute(exc, "returncode")
    return classify_exit(code) if isinstance(code, int) else None


def _errno_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """An operating system error. Resolver and TLS errors use the same attribute for numbers of their own."""
    if not isinstance(exc, OSError) or top_level_module(type(exc)) in ("socket", "ssl"):
        return None
    if exc.errno is None:
        # asyncio raises this if each address of a host refused: only ever while connecting.
        several = type(exc) is OSError and str(exc).startswith("Multiple exceptions: [Errno ")
        return transient("connection_refused", not_sent=True) if several else None
    return ERRNO_CODES.get(exc.errno) if isinstance(exc.errno, int) else None


_EXPLICIT_RULES = (_process_verdict, _own_error_verdict)
"""A command chooses its exit code (sysexits.h), as a step raises `ms.Permanent`: no table presumes it."""
_RULES: tuple[Callable[[BaseException, datetime | None], Verdict | None], ...] = (
    _process_verdict,  # before ours: a failed command is classified by its exit code
    _own_error_verdict,
    http_verdict,
    database_verdict,
    cloud_verdict,
    reply_verdict,
    tls_verdict,
    _errno_verdict,
    class_verdict,
)
DEFAULT_CLASSIFIER = Classifier()
