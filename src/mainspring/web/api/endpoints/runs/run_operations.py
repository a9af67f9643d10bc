"""Operations on one run: continue, cancel, pause, resume, fork, signal, answer, give a result, mark done, discard."""

from typing import Any

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.service.runs import run, run_recovery, signal
from mainspring.service.runs.run_fork import ForkOptions
from mainspring.service.runs.run_start import encode_arguments
from mainspring.web.api.bodies import OperationRequest, OperationResponse, Text, Word
from mainspring.web.api.call import ApiCall, to_ms
from mainspring.web.api.endpoints.automations import StartRunResponse
from mainspring.web.api.response_types import Instant
from mainspring.web.api.route import post_route


class RetryRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A retry from where the run failed, not before `at`. Or one of: `from_step` = this step and all after it run again; `again` = this
    step runs again; `accept` = its drift is accepted; `map` = "OLD=NEW": the saved result of the old step name is used for the new one.

    A continued run reads again the signals, events and answers that it rejected; with `discard_rejected` they are discarded instead.
    """

    at: Instant | None = None
    from_step: Word | None = None
    again: Word | None = None
    accept: Word | None = None
    map: Word | None = None
    discard_rejected: bool = False


class CancelRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`undo` = whether the steps are undone; left out: as its definition says."""

    undo: bool | None = None


class ForkRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new run from `from_step`, null = from its end. `input` left out = the same. Without `key` and `partition` it has none."""

    from_step: Word | None
    input: dict[str, Any] | None = None
    key: Text | None = None
    partition: Text | None = None


class SignalRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to the run."""

    name: Word
    value: Any = None


class AnswerRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A choice, or the fields of the form; `question` = the name or identity of its question, if several are open.

    `note` is stored in the audit log and with the answer.
    """

    choice: Text | None = None
    form: dict[str, Any] | None = None
    question: Word | None = None
    note: Text | None = None


class GiveResultRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of a step by hand; `step` left out: the one at which the run stopped."""

    value: Any
    step: Word | None = None


class MarkDoneRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result that waiting runs and callers receive; null = none."""

    result: Any = None


def retry(call: ApiCall[None, RetryRequest]) -> OperationResponse:
    """Continue a run that failed or needs a person."""
    view, body, site, act = call.run(), call.body, call.site, call.act()
    steps = {"from_step": body.from_step, "again": body.again, "accept": body.accept, "map": body.map}
    chosen = {parameter: step for parameter, step in steps.items() if step is not None}
    if len(chosen) > 1 or (chosen and body.at is not None) or (body.discard_rejected and (chosen or body.at)):
        raise ArgumentError(
            "from_step, again, accept, map and discard_rejected exclude each other",
            hint="Send only one of them, or at.",
        )
    if body.discard_rejected:
        signal.discard_rejected(site.store, view.id, act=act)
        return OperationResponse(act.command)
    if body.from_step is not None:
        run_recovery.retry_from(site.store, site.reads, view.id, body.from_step, act=act)
    elif body.again is not None:
        run_recovery.run_again(site.store, site.reads, view.id, act=act, step=body.again)
    elif body.accept is not None:
        run_recovery.accept_drift(site.store, site.reads, view.id, act=act, step=body.accept)
    elif body.map is not None:
        run_recovery.rename_step(site.store, site.reads, view.id, body.map, act=act)
    else:
        site.engine().retry(view.id, act=act, due_at=to_ms(body.at))
    return OperationResponse(act.command)


def cancel(call: ApiCall[None, CancelRequest]) -> OperationResponse:
    """Cancel a run."""
    act = call.act()
    call.site.engine().cancel(call.run().id, act=act, undo=call.body.undo)
    return OperationResponse(act.command)


def pause(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Pause a run: attempts under way finish, nothing else starts."""
    act = call.act()
    call.site.engine().pause(call.run().id, act=act)
    return OperationResponse(act.command)


def resume(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Resume a paused run, or withdraw the request to pause it."""
    act = call.act()
    call.site.engine().resume(call.run().id, act=act)
    return OperationResponse(act.command)


def fork(call: ApiCall[None, ForkRequest]) -> StartRunResponse:
    """Start a new run from a step of a finished one: it inherits all results from before the step."""
    view, body, act = call.run(), call.body, call.act()
    engine, limit = call.engine_for(view), call.site.sealing.limit
    definition = engine.find_definition(view.automation)
    data = None if body.input is None else encode_arguments(definition, body.input, limit)
    options = ForkOptions(data, body.key, body.partition)
    forked = engine.fork(definition, view.id, body.from_step, act=act, options=options)
    return StartRunResponse(command=act.command, run=forked.run, created=forked.created, state=forked.state)


def send_signal(call: ApiCall[None, SignalRequest]) -> OperationResponse:
    """Send a signal to a run, which receives it with `run.receive(name)`, now or later."""
    view, body, act = call.run(), call.body, call.act()
    call.engine_for(view).signal(view.id, body.name, body.value, act=act)
    return OperationResponse(act.command)


def answer(call: ApiCall[None, AnswerRequest]) -> OperationResponse:
    """Answer the question of a run."""
    view, body, act = call.run(), call.body, call.act()
    if (body.choice is None) == (body.form is None):
        raise ArgumentError("an answer is a choice or a form", hint="Send one of the fields choice and form.")
    given = body.choice if body.form is None else body.form
    call.engine_for(view).answer(view.id, given, act=act, question=body.question, note=body.note)
    return OperationResponse(act.command)


def give_result(call: ApiCall[None, GiveResultRequest]) -> OperationResponse:
    """Set the result of a step that failed, is in doubt, or whose result was refused; the run continues with it."""
    view, body, site, act = call.run(), call.body, call.site, call.act()
    data = msgspec.json.encode(body.value)
    sealing = call.sealing_of(view)
    run_recovery.give_result(site.store, site.reads, view.id, data, act=act, step=body.step, sealing=sealing)
    return OperationResponse(act.command)


def mark_done(call: ApiCall[None, MarkDoneRequest]) -> OperationResponse:
    """Declare a run done that no worker executes now."""
    view, act = call.run(), call.act()
    run.mark_done(call.site.store, view.id, act=act, result=call.body.result, sealing=call.sealing_of(view))
    return OperationResponse(act.command)


def discard(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Discard a run that needs a person: it fails, with all consequences of a failure."""
    act = call.act()
    run.discard(call.site.store, call.run().id, act=act)
    return OperationResponse(act.command)


ROUTES = (
    post_route("run_operations.retry", "/runs/{run}/retry", retry, RetryRequest, OperationResponse),
    post_route("run_operations.cancel", "/runs/{run}/cancel", cancel, CancelRequest, OperationResponse),
    post_route("run_operations.pause", "/runs/{run}/pause", pause, OperationRequest, OperationResponse),
    post_route("run_operations.resume", "/runs/{run}/resume", resume, OperationRequest, OperationResponse),
    post_route("run_operations.fork", "/runs/{run}/fork", fork, ForkRequest, StartRunResponse),
    post_route("run_operations.send_signal", "/runs/{run}/signal", send_signal, SignalRequest, OperationResponse),
    post_route("run_operations.answer", "/runs/{run}/answer", answer, AnswerRequest, OperationResponse),
    post_route(
        "run_operations.give_result", "/runs/{run}/give-result", give_result, GiveResultRequest, OperationResponse
    ),
    post_route("run_operations.mark_done", "/runs/{run}/mark-done", mark_done, MarkDoneRequest, OperationResponse),
    post_route("run_operations.discard", "/runs/{run}/discard", discard, OperationRequest, OperationResponse),
)
