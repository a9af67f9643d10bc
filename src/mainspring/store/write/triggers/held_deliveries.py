"""Held deliveries: released when their time is due, or when the runs that they wait for are complete."""

import json

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers import flow_control
from mainspring.domain.triggers.flow_control import FlowControlDecision, decide_start
from mainspring.store.commands.results import DONE, CommandDone, Refused, StartAnswer
from mainspring.store.commands.triggers import JoinRun, ReleaseHeldDeliveries
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs.start import start_run
from mainspring.store.write.triggers.deliveries import read_flow_control, write_flow_control

_AGAIN_MS = 1_000


def release_held_deliveries(tx: Transaction, command: ReleaseHeldDeliveries) -> StartAnswer | CommandDone | Refused:
    """Start the run of held deliveries, if they are still held."""
    c = command
    tx.hold("pace", c.trigger, c.by)
    ids = json.dumps(c.deliveries)
    if tx.value("count_held_among", (ids,), int) != len(c.deliveries):
        return _answer_repeated_release(tx, command)
    if c.start is None:
        tx.change("start_deliveries", (DeliveryState.FAILED.value, c.note, None, tx.now, ids))
        return DONE
    state = read_flow_control(tx, c.trigger, c.by)
    decision = decide_start(c.pace, state, tx.now)
    if decision.state is DeliveryState.HELD:
        tx.change("postpone_held_deliveries", (decision.due_at, c.trigger, c.by))
        return DONE
    answer = start_run(tx, c.start)
    if isinstance(answer, Refused) and answer.code == "busy":
        tx.change("postpone_held_deliveries", (tx.now + (answer.retry_after_ms or _AGAIN_MS), c.trigger, c.by))
        return DONE
    decision = _decision_of_start(answer, c.start.id)
    run = c.start.id if decision.state is DeliveryState.STARTED else None
    tx.change("start_deliveries", (decision.state.value, decision.note, run, tx.now, ids))
    if run is not None:
        write_flow_control(tx, c.trigger, c.by, c.pace, flow_control.record_release(c.pace, state, tx.now))
    return answer if isinstance(answer, StartAnswer) else DONE


def _answer_repeated_release(tx: Transaction, command: ReleaseHeldDeliveries) -> StartAnswer | CommandDone | Refused:
    """Return the answer of this command's first try; refused if another process was first."""
    row = tx.first("read_delivery_state", (command.deliveries[0],))
    state, run, *_ = row if row is not None else (None, None)
    if tx.again and command.start is None and state == DeliveryState.FAILED:
        return DONE
    if tx.again and command.start is not None and run == command.start.id:
        run_state = tx.value("find_run_state", (command.start.id,), str)
        if run_state is not None:
            return StartAnswer(command.start.id, created=True, state=run_state)
    return Refused("changed", "another router was first, or a newer delivery counts")


def _decision_of_start(answer: StartAnswer | Refused, run: str) -> FlowControlDecision:
    if isinstance(answer, Refused):
        return FlowControlDecision(DeliveryState.FAILED, note=answer.text)
    if answer.run != run:
        return FlowControlDecision(DeliveryState.DROPPED, note=f"run {answer.run} has its run key")
    return FlowControlDecision(DeliveryState.STARTED)


def join_run(tx: Transaction, command: JoinRun) -> StartAnswer | CommandDone | Refused:
    """Add the end of a run to its gathering; start when all are complete."""
    c = command
    tx.hold("pace", c.trigger, c.per)
    if c.delivery is not None:
        if tx.value("read_delivery_state", (c.delivery,), str) != DeliveryState.RECEIVED:
            return _answer_repeated_join(tx, command) or (
                DONE if tx.again else Refused("changed", "another router was first")
            )
        tx.change("write_gathering", (c.trigger, c.per, c.expected, c.deadline_at, tx.now))
    known = tx.first("read_gathering", (c.trigger, c.per))
    if known is None:
        return Refused("changed", "there is nothing to start")
    *_, run = known
    if c.delivery is not None:
        _add_to_gathering(tx, command, c.delivery, run)
    if run is not None:
        return _answer_repeated_join(tx, command) or DONE
    tx.change("count_joined_runs", (None, tx.now, c.trigger, c.per))
    known = tx.first("read_gathering", (c.trigger, c.per))
    if known is None:
        return DONE
    required, complete, *_ = known
    if complete < required:
        return DONE
    if c.start is None and c.note is None:
        # Another router added the last one meanwhile: all are complete, and the next check starts it.
        tx.triggers = True
        return DONE
    return _start_gathered(tx, command)


def _add_to_gathering(tx: Transaction, c: JoinRun, delivery: str, run: str | None) -> None:
    """Use an end for its automation. One that counts is not replaced by one that does not; a started gathering stays as
    it is.
    """
    before = tx.first("read_joined_run", (c.trigger, c.per, c.automation))
    delivery_before, counts_before = before if before is not None else (None, 0)
    state, note = DeliveryState.HELD, None
    if run is not None:
        state, note = DeliveryState.DROPPED, f"run {run} was started before" if run else "it was decided before"
    elif counts_before and not c.counts:
        state, note = DeliveryState.DROPPED, "another end of it counts already"
    tx.change("settle_delivery", (state.value, note, None, None, c.per, tx.now, delivery))
    if state is DeliveryState.HELD:
        if before is not None:
            tx.change("drop_held_delivery", ("a newer one counts", tx.now, delivery_before))
        row = (c.trigger, c.per, c.automation, c.run, c.state, int(c.counts), delivery, tx.now)
        tx.change("write_joined_run", row)


def _answer_repeated_join(tx: Transaction, c: JoinRun) -> StartAnswer | None:
    """Return the run that the first try of this command started."""
    known = tx.first("read_gathering", (c.trigger, c.per)) if tx.again else None
    *_, run = known if known is not None else (None,)
    if c.start is None or run != c.start.id:
        return None
    state = tx.value("find_run_state", (c.start.id,), str)
    return None if state is None else StartAnswer(c.start.id, created=True, state=state)


def _start_gathered(tx: Transaction, c: JoinRun) -> StartAnswer | CommandDone | Refused:
    answer: StartAnswer | Refused | None = None
    decision, run = FlowControlDecision(DeliveryState.FAILED, note=c.note), ""
    if c.start is not None:
        answer = start_run(tx, c.start)
        if isinstance(answer, Refused) and answer.code == "busy":
            return answer  # the gathering is complete, so it is checked again
        decision = _decision_of_start(answer, c.start.id)
        run = answer.run if isinstance(answer, StartAnswer) else ""
    ids = json.dumps([delivery for *_, delivery, _ in tx.all("list_joined_runs", (c.trigger, c.per))])
    started = c.start.id if c.start is not None and decision.state is DeliveryState.STARTED else None
    tx.change("start_deliveries", (decision.state.value, decision.note, started, tx.now, ids))
    tx.change("count_joined_runs", (run, tx.now, c.trigger, c.per))
    return answer if isinstance(answer, StartAnswer) else DONE
