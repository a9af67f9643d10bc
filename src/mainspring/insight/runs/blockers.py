"""Blockers of a run that could continue: each as a sentence, with the command that removes it. Pure.

The order is the order in which a claim meets them, so the first one is the first to fix.
"""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.processes.tag_expression import describe_required, list_missing_tags, matches
from mainspring.domain.states import IDLE_STATES, RunState, SessionState
from mainspring.domain.time.rate_window import RateWindow
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.runs.up_command import PLAIN_UP, UpCommand
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, format_moment, shell_word
from mainspring.store.views import Blocker, RunView


class BlockReason(NamedTuple):
    """One blocker: the sentence, when (ms) it ends by itself, a command and what that does; `stuck` = it stays until a person acts."""

    text: str
    until_at: int | None = None
    command: str | None = None
    does: str = ""
    stuck: bool = False


_START, _RESTART = "start a worker", "restart the worker with the current code"


def list_blocks(blocker: Blocker, now: int, zone: str, up: UpCommand = PLAIN_UP) -> list[BlockReason]:
    """Return all blockers of a run that no worker has; empty = a worker should take it at any moment."""
    found = [*list_store_holds(blocker), *_automation_blocks(blocker, now, zone), *_queue_blocks(blocker, now)]
    found += [
        *_time_blocks(blocker, now, zone),
        *_holder_blocks(blocker),
        *_worker_blocks(blocker, now, up),
    ]
    return found or [*_limit_blocks(blocker, now, zone)]


def list_hindrances(blocker: Blocker, now: int, zone: str, up: UpCommand = PLAIN_UP) -> list[BlockReason]:
    """Return the blockers of a run that no process has; of a run that waits for its time, only those that time does not remove."""
    run = blocker.run
    if is_dormant(run, now):
        return [*list_store_holds(blocker), *list_retirements(blocker, now)]
    return list_blocks(blocker, now, zone, up)


def is_dormant(run: RunView, now: int) -> bool:
    """Whether a run waits for something that is not there yet: the end of its wait is its due time, no blocker."""
    return run.state is RunState.WAITING and not run.ready and (run.due_at is None or run.due_at > now)


def list_halts(
    blocker: Blocker, now: int, zone: str, *, is_worked_here: bool = False, up: UpCommand = PLAIN_UP
) -> list[BlockReason]:
    """Return what keeps a run from continuing until a person acts; empty = it continues by itself, or has ended.

    `is_worked_here` = this process executes it, so no other worker is needed.
    """
    run = blocker.run
    if run.state is RunState.RUNNING:
        is_left = blocker.is_owner_gone and not blocker.is_served and run.kind != DefinitionKind.EXEC
        start = _start_command(blocker, up, is_running=blocker.is_supervised)
        return [BlockReason("Its process died, and no worker is running.", None, *start)] if is_left else []
    if run.state is RunState.PAUSED:
        return [BlockReason("It is paused.", None, f"mainspring runs resume {run.id}", "resume it", stuck=True)]
    if run.state not in IDLE_STATES:
        return []
    found = [*list_store_holds(blocker)]
    if run.state is not RunState.WAITING:
        found += [*_automation_blocks(blocker, now, zone), *_queue_blocks(blocker, now)]
    if not is_worked_here:
        found += _worker_blocks(blocker, now, up)
    return [block for block in found if block.stuck]


def list_store_holds(blocker: Blocker) -> Iterator[BlockReason]:
    """Yield the hold of a store after a restore or a loss. Its command works now: a release is refused while runs are undecided."""
    if not blocker.held:
        return
    text = "The store is on hold after a restore or a loss: no run starts before it is released."
    undecided = blocker.undecided
    if undecided is None or not undecided.number:
        yield BlockReason(text, command="mainspring db restore --release", does="release the store", stuck=True)
        return
    this_text = ", including this one" if blocker.is_undecided else ""
    yield BlockReason(
        f"{text} Before that, {format_count(undecided, 'unfinished run')} must be decided{this_text}.",
        command="mainspring db restore --undecided",
        does="list the runs to decide; then decide them with --decide continue, --decide done or --decide cancel, then --release",
        stuck=True,
    )


def _automation_blocks(blocker: Blocker, now: int, zone: str) -> Iterator[BlockReason]:
    view, name = blocker.automation, blocker.run.automation
    if view is None or view.paused_at is None or not is_paused(view, now):
        return
    until = f" It continues at {format_moment(view.paused_until, now, zone)}." if view.paused_until is not None else ""
    retired = "" if view.retired_at is None else f" It was retired {format_distance(view.retired_at, now)}."
    yield BlockReason(
        f"{name} was paused {format_distance(view.paused_at, now)} by {view.paused_by}{_reason_suffix(view.pause_reason)}.{until}{retired}",
        until_at=view.paused_until,
        command=f"mainspring auto resume {name}",
        does="end the pause and the retirement" if retired else "end the pause",
        stuck=view.paused_until is None,
    )


def list_retirements(blocker: Blocker, now: int) -> Iterator[BlockReason]:
    """Yield the retirement of an automation that no running worker has loaded: its unfinished runs wait."""
    view, name = blocker.automation, blocker.run.automation
    if view is None or view.retired_at is None or blocker.workers:
        return
    yield BlockReason(
        f"{name} was retired {format_distance(view.retired_at, now)}, and no running worker has loaded it.",
        command=f"mainspring auto resume {shell_word(name)}",
        does="end the retirement, then start a worker that loads it",
        stuck=True,
    )


def _queue_blocks(blocker: Blocker, now: int) -> Iterator[BlockReason]:
    queue = blocker.queue
    if queue is not None and queue.paused_at is not None:
        by = f"{queue.paused_by}{_reason_suffix(queue.pause_reason)}"
        yield BlockReason(
            f"Queue {queue.name} was paused {format_distance(queue.paused_at, now)} by {by}.",
            command=f"mainspring queues resume {shlex.quote(queue.name)}",
            does="resume the queue",
            stuck=True,
        )


def _time_blocks(blocker: Blocker, now: int, zone: str) -> Iterator[BlockReason]:
    run = blocker.run
    if not run.ready and run.due_at is not None and run.due_at > now:
        text = f"It is not due before {format_moment(run.due_at, now, zone)}.{_describe_rate(blocker)}"
        yield BlockReason(text, until_at=run.due_at)


def _describe_rate(blocker: Blocker) -> str:
    """Return the rate of the automation, which may delay a new run; "" if it has none."""
    definition = None if blocker.automation is None else read_definition(blocker.automation)
    rate = definition and definition.option("rate")
    if not definition or rate is None or not blocker.run.fresh:
        return ""
    per = definition.option("per")
    of_key = "" if per is None else f" for each {escape_line(per, 60)}"
    return f" {definition.name} has rate={rate}{of_key}: more runs wait."


def _holder_blocks(blocker: Blocker) -> Iterator[BlockReason]:
    """Yield the run that has what this one waits for: its partition key, or its run key."""
    run = blocker.run
    if run.blocked == "partition":
        key = f"partition key {escape_line(run.partition, 60)!r} of queue {run.queue}"
        text = f"Run {blocker.holder} has {key}: runs with one key run one after another."
    elif run.blocked == "key":
        key = f"key {escape_line(run.run_key, 60)!r}"
        text = f"It begins after the end of run {blocker.holder}, which has {key}."
    elif run.blocked == "concurrency":
        yield _describe_line(blocker)
        return
    else:
        return
    if blocker.holder is None:
        yield BlockReason(f"It waits for {key}, which was just released.")
        return
    show = f"mainspring explain {blocker.holder}"
    yield BlockReason(text, command=show, does="show the run that has the key")


def _describe_line(blocker: Blocker) -> BlockReason:
    """Return the line in which a run waits for a slot of its concurrency key: the limit, the holders, its place."""
    run, holders = blocker.run, blocker.slot_holders
    key = f" with key {escape_line(run.concurrency_key, 60)!r}" if run.concurrency_key else ""
    definition = None if blocker.automation is None else read_definition(blocker.automation)
    limit = None if definition is None else definition.option("concurrency")
    at_once = "" if limit is None else f" {format_count(limit, 'run')} of {run.automation}{key} may run at once."
    held = ", ".join(row.id for row in holders[:5]) + ("" if len(holders) <= 5 else ", ...")
    has_slot = f" Now {held} {'has a slot' if len(holders) == 1 else 'have the slots'}." if holders else ""
    place = "" if blocker.place is None else f" It is number {blocker.place} in line."
    return BlockReason(
        f"It waits for a slot.{at_once}{has_slot}{place}",
        command=None if not holders else f"mainspring explain {holders[0].id}",
        does="show the first run that has a slot",
    )


def _start_command(blocker: Blocker, up: UpCommand, *, is_running: bool) -> tuple[str, str]:
    """Return the command that starts a worker with the automation, and what it does; `is_running` = a worker is there already."""
    if is_running:
        return up.restart(blocker.automation), _RESTART
    return up.start(blocker.automation), _START


def _describe_missing_worker(blocker: Blocker, start: tuple[str, str]) -> BlockReason:
    text = f"No running worker has loaded {blocker.run.automation}"
    if blocker.is_supervised and not blocker.is_served and blocker.automation is not None:
        text += ". The supervisor starts a worker, and again after each crash."
        return BlockReason(
            text, None, start[0], "restart all processes, if no worker starts within a minute", stuck=True
        )
    known = "" if blocker.automation is not None else "; no worker has ever announced it"
    suffix = "; running workers started without it" if blocker.is_served and not known else known
    return BlockReason(f"{text}{suffix}.", None, *start, stuck=True)


def _worker_blocks(blocker: Blocker, now: int, up: UpCommand) -> Iterator[BlockReason]:
    run, alive = blocker.run, [w for w in blocker.workers if w.state == SessionState.ALIVE]
    if not blocker.workers and (retired := list(list_retirements(blocker, now))):
        yield from retired
        return
    start, restart = (
        _start_command(blocker, up, is_running=blocker.is_served or blocker.is_supervised),
        up.restart(blocker.automation),
    )
    if not blocker.workers:
        yield _describe_missing_worker(blocker, start)
        return
    if not alive:
        yield BlockReason(
            f"Every worker that has loaded {run.automation} drains and claims no runs.", None, *start, stuck=True
        )
        return
    fitting = [worker for worker in alive if worker.version == run.version]
    if not fitting:
        live_versions = ", ".join(sorted({str(worker.version) for worker in alive}))
        yield BlockReason(
            f"It needs version {run.version} of {run.automation}; running workers have version {live_versions}.",
            None,
            restart,
            f"restart the worker with code of version={run.version}",
            stuck=True,
        )
        return
    tagged = [worker for worker in fitting if not run.tag or matches(run.tag, worker.tags)]
    if not tagged:
        yield _describe_missing_tags(run, restart)
        return
    serving = [worker for worker in tagged if worker.queues is None or run.queue in worker.queues]
    if not serving:
        served_queues = ", ".join(sorted({name for worker in tagged for name in worker.queues or ()}))
        yield BlockReason(
            f"No running worker with {run.automation} serves queue {run.queue}; they serve {served_queues}.",
            None,
            restart,
            f"restart the worker with queue {run.queue} in [worker.queues]",
            stuck=True,
        )
        return
    # An older deployment continues if it is the only one; otherwise it must not touch what a newer one has touched.
    newest = max(worker.deploy for worker in serving)
    if run.deploy > newest and any(worker.deploy >= run.deploy for worker in blocker.workers):
        yield BlockReason(
            f"Deployment {run.deploy} executed it last; running workers belong to deployment {newest}.",
            None,
            up.start(blocker.automation),
            "start a worker of the newer deployment",
            stuck=True,
        )


def _describe_missing_tags(run: RunView, restart: str) -> BlockReason:
    options = "".join(f" --tag {shlex.quote(escape_line(tag))}" for tag in list_missing_tags(run.tag or ""))
    does = "restart the worker with the tag or with [worker] tags, or start one on another machine"
    text = f"No running worker with {run.automation} has {describe_required(escape_line(run.tag))}."
    return BlockReason(text, None, f"{restart}{options}", does, stuck=True)


def _limit_blocks(blocker: Blocker, now: int, zone: str) -> Iterator[BlockReason]:
    queue, run = blocker.queue, blocker.run
    if run.probation:
        yield BlockReason(
            "A worker crashed while it executed this run, so the run continues alone in the probation process."
        )
    if queue is not None and queue.concurrency is not None and queue.running >= queue.concurrency:
        held = ", ".join(f"{row.id} ({row.automation})" for row in blocker.slot_holders[:5])
        more = "" if len(blocker.slot_holders) <= 5 else ", ..."
        listed = f": {held}{more}" if held else ""  # without automations that the caller may not see
        yield BlockReason(
            f"Queue {queue.name} allows {format_count(queue.concurrency, 'run')} at once, and that many run{listed}.",
            command=f"mainspring runs list --state running --limit {max(queue.concurrency, 1)}",
            does="list the running runs",
        )
    if (
        queue is not None
        and run.fresh
        and (free_at := _next_start_allowed_at(blocker, now)) is not None
        and free_at > now
    ):
        yield BlockReason(
            f"The rate limit of queue {queue.name} lets the next run start at {format_moment(free_at, now, zone)}.",
            free_at,
        )
    if blocker.place is not None and blocker.place.number > 1:
        yield BlockReason(f"It is number {blocker.place} of the ready runs in queue {run.queue}.")


def _next_start_allowed_at(blocker: Blocker, now: int) -> int | None:
    """Return the instant from which one more start is allowed."""
    queue = blocker.queue
    if queue is None or not queue.rate_count or not queue.rate_per_ms:
        return None
    return RateWindow.of(queue.rate_count, queue.rate_per_ms, queue.rate_starts).next_at(now)


def _reason_suffix(reason: str | None) -> str:
    return f": {escape_line(reason, 200)}" if reason else ""
