"""Examples of the reference: errors, retries, and the classifier."""

import pytest

import mainspring as ms
from tests.reference.documented import documents


@documents("Permanent", "StepFailed", "MainspringError")
def test_permanent(app):
    """Raise what trying again cannot fix. The workflow gets it as `StepFailed`, with the reason and the data."""

    def charge(card: str) -> None:
        raise ms.Permanent("the card has expired", hint="Ask for another card.", data={"card": card})

    @ms.workflow
    async def order(run: ms.Run) -> str:
        try:
            await run.step(charge, "4711")
        except ms.StepFailed as failed:
            return f"{failed.step}: {failed.reason} ({failed.data['card']})"
        return "paid"

    assert app.run(order) == "charge: the card has expired (4711)"
    assert issubclass(ms.Permanent, ms.MainspringError)


@documents("NotSent")
def test_not_sent(app):
    """Prove that nothing was sent: then a step that is delivered at most once may try again."""

    @ms.task(delivery="at_most_once", retry=ms.Retry(attempts=2, initial="1ms"))
    def order_taxi() -> int:
        if ms.attempt() == 1:
            raise ms.NotSent("the number is busy")
        return ms.attempt()

    assert app.run(order_taxi) == 2


@documents("Throttled")
def test_throttled(app):
    """A start above the rate of `throttle=` is refused, and names the time to wait."""

    @ms.task(throttle="1/h")
    def remind(customer: str) -> None: ...

    app.start_sync(remind, "ana")
    with pytest.raises(ms.Throttled) as caught:
        app.start_sync(remind, "ana")
    assert caught.value.retry_after.total_seconds() > 0


@documents("Retry", "Retry.parse")
def test_retry(app):
    """Eight attempts, with waits that double from one second to one minute."""
    patient = ms.Retry(attempts=8, initial="1s", max="1m", jitter=False)
    endless = ms.Retry(attempts=None, max="1h")

    @ms.task(retry=patient)
    def synchronize() -> int:
        return ms.attempt()

    assert app.run(synchronize) == 1
    assert ms.Retry.parse({"attempts": 8, "initial": "1s", "max": "1m", "jitter": False}) == patient
    assert endless.attempts is None


@documents("Classifier", "Classifier.classify", "Verdict", "Verdict.permanent", "Verdict.transient")
def test_classifier():
    """Say which errors of your libraries are transient; all others go through the built-in table."""

    class QuotaError(Exception): ...

    def know_quota(error: BaseException) -> ms.Verdict | None:
        return ms.Verdict.transient("quota") if isinstance(error, QuotaError) else None

    classifier = ms.Classifier([know_quota])
    assert classifier.classify(QuotaError()).code == "quota"
    assert classifier.classify(TypeError()).kind == ms.Verdict.permanent("type_error").kind
    app = ms.App("state.db", classifier=classifier)
    assert app
