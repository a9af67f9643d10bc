"""The outcome of an effect whose code raised: proven not done, or unknown."""

from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.errors import Permanent
from mainspring.domain.failures.http_errors import find_status
from mainspring.domain.failures.verdict import Verdict

_AMBIGUOUS_STATUSES = frozenset({408, 409, 499})
"""The target may have had the effect: it stopped waiting, has one already, or was cancelled on its way (499 of nginx and Google)."""


def outcome_of_error(error: BaseException, verdict: Verdict) -> CallOutcome:
    """Return RELEASED if the error proves that the effect did not happen, else UNKNOWN. `verdict` = that of the classifier.

    Proof is what the classifier calls `not_sent` (ms.NotSent, connection refused, DNS), ms.Permanent, and an HTTP status from 400 to 499
    with which the target refused the request (RFC 9110, 15.5), 408, 409 and 499 excepted.
    """
    if verdict.not_sent or isinstance(error, Permanent):
        return CallOutcome.RELEASED
    status = find_status(error)
    is_refusal = status is not None and 400 <= status < 500 and status not in _AMBIGUOUS_STATUSES
    return CallOutcome.RELEASED if is_refusal else CallOutcome.UNKNOWN
