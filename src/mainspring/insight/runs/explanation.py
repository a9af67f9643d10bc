"""Explanation of a run in sentences: what it does, why, what happens next and when, what you can do. Pure: facts and an instant go in.

`runs show` prints the last two; pages may show all.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind as Automation
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.errors import BlobMissingError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.states import IDLE_STATES, FailureReason, RunState
from mainspring.domain.time.clock_step import RunClockSteps
from mainspring.insight.runs import interruptions, waits
from mainspring.insight.runs.blockers import BlockReason, is_dormant, list_hindrances, list_store_holds
from mainspring.insight.runs.clock_steps import describe_steps_of_run
from mainspring.insight.runs.decisions import (
    describe_given_results,
    describe_settlement,
    find_mark_done,
    is_settled_by_success,
    list_given_results,
    reason_suffix,
)
from mainspring.insight.runs.fork_description import describe_fork, describe_forks
from mainspring.insight.runs.pause_explanation import describe_pause_request, explain_paused
from mainspring.insight.runs.rollback_status import list_undone
from mainspring.insight.runs.run_relations import (
    NO_RELATIONS,
    BlockedAutomation,
    RunRelations,
    describe_blocked,
    describe_deliveries,
)
from mainspring.insight.runs.steps import label_step, list_step_lines
from mainspring.insight.runs.suggested_commands import (
    COMMANDS_BY_REASON,
    RunFacts,
    SuggestedCommand,
    cancel_command,
    discard_command,
    fork_commands,
    pause_command,
    plain_commands,
    resume_command,
    retry_command,
    retry_from_start_commands,
    rollback_commands,
    settle_commands,
)
from mainspring.insight.runs.trigger_file import describe_retry, find_trigger_file, retry_reads_file
from mainspring.insight.runs.up_command import PLAIN_UP, UpCommand
from mainspring.insight.text.formatting import escape_line, format_distance, format_span, shell_word
from mainspring.store.read.run_decisions import NO_DECISIONS, ManualResult, RunDecisions, RunSettlement
from mainspring.store.views import Blocker, RunHistory, RunView, find_continuation

_MESSAGE = 300
_NAMES = 10
_COMMAND = 150
"""Characters: a definition has no more than the first words of a long command."""
_CONTINUED = "It continues by itself. If its worker dies, another worker continues it within seconds."
_NOT_CONTINUED = (
    "It continues by itself. If its process dies, no worker continues it: a worker, or mainspring "
    "watch, reports it as failed."
)

REASONS: Final[dict[str, str]] = {
    FailureReason.PERMANENT_ERROR: "The error is permanent, so Mainspring does not retry.",
    FailureReason.RETRIES_EXHAUSTED: "The error may be temporary, but every attempt of the retry policy was used.",
    FailureReason.DEADLINE: "Its deadline passed before it ended.",
    FailureReason.ROLLED_BACK: "Its code rolled back: its steps were undone, newest first.",
    FailureReason.CRASHES_WORKER: "Its code crashed its worker process three times while it ran alone.",
    FailureReason.DRIFT: "The code requests a saved step with another input than the saved one, or no longer requests it.",
    FailureReason.IN_DOUBT: "A step ended without proof of its outcome: it may or may not have had its effect.",
    FailureReason.VALUE_REFUSED: "The step is done, but its result cannot be saved or read. Mainspring does not repeat the step.",
    FailureReason.UNDO_FAILED: "An undo failed, so the rollback is not complete.",
    FailureReason.BODY_ERROR: "The code of the workflow raised it, outside of any step.",
    FailureReason.NO_OUTPUT: "It ended without an error, but its product or result is missing or does not match its "
    "definition.",
    FailureReason.PROCESS_LOST: "The process that ran the command died.",
    FailureReason.DISCARDED: "A person discarded it.",
}


class Explanation(msgspec.Struct, frozen=True):
    """The four answers; sentences are plain text, safe for a terminal. `deliveries` started it; `holds_up` waits for it."""

    run: str
    state: str
    what: list[str]
    why: list[str]
    next: list[str]
    can: list[SuggestedCommand]
    deliveries: list[str] = []
    holds_up: list[BlockedAutomation] = []
    fingerprint: str | None = None
    """The fingerprint of the error that stopped it, which failures of the same error share."""
    incident: dict[str, str] | None = None
    """Id and state of the incident that this is part of."""
    manual_results: list[ManualResult] = []
    """Results that people gave in place of the code, if the run uses them, newest first."""
    settlement: RunSettlement | None = None
    """The settlement of its failure; None = it did not fail, or nothing has settled it."""


def explain(
    history: RunHistory,
    blocker: Blocker,
    now: int,
    zone: str = "UTC",
    around: RunRelations = NO_RELATIONS,
    decisions: RunDecisions = NO_DECISIONS,
    awaited: Sequence[Blocker] = (),
    up: UpCommand = PLAIN_UP,
) -> Explanation:
    """Return the four answers about a run at the instant `now` (ms); clock times are those of `zone`.

    `awaited` = its children, `up` = the command that starts workers.
    """
    file = find_trigger_file(history.run, blocker.automation, around.deliveries)
    facts = RunFacts(history, blocker, list_step_lines(history), now, zone, decisions, file, awaited, up)
    doing, reasons, next_steps, commands = _BY_STATE[history.run.state](facts)
    if history.run.undoing and history.run.finished_at is None:
        doing.insert(0, "It was cancelled after it had stopped: its steps are undone, newest first, then it ends.")
    if history.run.finished_at is None:
        doing += waits.describe_rejected(history, now)
        commands += waits.rejected_commands(history)
    if find_continuation(facts.history.run) is None:
        commands += fork_commands(facts)
    doing += [*describe_fork(history.run), *describe_forks(history)]
    doing += describe_given_results(history, decisions.given, now)
    doing += describe_steps_of_run(history.run.clock_steps, now, zone)
    doing += interruptions.describe_losses(history.losses, facts.at)
    doing += describe_deliveries(around, now)
    next_steps += describe_blocked(around, facts.at)
    deliveries = [delivery.id for delivery in around.deliveries]
    done = find_mark_done(decisions.given)
    given = [*([done] if done is not None else []), *list_given_results(history, decisions.given)]
    return Explanation(
        history.run.id,
        str(history.run.state),
        doing,
        reasons,
        next_steps,
        commands,
        deliveries,
        around.holds_up,
        manual_results=given,
        settlement=decisions.settlement,
    )


def _duration_ms(run: RunView) -> int:
    """Return the duration of a run that has ended, without changes of the clock."""
    set_by_ms = sum(by_ms for by_ms, _ in RunClockSteps(run.clock_steps).lived)
    return max((run.finished_at or 0) - (run.started_at or 0) - set_by_ms, 0)


_Answers = tuple[list[str], list[str], list[str], list[SuggestedCommand]]


def _explain_queued(facts: RunFacts) -> _Answers:
    run = facts.history.run
    doing = "to be started" if run.fresh else "to continue"
    since = run.created_at if run.fresh else run.changed_at
    sentences = [f"It waits in queue {run.queue} {doing}, since {format_distance(since, facts.now)}."]
    return sentences, *_explain_unclaimed(facts, [pause_command(facts), cancel_command(facts)])


def _explain_running(facts: RunFacts) -> _Answers:
    run = facts.history.run
    if facts.blocker.is_owner_gone:
        return _explain_lost_worker(facts)
    worker = next((w for w in facts.blocker.workers if w.session == run.session), None)
    by = f" by {worker.role} {worker.hostname} pid {worker.pid} (session {worker.session})" if worker else ""
    sentences = [f"It runs, claimed{by}."]
    open_lines = [line for line in facts.lines if line.state == "running"]
    for line in open_lines:
        last = line.tries[-1]
        progress = f", {line.progress[0]} of {line.progress[1] or '?'} done" if line.progress else ""
        sentences.append(
            f"Step {escape_line(line.label)} is at attempt {last.number}, started {format_distance(last.started_at, facts.now)}{progress}."
        )
    sentences += _describe_child_process(facts)
    sentences += interruptions.describe_stalls(facts)
    sentences += waits.describe_waits(facts.history, facts.now, facts.at)
    if not open_lines and len(sentences) == 1:
        sentences.append("Its steps of less than a second are not recorded while they run.")
    next_steps = [_NOT_CONTINUED if run.kind == Automation.EXEC else _CONTINUED]
    next_steps += [f"Its deadline is {facts.at(run.deadline_at)}."] if run.deadline_at else []
    commands = [SuggestedCommand(f"mainspring runs watch {facts.id}", "follow it")]
    requested = describe_pause_request(facts)
    if requested:
        sentences += requested
        next_steps = ["It pauses when the attempts under way have ended, unless it ends before."]
        commands.append(resume_command(facts))
    elif run.kind != Automation.EXEC:
        commands.append(pause_command(facts))
    return sentences, [], next_steps, [*interruptions.list_stall_commands(facts), *commands, cancel_command(facts)]


def _explain_lost_worker(facts: RunFacts) -> _Answers:
    """Explain a run whose process died a moment ago, or that no process has noticed yet."""
    sentences = ["Its process died, and no other process has recorded that yet."]
    watch = SuggestedCommand("mainspring watch", "record it now")
    if facts.history.run.kind == Automation.EXEC:
        return sentences, [], ["No worker continues it. It ends as failed when a process records the death."], [watch]
    if facts.blocker.is_served:
        return sentences, [], ["A worker records that and continues the run within seconds."], [cancel_command(facts)]
    if facts.blocker.is_supervised:
        return sentences, [], ["A supervisor starts a worker, which continues it."], [cancel_command(facts)]
    start = SuggestedCommand(facts.up.start(facts.blocker.automation), "start a worker")
    return sentences, [], ["It does not continue before a worker runs."], [start, watch]


def _describe_child_process(facts: RunFacts) -> list[str]:
    """Return which step waits for a child process of its worker."""
    queue = facts.blocker.child_queue
    found = None if queue is None else queue.place_of(facts.id)
    if queue is None or found is None:
        return []
    place, step = found
    busy = "the only child process is busy" if queue.children == 1 else f"all {queue.children} child processes are busy"
    line = f"it is number {place} of {queue.count} in line. worker.processes sets the limit."
    return [f"Step {escape_line(step)} waits for a child process of its worker: {busy}, {line}"]


def _explain_waiting(facts: RunFacts) -> _Answers:
    sentences = waits.describe_waits(facts.history, facts.now, facts.at) or ["It waits."]
    return [*sentences, "While it waits, it uses no worker and no memory."], *_explain_unclaimed(
        facts, [*waits.list_wait_commands(facts.history, facts.now), pause_command(facts), cancel_command(facts)]
    )


def _explain_retrying(facts: RunFacts) -> _Answers:
    sentences = []
    for line in facts.lines:
        if line.state == "retrying" and line.superseded is None:
            last = line.tries[-1]
            sentences.append(
                f"Step {escape_line(line.label)} failed at attempt {last.number}: {_failure_message(last.failure)}"
            )
            if last.next_at is not None:
                sentences.append(f"Its next attempt is at {facts.at(last.next_at)}.")
    commands = [pause_command(facts), cancel_command(facts)]
    return sentences or ["A step failed and will be retried."], *_explain_unclaimed(facts, commands)


def _explain_ended(facts: RunFacts) -> _Answers:
    run = facts.history.run
    duration = f", after {format_span(_duration_ms(run))}" if run.finished_at and run.started_at else ""
    word = {RunState.SUCCEEDED: "succeeded", RunState.CANCELLED: "was cancelled"}[run.state]
    at = facts.at(run.finished_at) if run.finished_at else "-"
    successor = find_continuation(facts.history.run)
    if successor is not None:
        sentences = [
            f"It restarted at {at}{duration} as run {successor}: its signals, key and handle lead to the newest run."
        ]
        return (
            sentences,
            [],
            [f"Run {successor} continues for it."],
            [SuggestedCommand(f"mainspring runs show {successor}", "show it")],
        )
    sentences = [f"It {word} at {at}{duration}."]
    done = find_mark_done(facts.decisions.given)
    if done is not None and run.state is RunState.SUCCEEDED:
        by = escape_line(done.by, 200)
        sentences = [
            f"{by} declared it done at {at}{reason_suffix(done.reason)}.",
            f"Its code did not end{', and no result was given' if run.result is None else ': its result was set by hand'}.",
        ]
    return sentences, _describe_rollback(facts), ["Nothing more happens: it has ended."], []


_PERMANENT_RETRIED = "The error is permanent. retry= of the step applies to it too, and every attempt was used."
_NOTHING_NEEDED = "Nothing more happens, and you need not do anything."
_NOT_SAVED = "Its code passed or returned a value that cannot be saved, so nothing was done with it."


def _explain_failed(facts: RunFacts) -> _Answers:
    run, step = facts.history.run, facts.step
    where = f" at step {escape_line(step.label)}" if step else ""
    at = f" {format_distance(run.finished_at, facts.now)}" if run.finished_at else ""
    sentences = [f"It failed{where}{at}: {_failure_message(run.failure)}"]
    settlement, successor = facts.decisions.settlement, facts.decisions.successor
    if settlement is not None:
        sentences.append(describe_settlement(settlement, run.automation, facts.now))
    if successor is not None or is_settled_by_success(settlement):
        return sentences, _describe_reason(facts), *_explain_superseded(facts)
    if run.kind == Automation.EXEC:
        line = SuggestedCommand(_build_exec_command(facts), "run the command again; only its caller can")
        if settlement is not None:
            return sentences, _describe_reason(facts), [_NOTHING_NEEDED], []
        return (
            sentences,
            _describe_reason(facts),
            ["Nothing happens until its caller runs the command again."],
            [line],
        )
    commands = [*(settle_commands(facts) or _suggest_rerun(facts)), *rollback_commands(facts)]
    reasons = [*_describe_reason(facts), *_describe_rollback(facts)]
    if run.reason == FailureReason.VALUE_REFUSED:  # unlike a run that needs attention for it: there a step is done
        reasons[0] = _NOT_SAVED
    if settlement is not None:
        revise = [
            msgspec.structs.replace(offer, does=f"only if that was a mistake: {offer.does}") for offer in commands
        ]
        return sentences, reasons, [_NOTHING_NEEDED], revise
    next_steps = ["Nothing more happens by itself."]
    next_steps += [describe_retry(facts.file)] if facts.file is not None else []
    return sentences, reasons, next_steps, commands


def _build_exec_command(facts: RunFacts) -> str:
    """Return the command line of an `exec` run, as far as its definition has it."""
    view = facts.blocker.automation
    data = msgspec.json.decode(view.definition) if view is not None and view.definition else None
    words = [] if data is None else Definition.from_data(data).command
    command = " ".join(shell_word(word) for word in words)
    return f"mainspring exec -n {facts.history.run.automation} ... -- {command if 0 < len(command) <= _COMMAND else 'COMMAND'}"


def _suggest_rerun(facts: RunFacts) -> list[SuggestedCommand]:
    """Return how to continue a failed run, or to do its work in a new run."""
    undone = list_undone(facts.history)
    does = "continue from where it failed; saved steps do not run again"
    if undone:
        does = f"run it again, under new keys, from the first undone step: {escape_line(undone[0].name)}"
    file = facts.file
    if file is None or file.moved_to is None:
        return [retry_command(facts, does), *retry_from_start_commands(facts)]
    move = (
        []
        if file.move_back is None
        else [SuggestedCommand(file.move_back, "move its file back, fixed or not: it starts a new run")]
    )
    if retry_reads_file(facts.history.run):
        return move
    return [*move, retry_command(facts, f"only if the remaining steps do not read the file: {does}")]


def _explain_superseded(facts: RunFacts) -> tuple[list[str], list[SuggestedCommand]]:
    """Return next steps and commands for a failed run whose work a later run does or did."""
    run, settlement, successor = facts.history.run, facts.decisions.settlement, facts.decisions.successor
    later = successor or (settlement.by if settlement is not None else None)
    show = [SuggestedCommand(f"mainspring runs show {later}", "show the later run")] if later else []
    if successor is not None:
        key = escape_line(run.run_key, 60)
        newer = f"the newer run {successor}" if successor else "a newer run"
        next_steps = [f"Its key {key!r} belongs to {newer}: a retry of this one is refused."]
        return ([_NOTHING_NEEDED] if settlement is not None else []) + next_steps, show
    is_moved = facts.file is not None and facts.file.moved_to is not None
    if run.kind == Automation.EXEC or is_moved or settle_commands(facts):
        return [_NOTHING_NEEDED], show
    return [f"{_NOTHING_NEEDED} A retry would do its work a second time: mainspring runs retry {facts.id}"], show


def _explain_needs_attention(facts: RunFacts) -> _Answers:
    run, step = facts.history.run, facts.step
    where = f" at step {escape_line(step.label)}" if step else ""
    sentences = [
        f"It stopped{where} and needs a person, since {format_distance(run.changed_at, facts.now)}: {_failure_message(run.failure)}"
    ]
    next_steps = ["Nothing happens by itself: it waits for you, and nothing is lost."]
    if run.partition is not None:
        next_steps.append(f"Until then it has partition key {escape_line(run.partition, 60)!r} of queue {run.queue}.")
    make = COMMANDS_BY_REASON.get(run.reason or "", plain_commands)
    reasons = [*_describe_reason(facts), *_describe_rollback(facts)]
    holds = list(list_store_holds(facts.blocker))
    next_steps += [hold.text for hold in holds]
    return (
        sentences,
        reasons,
        next_steps,
        [*_list_commands(holds), *make(facts), *rollback_commands(facts), discard_command(facts)],
    )


_BY_STATE: dict[RunState, Callable[[RunFacts], _Answers]] = {
    RunState.QUEUED: _explain_queued,
    RunState.RUNNING: _explain_running,
    RunState.WAITING: _explain_waiting,
    RunState.RETRYING: _explain_retrying,
    RunState.PAUSED: explain_paused,
    RunState.NEEDS_ATTENTION: _explain_needs_attention,
    RunState.SUCCEEDED: _explain_ended,
    RunState.FAILED: _explain_failed,
    RunState.CANCELLED: _explain_ended,
}


def _explain_unclaimed(
    facts: RunFacts, commands: list[SuggestedCommand]
) -> tuple[list[str], list[str], list[SuggestedCommand]]:
    """Return reasons, next steps and commands for a run that no worker has."""
    run = facts.history.run
    idle, found = is_dormant(run, facts.now), list_hindrances(facts.blocker, facts.now, facts.zone, facts.up)
    latest = f", at the latest at {facts.at(run.due_at)}" if run.due_at is not None else ""
    next_steps = [f"It continues when its wait ends{latest}." if idle and not found else _next_text(found)]
    if run.deadline_at is not None and run.deadline_at <= facts.now:
        next_steps.append(f"Its deadline passed at {facts.at(run.deadline_at)}: it ends when a worker claims it.")
    elif run.deadline_at is not None:
        next_steps.append(f"Its deadline is {facts.at(run.deadline_at)}.")
    found += _list_child_hindrances(facts)
    return [block.text for block in found], next_steps, [*_list_commands(found), *commands]


def _list_child_hindrances(facts: RunFacts) -> list[BlockReason]:
    """Return the blockers of the children that a run waits for, each named."""
    found: list[BlockReason] = []
    for child in facts.awaited:
        run = child.run
        name = f"Its child {run.id} ({escape_line(run.automation, 80)})"
        if run.state is RunState.NEEDS_ATTENTION:
            command = (f"mainspring explain {run.id}", "show what the child needs")
            found.append(BlockReason(f"{name} needs a person.", None, *command, stuck=True))
        elif run.state is RunState.PAUSED:
            command = (f"mainspring runs resume {run.id}", "resume the child")
            found.append(BlockReason(f"{name} is paused.", None, *command, stuck=True))
        elif run.state in IDLE_STATES:
            found += [
                block._replace(text=f"{name} does not continue: {block.text}")
                for block in list_hindrances(child, facts.now, facts.zone, facts.up)
            ]
    return found


def _list_commands(found: list[BlockReason]) -> list[SuggestedCommand]:
    return [SuggestedCommand(block.command, block.does) for block in found if block.command is not None]


def _next_text(found: list[BlockReason]) -> str:
    if not found:
        return "A worker should claim it at any moment."
    if all(block.until_at is not None for block in found):
        return "It continues by itself at that time."
    if any(block.stuck for block in found):
        return "It does not continue before that changes."
    return "It continues by itself when it is its turn."


def _describe_rollback(facts: RunFacts) -> list[str]:
    names = [escape_line(label_step(outcome.ident, outcome.name)) for outcome in list_undone(facts.history)]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return [f"Undone steps: {', '.join(names[:_NAMES])}{more}."] if names else []


def _describe_reason(facts: RunFacts) -> list[str]:
    reason, failure = facts.history.run.reason, facts.history.run.failure
    happened = facts.decisions.effect_happened
    if happened is not None:
        outcome = "done" if happened else "it did not happen"
        return [f"A person has decided on its effect since then ({outcome}): the run can continue."]
    found = [REASONS[reason]] if reason in REASONS else []
    if reason == FailureReason.ROLLED_BACK and not list_undone(facts.history):
        inherited = ", and a fork never undoes what it inherited" if facts.history.run.fork is not None else ""
        found = [f"Its code rolled back, but no step was undone: none of its own has an undo{inherited}."]
    if failure is not None and failure.code == BlobMissingError.code:
        found = ["A large value that it needs cannot be read, so it stopped before its code continued."]
    if failure is not None and failure.code == EffectInDoubtError.code:
        return [*found, "Check at the target. Each decision below settles the effect too."]
    if reason == FailureReason.PERMANENT_ERROR and _was_retried(facts.history):
        found = [_PERMANENT_RETRIED]
    blocked = facts.find_blocked_call(facts.history.run.failed_ident) if reason == FailureReason.IN_DOUBT else None
    if blocked is not None:
        key, owner = escape_line(blocked.key, _MESSAGE), escape_line(blocked.owner, _MESSAGE)
        return [
            f"It did nothing: effect {key} of {owner} may or may not have happened, and only one call may perform it."
        ]
    if failure is not None and failure.kind is FailureKind.TRANSIENT and reason == FailureReason.RETRIES_EXHAUSTED:
        found.append("The cause is usually temporary: when it has passed, continue the run.")
    if failure is not None and failure.hint:
        found.append(escape_line(failure.hint, _MESSAGE))
    return found


def _was_retried(history: RunHistory) -> bool:
    """Whether the step at which the run stopped was retried after a permanent error: its own `retry=` applies to such errors too."""
    return any(
        attempt.next_at is not None and attempt.failure is not None and attempt.failure.kind is FailureKind.PERMANENT
        for attempt in history.attempts
        if attempt.ident == history.run.failed_ident
    )


def _failure_message(failure: Failure | None) -> str:
    return escape_line(failure.headline, _MESSAGE) if failure is not None else "no error was recorded"
