"""Updates: requests to a run, each with a reply. Their ids and identities, and the errors of replies."""

from typing import Any

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import RunEnded, UpdateFailed, UpdateRejected
from mainspring.domain.ids import derive_id
from mainspring.domain.states import UpdateState

REPLY_TIMEOUT_S = 60.0
"""How long a caller waits for a reply by default, in seconds."""
REPLY_SUFFIX = "/reply"
"""Suffix of the identity of an accepted update, for the request that saves its reply."""


class Update(msgspec.Struct, frozen=True):
    """An update for `App.start_with_update`. The same `id` is the same update: a repeated request gets the first reply.

    `type` = the type of the reply.
    """

    name: str
    value: Any = None
    id: str | None = None
    type: Any = Any


def check_timeout(timeout: object) -> None:
    """Raise OptionError if this is no time to wait for a reply: a number of seconds, or None."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
        raise OptionError(f"timeout={timeout!r}: expected a number of seconds, or None for no limit")


def make_update_id(first_run: str, request_id: str) -> str:
    """Return the id of an update: the same request to any run of a chain has one id. `first_run` = the first run of the chain."""
    return derive_id("u", 0, first_run, request_id)


def make_update_error(run_id: str, name: str, state: UpdateState, failure: Failure) -> UpdateFailed:
    """Return the error of a reply."""
    if state is UpdateState.REJECTED:
        return UpdateRejected(run_id, name, failure)
    return (RunEnded if failure.code == RunEnded.code else UpdateFailed)(run_id, name, failure)


def make_timeout_error(
    name: str, run_id: str, request_id: str, timeout: float | None, waiting_for: object = None
) -> TimeoutError:
    """Return the error for an update without a reply in time. `waiting_for` = that of the run's row."""
    handlers = describe_handlers(name, waiting_for)
    return TimeoutError(
        f"run {run_id} has not replied to update {name!r} within {timeout} s.{handlers} The update stays in force; "
        f"to wait for its reply, send it again with id={request_id!r}. To see why: mainspring explain {run_id}"
    )


def describe_handlers(name: str, waiting_for: object) -> str:
    """Return a sentence if the run waits and has no handler of this name. `waiting_for` = its waits, as JSON or decoded."""
    try:
        waits = msgspec.json.decode(waiting_for) if isinstance(waiting_for, bytes) else waiting_for
    except msgspec.DecodeError:
        return ""
    if not isinstance(waits, list):
        return ""
    names = [str(wait.get("name")) for wait in waits if isinstance(wait, dict) and wait.get("kind") == "update"]
    if name in names:
        return ""
    known = f"it receives {', '.join(names)}" if names else "it receives none now"
    return f" The run has no handler of this name: {known}."
