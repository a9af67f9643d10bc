"""Fork of a finished run: a new run that inherits the outcomes which were requested before a step."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.runs.fork_origin import ForkOrigin, find_rank_ranges, make_parts, read_fork_origin
from mainspring.domain.runs.journal import STOP_KINDS, OutcomeKind
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.run_control import ForkRun
from mainspring.store.commands.runs import StartRun
from mainspring.store.schema.runs.journal import CURRENT_OUTCOME
from mainspring.store.schema.runs.runs import FORK_SOURCE, ForkSource
from mainspring.store.texts import FOR_EVER
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs import rollback, start

_NO_STEPS = STOP_KINDS | {OutcomeKind.UNDO}
"""Outcomes of the end of a run: no fork starts at one."""


def fork_run(tx: Transaction, command: ForkRun) -> StartAnswer | Refused:
    """Start a fork. The command may be sent again: the run of its id is the answer."""
    c = command
    state = tx.value("find_run_state", (c.start.id,), str)
    if state is not None:
        return StartAnswer(c.start.id, created=False, state=state)
    tx.hold("run", c.source)
    source = FORK_SOURCE.read_first(tx.all("read_fork_source", (c.source,)))
    if source is None:
        return Refused("not_found", f"there is no run {c.source}")
    refusal = _refuse_source(source, c.start)
    if refusal is not None:
        return refusal
    # What followed a cancel or the deadline belongs to the end: without the stop, its code would ask for other steps.
    stopped_number = tx.value("find_first_request_after_stop", (c.source,), int) or FOR_EVER
    request_number = stopped_number if c.step is None else _find_request_number(tx, c.source, c.step)
    if request_number is None:
        return Refused("no_such_step", f"run {c.source} has no step {c.step!r} that started")
    if c.step is not None and request_number >= stopped_number:
        return Refused("after_stop", f"run {c.source}: step {c.step!r} followed its cancel or deadline")
    refusal = _refuse_step(tx, c.source, request_number)
    if refusal is not None:
        return refusal
    from mainspring.store.write.runs.version_choice import read_version_in_force  # noqa: PLC0415 - it loads rollouts

    version = read_version_in_force(tx, c.start.automation, start.read_start_rules(tx, c.start.automation).rollout)
    command_in_force = c.start if version is None else msgspec.structs.replace(c.start, version=version)
    answer = start.start_run(tx, command_in_force, continues=True)
    if isinstance(answer, StartAnswer) and answer.created:
        _inherit(tx, c, source, request_number)
    return answer


def _refuse_source(source: ForkSource, command: StartRun) -> Refused | None:
    kind = command.kind if source.kind == DefinitionKind.WORKFLOW else source.kind
    if kind != DefinitionKind.WORKFLOW:
        return Refused("wrong_state", f"{source.automation} is a {kind}, which has one step: start it again")
    if not source.is_finished:
        return Refused("wrong_state", f"run {source.id} is {source.state}: only a run that has ended can be forked")
    if source.codec != command.codec:
        text = f"the values of run {source.id} are sealed by codec {source.codec!r}, and this process has {command.codec!r}"
        return Refused("sealed_otherwise", text)
    return None


def _find_request_number(tx: Transaction, run: str, ident: str) -> int | None:
    outcome = CURRENT_OUTCOME.read_first(tx.all("find_current_outcome", (run, ident)))
    if outcome is not None:
        return None if outcome.kind in _NO_STEPS else outcome.request_number
    return None if ident.startswith("undo:") else tx.value("find_request_of_step", (run, ident), int)


def _refuse_step(tx: Transaction, run: str, request_number: int) -> Refused | None:
    """Refuse to inherit what is not certain, or was undone."""
    unsettled = tx.value("find_unsettled_before", (run, request_number), str)
    if unsettled is not None:
        text = f"run {run}: the outcome of step {unsettled} is not settled; fork from it or from an earlier step"
        return Refused("unsettled_before", text)
    undone = rollback.find_undone_requests(tx, run)
    if undone is not None and undone.request_number < request_number:
        first = tx.value("find_step_at_request", (run, undone.request_number), str)
        return Refused("undone_before", f"run {run}: step {first} is undone; fork from it or from an earlier step")
    return None


def _inherit(tx: Transaction, command: ForkRun, source: ForkSource, request_number: int) -> None:
    """Copy the inherited outcomes, and what their code knows: renamed steps, answers of flags."""
    fork, run = command.start.id, source.id
    ranks = tx.values("list_inherited_ranks", (run, request_number), int)
    ranges = find_rank_ranges(ranks)
    for part in ranges:
        values = {"fork": fork, "source": run, "first": part.first, "last": part.last, "shift": part.shift}
        tx.change("copy_outcomes", values)
    if ranges:
        tx.change("reset_first_requests", (fork, ranges[0].first))
    for part, next_first in zip(ranges, [*(later.first for later in ranges[1:]), FOR_EVER], strict=False):
        values = {"fork": fork, "first": part.first, "last": part.last, "shift": part.shift, "next": next_first}
        tx.change("renumber_requests", values)
    tx.change("copy_step_renames", (fork, run))
    tx.change("copy_flag_answers", (fork, run))
    started_at = source.created_at if source.started_at is None else source.started_at
    parts = make_parts(read_fork_origin(source.fork), run, started_at, ranks)
    item = (source.item or run) if command.start.healthy is HealthRule.ITEM else command.start.item
    values = {
        "run": fork,
        "origin": ForkOrigin(run, command.step or "", parts).write(),
        "rank": len(ranks),
        "item": item,
    }
    tx.change("make_fork", values)
    tx.change("insert_run_fork", (run, fork))
