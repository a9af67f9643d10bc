"""Celery's `autoretry_for`, `retry_backoff` and `retry_kwargs`: a task that requests a flaky service.

Try it:

    mainspring run retry-request -m examples/ports/celery/retry_request.py url=https://example.com/orders
"""

import mainspring as ms


@ms.task(name="retry-request", retry=ms.Retry(attempts=5, initial="1ms", max="10m"))
def retry_request(url: str) -> str:
    """Time-outs, connection errors and 5xx are retried without a list of exceptions; `Retry-After` is obeyed."""
    if ms.attempt() < 3:
        raise TimeoutError("the service does not answer")
    return f"{url} after {ms.attempt()} attempts"
