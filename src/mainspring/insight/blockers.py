"""Why a run that could go on does not: each thing in its way as a sentence, with who or what can take it away. Pure.

Order of the list = order in which a claim would meet them, so the first one is the one to mend first.
"""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.states import IDLE_STATES, RunState, SessionState
from mainspring.domain.time.rate_window import RateWindow
from mainspring.insight.shell_word import shell_word
from mainspring.insight.up_command import UP, UpCommand
from mainspring.insight.words import ago, many, moment, one_line
from mainspring.store.views import Blocker, RunView


class Block(NamedTuple):
    """One thing in the way: the sentence, when (ms) it goes away by itself, a command about it and what that does; `stuck` = it stays
    until somebody acts.
    """

    text: str
    until_at: int | None = None
    command: str | None = None
    does: str = ""
    stuck: bool = False


_START, _RESTART = "start a worker", "restart the worker with the code as it is now"


def blocks(blocker: Blocker, now: int, zone: str, up: UpCommand = UP) -> list[Block]:
    """Return all that is in the way of a run that nobody has; empty = a worker should take it at any moment."""
    found = [*store_holds(blocker), *_of_automation(blocker, now, zone), *_of_queue(blocker, now)]
    found += [*_of_time(blocker, now, zone), *_of_partition(blocker), *_of_workers(blocker, now, up)]
    return found or [*_of_limits(blocker, now, zone)]


def hindrances(blocker: Blocker, now: int, zone: str, up: UpCommand = UP) -> list[Block]:
    """Return what is in the way of a run that no process has; of one that waits for its time, only what time does not take away."""
    run = blocker.run
    if is_dormant(run, now):
        return [*store_holds(blocker), *retirement(blocker, now)]
    return blocks(blocker, now, zone, up)


def is_dormant(run: RunView, now: int) -> bool:
    """Whether a run waits for something that is not there yet: the end of its wait is its due time, no hindrance."""
    return run.state is RunState.WAITING and not run.ready and (run.due_at is None or run.due_at > now)


def halts(blocker: Blocker, now: int, zone: str, *, is_worked_here: bool = False, up: UpCommand = UP) -> list[Block]:
    """Return what keeps a run from continuing until a person acts; empty = it continues by itself, or has ended.

    `is_worked_here` = this process works on it, so no other worker is needed.
    """
    run = blocker.run
    if run.state is RunState.RUNNING:
        is_left = blocker.is_owner_gone and not blocker.is_served and run.kind != DefinitionKind.EXEC
        start = _start(blocker, up, is_running=blocker.is_supervised)
        return [Block("Its process died, and no worker is running.", None, *start)] if is_left else []
    if run.state not in IDLE_STATES:
        return []
    found = [*store_holds(blocker)]
    if run.state is not RunState.WAITING:
        found += [*_of_automation(blocker, now, zone), *_of_queue(blocker, now)]
    if not is_worked_here:
        found += _of_workers(blocker, now, up)
    return [block for block in found if block.stuck]


def store_holds(blocker: Blocker) -> Iterator[Block]:
    """Yield the hold of a store after a restore or a loss. Its command works now: a release is refused while runs are undecided."""
    if not blocker.held:
        return
    text = "The store is on hold after a restore or a loss: nothing starts until it is released."
    left = blocker.undecided
    if left is None or not left.number:
        yield Block(text, command="mainspring db restore --release", does="release the store", stuck=True)
        return
    this = ", this one among them" if blocker.is_undecided else ""
    yield Block(
        f"{text} Before that, {many(left, 'unfinished run')} must be decided{this}.",
        command="mainspring db restore --undecided",
        does="list the runs to decide; then decide them with --decide continue, --decide done or --decide cancel, then --release",
        stuck=True,
    )


def _of_automation(blocker: Blocker, now: int, zone: str) -> Iterator[Block]:
    view, name = blocker.automation, blocker.run.automation
    if view is None or view.paused_at is None or not is_paused(view, now):
        return
    until = f" It goes on at {moment(view.paused_until, now, zone)}." if view.paused_until is not None else ""
    retired = "" if view.retired_at is None else f" It was retired {ago(view.retired_at, now)}."
    yield Block(
        f"{name} was paused {ago(view.paused_at, now)} by {view.paused_by}{_because(view.pause_reason)}.{until}{retired}",
        until_at=view.paused_until,
        command=f"mainspring auto resume {name}",
        does="take the pause and the retirement back" if retired else "take the pause back",
        stuck=view.paused_until is None,
    )


def retirement(blocker: Blocker, now: int) -> Iterator[Block]:
    """Yield the retirement of an automation that no running worker has loaded: its unfinished runs wait."""
    view, name = blocker.automation, blocker.run.automation
    if view is None or view.retired_at is None or blocker.workers:
        return
    yield Block(
        f"{name} was retired {ago(view.retired_at, now)}, and no running worker has loaded it.",
        command=f"mainspring auto resume {shell_word(name)}",
        does="take the retirement back, then start a worker that loads it",
        stuck=True,
    )


def _of_queue(blocker: Blocker, now: int) -> Iterator[Block]:
    queue = blocker.queue
    if queue is not None and queue.paused_at is not None:
        by = f"{queue.paused_by}{_because(queue.pause_reason)}"
        yield Block(
            f"Queue {queue.name} was paused {ago(queue.paused_at, now)} by {by}.",
            command=f"mainspring queues resume {shlex.quote(queue.name)}",
            does="let the queue go on",
            stuck=True,
        )


def _of_time(blocker: Blocker, now: int, zone: str) -> Iterator[Block]:
    run = blocker.run
    if not run.ready and run.due_at is not None and run.due_at > now:
        yield Block(f"It is not due before {moment(run.due_at, now, zone)}.", until_at=run.due_at)


def _of_partition(blocker: Blocker) -> Iterator[Block]:
    run = blocker.run
    if run.blocked != "partition":
        return
    key = f"partition key {one_line(run.partition, 60)!r} of queue {run.queue}"
    if blocker.holder is None:
        yield Block(f"It waits for {key}, which was just let go.")
        return
    yield Block(
        f"Run {blocker.holder} holds {key}: runs with one key go one after the other.",
        command=f"mainspring explain {blocker.holder}",
        does="see what holds the key",
    )


def _start(blocker: Blocker, up: UpCommand, *, is_running: bool) -> tuple[str, str]:
    """Return the command that starts a worker with the automation, and what it does; `is_running` = a worker is there already."""
    if is_running:
        return up.restart(blocker.automation), _RESTART
    return up.start(blocker.automation), _START


def _of_workers(blocker: Blocker, now: int, up: UpCommand) -> Iterator[Block]:
    run, alive = blocker.run, [w for w in blocker.workers if w.state == SessionState.ALIVE]
    if not blocker.workers and (retired := list(retirement(blocker, now))):
        yield from retired
        return
    start, anew = (
        _start(blocker, up, is_running=blocker.is_served or blocker.is_supervised),
        up.restart(blocker.automation),
    )
    if not blocker.workers:
        known = "" if blocker.automation is not None else "; no worker has ever announced it"
        why = "; those that run started without it" if blocker.is_served and not known else known
        yield Block(f"No live worker has {run.automation}{why}.", None, *start, stuck=True)
        return
    if not alive:
        yield Block(
            f"Every worker that has {run.automation} is draining and takes nothing new.", None, *start, stuck=True
        )
        return
    fitting = [worker for worker in alive if worker.version == run.version]
    if not fitting:
        has = ", ".join(sorted({str(worker.version) for worker in alive}))
        yield Block(
            f"It belongs to version {run.version} of {run.automation}; live workers have version {has}.",
            None,
            anew,
            f"restart the worker, once its code says version={run.version} again",
            stuck=True,
        )
        return
    tagged = [worker for worker in fitting if not run.tag or run.tag in worker.tags]
    if not tagged:
        carry = (
            f"{anew} --tag {shlex.quote(one_line(run.tag))}",
            "restart the worker with it, or name it in [worker] tags; or start one on another machine",
        )
        yield Block(f"No live worker with {run.automation} carries tag {run.tag!r}.", None, *carry, stuck=True)
        return
    serving = [worker for worker in tagged if worker.queues is None or run.queue in worker.queues]
    if not serving:
        of = ", ".join(sorted({name for worker in tagged for name in worker.queues or ()}))
        yield Block(
            f"No live worker with {run.automation} serves queue {run.queue}; they serve {of}.",
            None,
            anew,
            f"restart the worker, with queue {run.queue} in [worker.queues]",
            stuck=True,
        )
        return
    # One older deployment alone goes on; beside a newer one it must not touch what that has touched.
    newest = max(worker.deploy for worker in serving)
    if run.deploy > newest and any(worker.deploy >= run.deploy for worker in blocker.workers):
        yield Block(
            f"Deployment {run.deploy} touched it last; live workers are of deployment {newest}.",
            None,
            up.start(blocker.automation),
            "start a worker of the newer deployment",
            stuck=True,
        )


def _of_limits(blocker: Blocker, now: int, zone: str) -> Iterator[Block]:
    queue, run = blocker.queue, blocker.run
    if run.suspect:
        yield Block("A worker crashed while it had this run, so it goes on alone in the probation process.")
    if queue is not None and queue.concurrency is not None and queue.running >= queue.concurrency:
        held = ", ".join(f"{row.id} ({row.automation})" for row in blocker.slot_holders[:5])
        more = "" if len(blocker.slot_holders) <= 5 else ", ..."
        listed = f": {held}{more}" if held else ""  # whoever sees some automations only is told of no others
        yield Block(
            f"Queue {queue.name} runs {queue.concurrency} at once, and that many run{listed}.",
            command=f"mainspring runs list --state running --limit {max(queue.concurrency, 1)}",
            does="see what has the places",
        )
    if queue is not None and run.fresh and (free_at := _rate_free_at(blocker, now)) is not None and free_at > now:
        yield Block(f"The rate of queue {queue.name} lets the next run start at {moment(free_at, now, zone)}.", free_at)
    if blocker.place is not None and blocker.place.number > 1:
        yield Block(f"It is number {blocker.place} among the runs that are ready in queue {run.queue}.")


def _rate_free_at(blocker: Blocker, now: int) -> int | None:
    """Return the instant from which one more start is allowed."""
    queue = blocker.queue
    if queue is None or not queue.rate_count or not queue.rate_per_ms:
        return None
    return RateWindow.of(queue.rate_count, queue.rate_per_ms, queue.rate_starts).next_at(now)


def _because(reason: str | None) -> str:
    return f": {one_line(reason, 200)}" if reason else ""
