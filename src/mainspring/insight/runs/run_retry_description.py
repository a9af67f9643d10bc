"""Description of the retries of a run: when it continues by itself, and after which failure, as a sentence. Pure."""

import msgspec

from mainspring.domain.states import RunState
from mainspring.insight.text.formatting import escape_line, format_moment
from mainspring.store.views import RunHistory

_MESSAGE = 200


def describe_run_retry(history: RunHistory, now: int, zone: str) -> list[str]:
    """Return the sentence about the last retry of an unfinished run; none if it has not failed yet."""
    retry, run = history.retry, history.run
    if retry is None or retry.failure is None or run.finished_at is not None:
        return []
    attempts = msgspec.json.decode(retry.policy)["attempts"]
    failed = f"It failed: {escape_line(retry.failure.headline, _MESSAGE)}."
    number = f"attempt {retry.retries + 1}" + ("" if attempts is None else f" of {attempts}")
    if run.state is RunState.RETRYING and run.due_at is not None:
        return [f"{failed} It continues at {format_moment(run.due_at, now, zone)}, {number}."]
    return [f"{failed} It continues since then, {number}."]
