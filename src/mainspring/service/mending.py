"""Acts on a run that stopped, for which its history is looked at first: from a step, drift accepted, again, a result by hand.

A step is named by its identity, or by its name where only one saved step has it; None = the one at which the run stopped. Nothing is
deleted: what no longer counts is superseded and stays in the record.
"""

from mainspring.domain.call import decode_result, encode_result
from mainspring.domain.codec import decode, encode
from mainspring.domain.errors import ConflictError, UnknownNameError
from mainspring.domain.journal import Outcome
from mainspring.domain.sealing import PLAIN, Sealing
from mainspring.domain.signature import Signature
from mainspring.domain.states import OutcomeState
from mainspring.service.actor import Act
from mainspring.service.perform import perform, was_done
from mainspring.service.reads import Reads
from mainspring.service.refusal import error_of
from mainspring.store.base import Store
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import GiveResult, Reopen
from mainspring.store.views import RunStory

_UNKNOWN = frozenset({OutcomeState.IN_DOUBT, OutcomeState.REFUSED})


def retry_from(store: Store, reads: Reads, run: str, step: str, *, act: Act) -> None:
    """Continue a run from a chosen step in a new generation: it and all that was asked for after it runs again, under new keys.

    If steps before it were taken back, it begins at the first of those (see `undone.runs_again`).

    Raises:
        NotFoundError: there is no such run.
        UnknownNameError: it has no such step.
        ConflictError: several steps have that name, or the run did not stop.
    """
    if not was_done(reads, act, "retry", f"run:{run}"):
        _reopen_from(store, run, ident_of(reads.story(run), step), act, "retry")


def accept_drift(store: Store, reads: Reads, run: str, *, act: Act, step: str | None = None) -> None:
    """Take today's input of a saved step for the saved one and continue: its result stays.

    Raises:
        NotFoundError: there is no such run, or the step has not drifted.
        ConflictError: the run did not stop.
    """
    if was_done(reads, act, "accept_drift", f"run:{run}"):
        return
    ident = ident_of(reads.story(run), step)
    perform(store, act, "accept_drift", f"run:{run}", Reopen(run, accept=(ident,)), {"step": ident})


def run_again(store: Store, reads: Reads, run: str, *, act: Act, step: str | None = None) -> None:
    """Run a step again that drifted, failed, or may or may not have had its effect; what was saved before it stays.

    A step in doubt keeps its idempotency key, so that a receiver that knows keys still acts once.

    Raises:
        NotFoundError: there is no such run.
        UnknownNameError: it has no such step.
        ConflictError: several steps have that name, or the run did not stop.
    """
    if was_done(reads, act, "run_again", f"run:{run}"):
        return
    story = reads.story(run)
    ident = ident_of(story, step)
    outcome = next((outcome for outcome in _counted(story) if outcome.ident == ident), None)
    if outcome is not None and outcome.state not in _UNKNOWN:
        _reopen_from(store, run, ident, act, "run_again")
        return
    command = GiveResult(run, ident, act.command, again=True)
    perform(store, act, "run_again", f"run:{run}", command, {"step": ident})


def give_result(
    store: Store,
    reads: Reads,
    run: str,
    data: bytes,
    *,
    act: Act,
    step: str | None = None,
    signature: Signature | None = None,
    sealing: Sealing = PLAIN,
) -> None:
    """Give the result (JSON) of a step that is refused, in doubt or failed; the run goes on with it.

    `signature` of the live function, where it is known, types the value; it is plain JSON otherwise.

    Raises:
        ValueRefusedError: it is no JSON, or does not fit the step's annotation.
        NotFoundError: there is no such run, or no such step that needs a result.
        UnknownNameError, ConflictError: as `run_again`; and the run is sealed by another codec.
    """
    if was_done(reads, act, "give_result", f"run:{run}"):
        return
    story = reads.story(run)
    if story.run.codec not in (PLAIN.id, sealing.id):
        raise error_of(
            Refused("sealed_otherwise", f"the values of run {run} are sealed by codec {story.run.codec!r}"), run
        )
    ident = ident_of(story, step)
    what = f"result of {ident}"
    if signature is None:
        output = encode(decode(data, what=what), what=what, limit=sealing.limit)
    else:
        output = encode_result(signature, decode_result(signature, data, what), what, limit=sealing.limit)
    command = GiveResult(run, ident, act.command, sealing.seal(output))
    perform(store, act, "give_result", f"run:{run}", command, {"step": ident})


def _reopen_from(store: Store, run: str, ident: str, act: Act, verb: str) -> None:
    perform(store, act, verb, f"run:{run}", Reopen(run, from_ident=ident), {"step": ident})


def ident_of(story: RunStory, step: str | None) -> str:
    """Return the identity of the step that is meant.

    Raises:
        UnknownNameError: the run has no such step.
        ConflictError: several steps have that name, or none is named and it did not stop at one.
    """
    run = story.run
    if step is None:
        if run.failed_ident is None:
            raise ConflictError(
                f"run {run.id} did not stop at a step: it is {run.state}",
                hint="Name the step; `mainspring runs show RUN` lists them.",
            )
        return run.failed_ident
    named = {outcome.ident: outcome.name for outcome in _counted(story)}
    named |= {attempt.ident: attempt.name for attempt in story.attempts if attempt.ident not in named}
    if step in named:
        return step
    found = sorted(ident for ident, name in named.items() if name == step)
    if len(found) > 1:
        raise ConflictError(
            f"run {run.id} has {len(found)} steps called {step!r}", hint=f"One of: {', '.join(found[:5])}"
        )
    if not found:
        raise UnknownNameError(f"step of run {run.id}:", step, [*named, *named.values()])
    return found[0]


def _counted(story: RunStory) -> list[Outcome]:
    return [outcome for outcome in story.outcomes if outcome.superseded is None]
