"""`run.version`: which side of a change in its code a run takes. One answer counts for the whole run, in the journal.

If saved outcomes follow the place of a question, code that did not ask passed this place. The run then has its answer at once, so that
it gets the saved outcomes at the same instants as before. Otherwise the driver answers, and the body waits for the commit.
"""

import asyncio
import re
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.change_versions import NONE_KNOWN, OLD_SIDE, ChangeVersions
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.text.escaping import escape
from mainspring.engine.body.drift import Drift, build_newer_version_drift
from mainspring.engine.body.request import Request, VersionCall

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

_CHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_DECODE = msgspec.json.Decoder(int).decode
ANSWERED_AT_ONCE = b"true"
"""The input of a saved answer that the body had before its commit."""


class BodyVersions:
    """The answers of one body. `known` = what is known of the versions of its run."""

    def __init__(self, body: "Body", outcomes: Sequence[Outcome], known: ChangeVersions = NONE_KNOWN) -> None:
        self._body = body
        self._known = known
        self._last_rank = outcomes[-1].rank if outcomes else 0
        self.answers: dict[str, int] = {}
        self._waiters: dict[str, list[asyncio.Future[int]]] = {}
        self.unsaved: list[Request] = []
        """Questions with an answer that the journal does not have."""

    async def ask(self, change: str, newest: int) -> int:
        """Return the version that the run takes; see `Run.version`."""
        _check(change, newest)
        body = self._body
        body.refuse_if_stopped()
        if change not in self.answers and change not in self._waiters:
            self._request(change, newest)
        answer = self.answers.get(change)
        if answer is None:
            future: asyncio.Future[int] = body.future()
            self._waiters[change].append(future)
            answer = await future
        if answer > newest:
            body.drift = body.drift or build_newer_version_drift(_ident(change), change, answer, newest)
            await body.future()  # the run stops
        return answer

    def _request(self, change: str, newest: int) -> None:
        body, ident = self._body, _ident(change)
        saved = body.find_saved(ident)
        answer: int | None = None
        if saved is None:
            if body.delivered_rank < self._last_rank:
                answer = min(self._known.former(change), newest)
        elif saved.input == ANSWERED_AT_ONCE and saved.output is not None:
            answer = _DECODE(saved.output)

        def take(value: Any, failure: Failure | None) -> None:
            del failure
            self.answers[change] = value
            for waiter in self._waiters.pop(change, ()):
                if not waiter.done():
                    waiter.set_result(value)

        request = Request(OutcomeKind.VERSION, ident, change, VersionCall(newest, answer), _DECODE, take)
        if answer is None:
            self._waiters[change] = []
            body.register(request)
        else:
            self.answers[change] = answer
            body.number(request)
            body.unclaimed.pop(ident, None)
            if saved is None:
                self.unsaved.append(request)


def find_unknown_change(body: "Body", known: Container[str]) -> Drift | None:
    """Return the drift of a run that takes the new side of a change that is not among the known ones."""
    for outcome in body.unclaimed.values():
        if outcome.kind is OutcomeKind.VERSION and outcome.output is not None and outcome.name not in known:
            version = _DECODE(outcome.output)
            if version > OLD_SIDE:
                return build_newer_version_drift(outcome.ident, outcome.name, version, OLD_SIDE)
    return None


def _ident(change: str) -> str:
    return f"version:{change}"


def _check(change: object, newest: object) -> None:
    if not isinstance(change, str) or not _CHANGE.fullmatch(change):
        raise ArgumentError(
            f"run.version({escape(repr(change), 60)}, ...): this is not a valid id of a change",
            hint="Use 1 to 100 letters, digits and . _ : - such as 'charge-by-card'.",
        )
    if isinstance(newest, bool) or not isinstance(newest, int) or newest <= OLD_SIDE:
        raise ArgumentError(
            f"run.version({change!r}, {escape(repr(newest), 60)}): expected a whole number from {OLD_SIDE + 1} on",
            hint=f"{OLD_SIDE} is the code from before the change. The first change is {OLD_SIDE + 1}.",
        )
