"""The updates of one loaded run: each fact of its inbox is checked by the body, and accepted or rejected in the order of arrival."""

from typing import TYPE_CHECKING

import msgspec

from mainspring.domain.errors import BodyError, CodecUnavailableError
from mainspring.domain.runs.journal import Fact, History, Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.deterministic_loop import READ_ONLY
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.commands.updates import RejectUpdate

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun


class RunUpdates:
    """Accepts and rejects the updates of a run. An identity is never used twice, also not after a retry from an earlier step."""

    def __init__(self, loaded: "LoadedRun", history: History | None) -> None:
        self._loaded = loaded
        self._counts: dict[str, int] = {}
        for outcome in (*history.outcomes, *history.superseded) if history is not None else ():
            if outcome.kind is OutcomeKind.UPDATE:
                self._counts[outcome.name] = self._counts.get(outcome.name, 0) + 1

    def match(self, fact: Fact) -> bool | None:
        """Accept or reject an update and return True. False = it waits for its handler; None = it waits, and so do all later facts."""
        loaded, updates = self._loaded, self._loaded.body.updates
        handler = updates.find(fact.name)
        if handler is None or loaded.waits_for_stop or loaded.has_new_requests:
            return False  # waits for earlier messages are not open yet
        if loaded.is_accepting_signals or (handler.validate is not None and loaded.journal.saving):
            return (
                None  # the code may wait for an earlier signal next; what is being saved may change the state to check
            )
        if fact.ident is not None and loaded.is_working:
            return None  # a retry from a step handed it over again: what it followed is done first
        try:
            opened = loaded.host.open_fact(fact)
        except CodecUnavailableError:
            loaded.await_codec()
            return None
        try:
            updates.check(handler, opened.payload)
        except Exception as error:  # noqa: BLE001 - any error of the user's check rejects the update
            self._reject(fact, error)
        else:
            if not loaded.body.loop.is_spoiled:
                self._accept(opened)
            else:  # the check has hidden the error
                self._reject(fact, BodyError(READ_ONLY))
        loaded.reload_if_spoiled()
        return True

    def _accept(self, fact: Fact) -> None:
        loaded = self._loaded
        number = self._counts[fact.name] = self._counts.get(fact.name, 0) + 1
        now, ident = loaded.host.clock.now(), f"update:{fact.name}#{number}"
        rank, state, requests = loaded.journal.rank + 1, OutcomeState.SUCCEEDED, loaded.body.request_count
        source = msgspec.json.encode([fact.at, fact.seq])
        outcome = Outcome(
            *(rank, ident, fact.name, OutcomeKind.UPDATE, state, requests, 1, loaded.run.generation),
            *(min(fact.at, now), now, 0),
            input=source,
            output=fact.payload,
        )
        loaded.journal.append(outcome, inbox=fact.seq)

    def _reject(self, fact: Fact, error: Exception) -> None:
        loaded = self._loaded
        failure = loaded.host.seal_failure(loaded.host.failure_of(error))
        assert failure is not None
        loaded.journal.saving += 1
        loaded.host.store.submit(RejectUpdate(loaded.run.id, loaded.claim, fact.seq, failure), self._rejected)

    @halt_run_on_error
    def _rejected(self, result: CommandDone | Refused | BaseException) -> None:
        loaded = self._loaded
        loaded.journal.saving -= 1
        if loaded.accepts(result):
            loaded.advance()
