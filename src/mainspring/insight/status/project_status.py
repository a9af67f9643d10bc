"""Status of a whole project from a few capped reads: the facts, the problems, and one sentence. For `status` and the bare command.

Problems are the open incidents, the most severe first, then what no incident reports yet: a watcher may not have run, or none exists.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.incidents.incident import Incident, IncidentKind
from mainspring.domain.integrity.store_finding import StoreFindingKind
from mainspring.domain.states import RunState, SessionState
from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, decode_problems
from mainspring.insight.incidents.open_incidents import OpenIncidents
from mainspring.insight.runs.clock_steps import report_clock
from mainspring.insight.runs.unresolved_failures import NO_RUNS, UnresolvedFailures, read_unresolved_failures
from mainspring.insight.status import stuck_work
from mainspring.insight.status.lost_interval import LIST_COMMAND, NEXT_STEP, undecided_items_text
from mainspring.insight.text.formatting import BAD, GOOD, WARN, escape_line, format_count
from mainspring.insight.triggers.trigger_findings import list_trigger_findings
from mainspring.store.base import StoreReader
from mainspring.store.read.effects import count_effects_in_doubt
from mainspring.store.read.incidents import grouped_incidents, open_incidents
from mainspring.store.read.outbox import list_outbox_queues, refused_messages
from mainspring.store.read.runs.run_views import questions
from mainspring.store.read.runs.unresolved_runs import count_idle_runs, overdue_runs
from mainspring.store.read.status import status
from mainspring.store.read.status.store_findings import store_findings
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.session_views import SessionView
from mainspring.store.views import AutomationView, Capped, QueueView

_MAX_LISTED = 10
_DAY_MS = 86_400_000
_INCIDENTS = 10_000
_STORE_KINDS = {
    StoreFindingKind.COMMITS_LOST: IncidentKind.COMMITS_LOST,
    StoreFindingKind.DAMAGED: IncidentKind.STORE_DAMAGED,
}


class ProjectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Counts stop at 1,000. `problems` are sentences with the command that shows more; empty = healthy."""

    healthy: bool
    sentence: str
    problems: list[str]
    store: str
    environment: str
    automations: int
    paused: int
    workers: int
    running: int
    failed: int
    needs_attention: int
    questions: int
    head: str = "Healthy"
    """The start of the sentence: whether anything needs a person."""
    incidents: int = 0
    """Open incidents, without grouped ones; `handled` = acknowledged or snoozed."""
    handled: int = msgspec.field(default=0, name="looked_after")
    untold: list[str] = []
    """The problems that no incident reports."""
    count: int = 0
    """How many things need a person, each incident by itself."""
    put_off: int = 0
    """Acknowledged or snoozed ones of severity page: while there is one, the project is not healthy."""
    undecided_failures: Capped = NO_RUNS
    """Failed runs without a decision; while there is one, the project is not healthy. Stops at 1,000."""
    effects_in_doubt: int = 0
    """Effects that may have happened, without those of runs that need attention; while there is one, the project is not healthy."""
    notes: list[str] = []
    """Facts that need no person: that the clock was set."""
    notice: str | None = None
    """A fact about the connection to the store."""
    audit_head: str | None = None
    """Number and hash of the last audit entry: stored elsewhere, it shows later that nothing was cut off."""


class UnresolvedIncidents(NamedTuple):
    """Unresolved incidents: `ungrouped`, the most severe first, and those `grouped` under one of them."""

    ungrouped: list[Incident]
    grouped: list[Incident]


def read_unresolved(reader: StoreReader) -> UnresolvedIncidents:
    """Return the unresolved incidents."""
    return UnresolvedIncidents(open_incidents(reader, _INCIDENTS), grouped_incidents(reader, _INCIDENTS))


def evaluate_status(
    reader: StoreReader,
    now: int,
    incidents: UnresolvedIncidents,
    *,
    store: str,
    environment: str,
    free: int | None = None,
    write_fault: str = "",
    local_problems: Sequence[str] = (),
    zone: str = "UTC",
    automations: Sequence[AutomationView] | None = None,
) -> ProjectStatus:
    """Return the status at the instant `now` (ms); `free` = free bytes next to the store, `zone` = the clock for instants.

    `write_fault` = why the store's disk accepts no writes, "" if it does; `local_problems` = problems outside the store.

    An acknowledged or snoozed incident is counted and is no problem, but one of severity page replaces the healthy head. A failed run
    without a decision is a problem, whatever its incident says, and so is an effect in doubt.
    """
    covered = OpenIncidents(*incidents)
    known = status.automations(reader) if automations is None else automations
    views = [view for view in known if view.retired_at is None]
    sessions = status.sessions(reader, limit=1_000)
    queues = status.queue_views(reader)
    open_questions = questions(reader)
    runs = read_unresolved_failures(reader)
    new: list[str] = [*stuck_work.describe_write_fault(write_fault), *local_problems, *_store_problems(reader, covered)]
    new += runs.unreported()
    new += _definition_problems(reader, views, covered)
    new += _stuck_problems(reader, known, sessions, queues, covered, now)
    new += _environment_problems(reader, sessions, free, covered, now)
    doubts = count_effects_in_doubt(reader)
    reported_doubts = doubts if covered.has_open(IncidentKind.EFFECT_IN_DOUBT) else 0
    new += describe_doubts(doubts - reported_doubts)
    clock = report_clock(reader, now, zone)
    new += [] if covered.has_kind(IncidentKind.CLOCK_REGRESSION) else clock.waiting
    problems = [*covered.sentences(), *new, *describe_doubts(reported_doubts), *runs.sentences()]
    count = len(covered.open) + len(new)
    head = runs.head(covered.head(count, now, zone), count)
    counts: dict[str, Any] = {
        "store": store,
        "notice": reader.notice,
        "notes": [*clock.notes, *_describe_paused_runs(status.count_in(reader, RunState.PAUSED))],
        "environment": environment,
        **_count_parts(reader, views, sessions, queues, now),
        "questions": len(open_questions),
        "incidents": len(covered.open),
        "handled": covered.handled,
        "untold": new,
        "count": max(count, len(problems) and 1),
        "head": head,
        "put_off": len(covered.put_off),
        "undecided_failures": runs.undecided,
        "effects_in_doubt": doubts,
    }
    sentence = f"{runs.opening(head, count)}: {_describe_counts([*covered.parts(), *runs.parts(count)], counts)}."
    return ProjectStatus(healthy=not problems, sentence=sentence, problems=problems, **counts)


def _count_parts(
    reader: StoreReader,
    views: Sequence[AutomationView],
    sessions: Sequence[SessionView],
    queues: Sequence[QueueView],
    now: int,
) -> dict[str, int]:
    """Return the counts of automations, workers and runs, as fields of a ProjectStatus."""
    return {
        "automations": len(views),
        "paused": sum(is_paused(view, now) for view in views),
        "workers": sum(row.role in ("worker", "dev") and row.state == SessionState.ALIVE for row in sessions),
        "running": sum(queue.running for queue in queues),
        "failed": status.failed_since(reader, now - _DAY_MS).number,
        "needs_attention": status.count_in(reader, RunState.NEEDS_ATTENTION).number,
    }


def _store_problems(reader: StoreReader, covered: OpenIncidents) -> Iterator[str]:
    """Yield the hold of the store, its findings that no incident reports yet, and what a restore left undecided."""
    findings = {finding.kind: finding for finding in store_findings(reader)}
    unreported = [finding for finding in findings.values() if not covered.has_kind(_STORE_KINDS[finding.kind])]
    yield from (f"{finding.text[0].upper()}{finding.text[1:]}. {finding.hint}" for finding in unreported)
    lost = findings.get(StoreFindingKind.COMMITS_LOST)
    if status.meta(reader, HOLD_KEY) is not None and lost not in unreported:
        cause = "was restored" if lost is None else "went back in time"
        yield f"The store {cause} and is on hold: no run starts. See: {NEXT_STEP}"
    if text := undecided_items_text(reader):
        yield f"{text}: {LIST_COMMAND}"


def _describe_paused_runs(number: Capped) -> Iterator[str]:
    """Yield how many single runs are paused, with the command that lists them."""
    if number.number:
        need = "is" if number.number == 1 else "are"
        yield f"{format_count(number, 'run')} {need} paused: mainspring runs list --state paused"


def describe_doubts(number: int) -> Iterator[str]:
    """Yield how many effects are in doubt, with the next command."""
    if number:
        need = "is" if number == 1 else "are"
        yield f"{format_count(number, 'effect')} {need} in doubt: mainspring effects list --state in_doubt"


def _definition_problems(reader: StoreReader, views: Sequence[AutomationView], covered: OpenIncidents) -> Iterator[str]:
    """Yield what failed to load, once: an incident of an automation names its cause, and so does the problem of a file."""
    problems = decode_problems(status.meta(reader, PROBLEMS_KEY))
    causes = {view.name: (view.problem or "").partition("\n")[0] for view in views if view.problem}
    in_files = {problem.where for problem in problems}
    broken = [name for name, cause in causes.items() if name not in covered.lost_definitions and cause not in in_files]
    if broken:
        yield f"{format_count(len(broken), 'automation')} failed to load: {', '.join(broken[:5])}. See: mainspring doctor"
    reported = {causes[name] for name in covered.lost_definitions if name in causes}
    unreported = [item for item in problems if item.where not in reported and item.file not in covered.unloaded_files]
    for problem in unreported[:_MAX_LISTED]:
        message, fix = escape_line(problem.what, 200), escape_line(problem.how)
        yield f"{escape_line(problem.where)}: {message}. {fix} See: mainspring doctor"


def _stuck_problems(
    reader: StoreReader,
    known: Sequence[AutomationView],
    sessions: Sequence[SessionView],
    queues: Sequence[QueueView],
    covered: OpenIncidents,
    now: int,
) -> Iterator[str]:
    views = [view for view in known if view.retired_at is None]
    needed = any(view.kind != "exec" for view in views) or any(queue.backlog for queue in queues)
    yield from stuck_work.describe_idle_workers(sessions, now, needed=needed, reported=covered.lost_processes)
    yield from stuck_work.describe_idle_supervisors(sessions, now)
    yield from stuck_work.describe_paused_queues(
        [queue for queue in queues if queue.name not in covered.paused_queues], now
    )
    retired = _retired_runs(reader, known, sessions, covered, now)
    paused = {view.name for view in views if is_paused(view, now)}
    groups = [group for group in status.ready_groups(reader, now) if group.automation not in covered.stuck]
    yield from stuck_work.describe_unserved_runs(
        groups, sessions, queues, paused | {runs.automation for runs in retired}, now
    )
    yield from stuck_work.describe_retired_runs(retired)
    shut = {queue.name for queue in queues if queue.paused_at is not None}
    yield from stuck_work.describe_overdue_runs(overdue_runs(reader, now, paused, shut), paused, shut)


def _retired_runs(
    reader: StoreReader,
    known: Sequence[AutomationView],
    sessions: Sequence[SessionView],
    covered: OpenIncidents,
    now: int,
) -> list[stuck_work.RetiredRuns]:
    """Return the runs of retired automations that no worker continues, without those that an incident names."""
    retired = [view for view in known if view.retired_at is not None and view.name not in covered.stuck]
    halts = {view.name: halt for view in retired if (halt := stuck_work.find_retired_halt(view, sessions, now))}
    idle = count_idle_runs(reader, list(halts))
    return [stuck_work.RetiredRuns(name, number, halts[name]) for name, number in idle.items()]


def _environment_problems(
    reader: StoreReader, sessions: Sequence[SessionView], free: int | None, covered: OpenIncidents, now: int
) -> Iterator[str]:
    for unsent in (
        ()
        if covered.has_unsent
        else stuck_work.describe_unsent_messages(list_outbox_queues(reader), refused_messages(reader), now)
    ):
        yield f"{unsent.text[0].upper()}{unsent.text[1:]}. {unsent.fix}"
    if not covered.has_lost_store:
        yield from stuck_work.describe_low_space(free)
    for fault in list_trigger_findings(reader, now, sessions):
        if fault.is_urgent and not covered.covers_trigger(fault.kind, fault.trigger):
            yield f"{fault.text}. {fault.fix}"


def status_icon(found: ProjectStatus) -> tuple[str, str]:
    """Return the icon of a status and its colour at a terminal: a snoozed problem is not healthy."""
    if not found.healthy:
        return BAD, "red"
    return (WARN, "yellow") if found.put_off else (GOOD, "green")


def _describe_counts(parts_of_incidents: list[str], counts: dict[str, Any]) -> str:
    parts = [
        *parts_of_incidents,
        format_count(counts["automations"], "automation"),
        format_count(counts["workers"], "worker"),
        f"{counts['running']} running",
    ]
    if counts["paused"]:
        parts.append(f"{counts['paused']} paused")
    if counts["questions"]:
        parts.append(f"{format_count(counts['questions'], 'question waits', 'questions wait')} for an answer")
    return ", ".join(parts)


class VisibleProjectStatus(msgspec.Struct, frozen=True):
    """`head` = the start of the sentence; `count` = what needs a person; `untold` = the part that no incident reports.

    `put_off` = acknowledged or snoozed incidents of severity page, `undecided_failures` = failed runs without a decision; see
    `ProjectStatus`.
    """

    head: str
    sentence: str
    count: int
    untold: list[str]
    put_off: int = 0
    undecided_failures: Capped = NO_RUNS
    notes: list[str] = []
    """Facts that need no person."""


def evaluate_visible_status(
    incidents: Sequence[Incident],
    views: Sequence[AutomationView],
    runs: UnresolvedFailures,
    questions: int = 0,
    *,
    now: int,
    zone: str,
) -> VisibleProjectStatus:
    """Return the status of visible incidents, automations, and `runs` of theirs that stopped."""
    reported, alive = OpenIncidents(incidents), [view for view in views if view.retired_at is None]
    unreported = [*runs.unreported()]
    unreported += [
        f"{view.name} failed to load. See: mainspring auto show {view.name}"
        for view in alive
        if view.problem and view.name not in reported.lost_definitions
    ]
    count = len(reported.open) + len(unreported)
    parts = [*reported.parts(), *runs.parts(count), format_count(len(alive), "automation")]
    if questions:
        parts.append(f"{format_count(questions, 'question waits', 'questions wait')} for an answer")
    head = runs.head(reported.head(count, now, zone), count)
    sentence = f"{runs.opening(head, count)}: {', '.join(parts)}."
    count = max(count, runs.undecided.number and 1)
    return VisibleProjectStatus(head, sentence, count, unreported, len(reported.put_off), runs.undecided)
