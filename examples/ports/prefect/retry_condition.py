"""Prefect's `retry_delay_seconds` and `retry_condition_fn`: waits of your own, and no retry for errors that stay.

Try it:

    mainspring run fetch-weather -m examples/ports/prefect/retry_condition.py url=https://example.com/weather.json
"""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import tenacity

import mainspring as ms

DELAYS = tenacity.wait_chain(*(tenacity.wait_fixed(seconds) for seconds in (0.1, 0.2)))
"""Prefect: retry_delay_seconds=[0.1, 0.2]. For exponential_backoff(2): ms.Retry(initial="2s", max="1m")."""


@ms.step(retry=ms.Retry(attempts=3, wait=DELAYS))
def fetch(url: str) -> dict[str, Any]:
    """Fetch a page. `ms.Permanent` is the condition; all else is retried, after `Retry-After` at the earliest."""
    try:
        with urlopen(url, timeout=60) as reply:
            weather: dict[str, Any] = json.load(reply)
            return weather
    except HTTPError as error:
        if error.code in (401, 404):
            raise ms.Permanent(f"{error.code} {error.reason}", hint="Check the address.") from error
        raise


@ms.workflow(name="fetch-weather")
async def fetch_weather(run: ms.Run, url: str) -> dict[str, Any]:
    """Between two attempts the run is in the store, not in a process: an attempt whose worker died does not count."""
    return await run.step(fetch, url)
