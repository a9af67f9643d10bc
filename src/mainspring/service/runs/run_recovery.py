"""Recovery of a stopped run, after a read of its history: retry from a step, accept drift, run a step again, give a result.

A step is named by its identity, or by its name if only one saved step has it; None = the step at which the run stopped. Nothing is deleted:
superseded outcomes stay in the record.
"""

from collections.abc import Callable, Sequence

from mainspring.domain.errors import ArgumentError, ConflictError, UnknownNameError
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.saved_call import decode_result, encode_result
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.service.refusal import error_for_refusal
from mainspring.service.runs.bulk import BulkAnswer, apply_to_each
from mainspring.store.base import Store
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import GiveResult, ReopenRun
from mainspring.store.views import RunHistory, renamed_step_of

_VERBS = {"map": "rename_step", "accept": "accept_drift", "again": "run_again", "from_step": "retry"}
_UNKNOWN = frozenset({OutcomeState.IN_DOUBT, OutcomeState.REFUSED})


def retry_from(store: Store, reads: ServiceReads, run: str, step: str, *, act: OperationContext) -> None:
    """Continue a run from a chosen step in a new generation: it and all later steps run again, under new keys.

    If earlier steps were undone, it starts at the first of those.

    Raises:
        NotFoundError: there is no such run.
        UnknownNameError: it has no such step.
        ConflictError: several steps have that name, or the run did not stop.
    """
    if was_performed(reads, act, "retry", f"run:{run}"):
        return
    history = reads.run_history(run)
    if (given := _find_given_renamed(history, step)) is not None:
        perform(store, act, "retry", f"run:{run}", ReopenRun(run, accept=(given,)), {"step": given})
    else:
        _reopen_from(store, run, find_step_identity(history, step), act, "retry")


def accept_drift(
    store: Store, reads: ServiceReads, run: str, *, act: OperationContext, step: str | None = None
) -> None:
    """Accept the present input of a saved step instead of the saved one and continue: its result stays.

    Raises:
        NotFoundError: there is no such run, or the step has not drifted.
        ConflictError: the run did not stop.
    """
    if was_performed(reads, act, "accept_drift", f"run:{run}"):
        return
    history = reads.run_history(run)
    renamed = renamed_step_of(history)
    is_renamed = renamed is not None and step in (None, renamed[0])  # by the name of its branch, it may be
    ident = find_step_identity(history, None if is_renamed else step)
    perform(store, act, "accept_drift", f"run:{run}", ReopenRun(run, accept=(ident,)), {"step": ident})


def rename_step(store: Store, reads: ServiceReads, run: str, pair: str, *, act: OperationContext) -> None:
    """Use what is saved under an old name for a step that the code now calls by a new one (`pair` = "OLD=NEW"), and continue.

    Raises:
        NotFoundError: there is no such run.
        ArgumentError: `pair` names no new name, or not the step at which the run stopped.
        ConflictError: the run did not stop for a renamed step.
    """
    if was_performed(reads, act, "rename_step", f"run:{run}"):
        return
    stopped = renamed_step_of(reads.run_history(run))
    if stopped is None:
        raise ConflictError(f"run {run} did not stop for a renamed step", hint=f"See: mainspring explain {run}")
    old, expected = stopped
    new = pair.removeprefix(f"{old}=")
    if not pair.startswith(f"{old}=") or not new:
        raise ArgumentError(
            f"{pair!r} does not rename {old!r}, at which the run stopped", hint=f"Write {old}={expected}"
        )
    perform(store, act, "rename_step", f"run:{run}", ReopenRun(run, rename=(old, new)), {"old": old, "new": new})


def decide_renamed_each(
    store: Store,
    reads: ServiceReads,
    runs: Sequence[str],
    method: str,
    step: str,
    *,
    act: OperationContext,
    dry_run: bool = False,
) -> BulkAnswer:
    """Decide on each of the runs that stopped for the same renamed step.

    `method` = "map" (`step` is then "OLD=NEW"), "accept", "again" or "from_step".
    """
    methods: dict[str, Callable[[str, OperationContext], None]] = {
        "map": lambda run, part: rename_step(store, reads, run, step, act=part),
        "accept": lambda run, part: accept_drift(store, reads, run, act=part, step=step),
        "again": lambda run, part: run_again(store, reads, run, act=part, step=step),
        "from_step": lambda run, part: retry_from(store, reads, run, step, act=part),
    }

    def decide(run: str) -> None:
        part = act.part(run)
        if was_performed(reads, part, _VERBS[method], f"run:{run}"):
            return
        stopped = renamed_step_of(reads.run_history(run))
        if stopped is not None and method != "map" and stopped[0] != step:
            raise ConflictError(f"run {run} stopped for {stopped[0]!r}, not for {step!r}")
        if stopped is None:
            raise ConflictError(f"run {run} did not stop for a renamed step", hint=f"See: mainspring explain {run}")
        methods[method](run, part)

    return apply_to_each(runs, decide, dry_run=dry_run)


def run_again(store: Store, reads: ServiceReads, run: str, *, act: OperationContext, step: str | None = None) -> None:
    """Run a step again that drifted, failed, or has an unknown outcome; what was saved before it stays.

    A step in doubt keeps its idempotency key, so that a receiver that knows keys still acts once.

    Raises:
        NotFoundError: there is no such run.
        UnknownNameError: it has no such step.
        ConflictError: several steps have that name, or the run did not stop.
    """
    if was_performed(reads, act, "run_again", f"run:{run}"):
        return
    history = reads.run_history(run)
    if (given := _find_given_renamed(history, step)) is not None:
        perform(store, act, "run_again", f"run:{run}", ReopenRun(run, accept=(given,)), {"step": given})
        return
    ident = find_step_identity(history, step)
    outcome = next((outcome for outcome in _list_counting(history) if outcome.ident == ident), None)
    is_marked = any(attempt.ident == ident for attempt in history.attempts)
    if outcome.state not in _UNKNOWN if outcome is not None else not is_marked:
        _reopen_from(store, run, ident, act, "run_again")
        return
    command = GiveResult(run, ident, act.command, again=True)
    perform(store, act, "run_again", f"run:{run}", command, {"step": ident})


def give_result(
    store: Store,
    reads: ServiceReads,
    run: str,
    data: bytes,
    *,
    act: OperationContext,
    step: str | None = None,
    signature: Signature | None = None,
    sealing: Sealing = PLAIN_SEALING,
) -> None:
    """Give the result (JSON) of a step that is refused, in doubt or failed; the run continues with it.

    `signature` of the live function, where it is known, types the value; it is plain JSON otherwise.

    Raises:
        ValueRefusedError: it is no JSON, or does not fit the step's annotation.
        NotFoundError: there is no such run, or no such step that needs a result.
        UnknownNameError, ConflictError: as `run_again`; and the run is sealed by another codec.
    """
    if was_performed(reads, act, "give_result", f"run:{run}"):
        return
    history = reads.run_history(run)
    if history.run.codec not in (PLAIN_SEALING.id, sealing.id):
        raise error_for_refusal(
            Refused("sealed_otherwise", f"the values of run {run} are sealed by codec {history.run.codec!r}"), run
        )
    ident = find_step_identity(history, step)
    value_name = f"result of {ident}"
    if signature is None:
        output = encode(decode(data, value_name=value_name), value_name=value_name, limit=sealing.limit)
    else:
        output = encode_result(signature, decode_result(signature, data, value_name), value_name, limit=sealing.limit)
    command = GiveResult(run, ident, act.command, sealing.seal(output))
    perform(store, act, "give_result", f"run:{run}", command, {"step": ident})


def _find_given_renamed(history: RunHistory, step: str | None) -> str | None:
    """Return the identity of the renamed step at which the run stopped if only a given result of it exists.

    Nothing is saved of it or after it, so running it again means running the new name.
    """
    renamed, ident = renamed_step_of(history), history.run.failed_ident
    if renamed is None or step not in (None, renamed[0], ident):
        return None
    saved = {outcome.ident for outcome in _list_counting(history)} | {attempt.ident for attempt in history.attempts}
    return ident if ident not in saved and any(fact.ident == ident for fact in history.facts) else None


def _reopen_from(store: Store, run: str, ident: str, act: OperationContext, verb: str) -> None:
    perform(store, act, verb, f"run:{run}", ReopenRun(run, from_ident=ident), {"step": ident})


def find_step_identity(history: RunHistory, step: str | None) -> str:
    """Return the identity of the named step.

    Raises:
        UnknownNameError: the run has no such step.
        ConflictError: several steps have that name, or none is named and it did not stop at one.
    """
    run = history.run
    if step is None:
        if run.failed_ident is None:
            raise ConflictError(
                f"run {run.id} did not stop at a step: it is {run.state}",
                hint="Name the step; `mainspring runs show RUN` lists them.",
            )
        return run.failed_ident
    named = {outcome.ident: outcome.name for outcome in _list_counting(history)}
    named |= {attempt.ident: attempt.name for attempt in history.attempts if attempt.ident not in named}
    if step in named:
        return step
    found = sorted(ident for ident, name in named.items() if name == step)
    if len(found) > 1:
        raise ConflictError(
            f"run {run.id} has {len(found)} steps with the name {step!r}", hint=f"One of: {', '.join(found[:5])}"
        )
    renamed = renamed_step_of(history)
    if not found and renamed is not None and renamed[0] == step and run.failed_ident is not None:
        return run.failed_ident  # a child that has not ended
    if not found:
        raise UnknownNameError(f"step of run {run.id}:", step, named.values())
    return found[0]


def _list_counting(history: RunHistory) -> list[Outcome]:
    return [outcome for outcome in history.outcomes if outcome.superseded is None]
