"""How a whole project stands, from a few capped reads: the facts, what is wrong, and one sentence. Used by `status` and by a bare call.

What is wrong are the open incidents, the loudest first, and behind them what no incident says yet: a watcher may not have looked, or
not be there.
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
from mainspring.insight.runs.unresolved_failures import NO_RUNS, read_unresolved_failures
from mainspring.insight.status import stuck_work
from mainspring.insight.status.lost_interval import LIST_COMMAND, NEXT_STEP, undecided_items_text
from mainspring.insight.text.formatting import BAD, GOOD, WARN, escape_line, format_count
from mainspring.insight.triggers.trigger_findings import list_trigger_findings
from mainspring.store.base import StoreReader
from mainspring.store.read import incidents as wrong
from mainspring.store.read.outbox import list_outbox_queues, refused_messages
from mainspring.store.read.runs.run_views import questions
from mainspring.store.read.runs.unresolved_runs import count_idle_runs, overdue_runs
from mainspring.store.read.status import status
from mainspring.store.read.status.store_findings import store_findings
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.session_views import SessionView
from mainspring.store.views import AutomationView, Capped, QueueView

_SHOWN = 10
_DAY_MS = 86_400_000
_INCIDENTS = 10_000
_STORE_KINDS = {
    StoreFindingKind.COMMITS_LOST: IncidentKind.COMMITS_LOST,
    StoreFindingKind.DAMAGED: IncidentKind.STORE_DAMAGED,
}


class ProjectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Figures stop at 1,000. `problems` are sentences with the command that shows more; empty = healthy."""

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
    head: str = "All is well"
    """The beginning of the sentence: whether anything needs a person."""
    incidents: int = 0
    """Open ones, those folded into another left out; `looked_after` = acknowledged or snoozed."""
    looked_after: int = 0
    untold: list[str] = []
    """Of the problems, those that no incident says."""
    count: int = 0
    """How many things need a person, each incident by itself."""
    put_off: int = 0
    """Of what is looked after that of severity page: while there is any, not all is well."""
    undecided_failures: Capped = NO_RUNS
    """Failed runs on which no one has decided; while there is one, the project is not healthy. It stops at 1,000."""
    notes: list[str] = []
    """What is to be known and needs no person: that the clock was set."""
    notice: str | None = None
    """What is to be known of the way to the store."""
    audit_head: str | None = None
    """The number and hash of the last act of the audit log: kept elsewhere, it shows later that nothing was cut off."""


class UnresolvedIncidents(NamedTuple):
    """Incidents that are not resolved: `told` by themselves, the loudest first, and those `folded` into one of them."""

    told: list[Incident]
    folded: list[Incident]


def read_unresolved(reader: StoreReader) -> UnresolvedIncidents:
    """Return what is wrong."""
    return UnresolvedIncidents(wrong.open_incidents(reader, _INCIDENTS), wrong.grouped_incidents(reader, _INCIDENTS))


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
    """Return the verdict at the instant `now` (ms); `free` = bytes left beside the store, `zone` = on whose clock instants are told.

    `write_fault` = why the store's disk takes no writes, "" if it does; `local_problems` = what no store says.

    An incident that somebody acknowledged or snoozed is counted, and is no problem; but one of severity page is told in place of "all is
    well". A failed run on which no one has decided is a problem, whatever its incident says.
    """
    told = OpenIncidents(*incidents)
    known = status.automations(reader) if automations is None else automations
    views = [view for view in known if view.retired_at is None]
    sessions = status.sessions(reader, limit=1_000)
    queues = status.queue_views(reader)
    asked = questions(reader)
    runs = read_unresolved_failures(reader)
    untold: list[str] = [*stuck_work.describe_write_fault(write_fault), *local_problems, *_store_problems(reader, told)]
    untold += runs.untold()
    untold += _definition_problems(reader, views, told)
    untold += _stuck_problems(reader, known, sessions, queues, told, now)
    untold += _environment_problems(reader, sessions, free, told, now)
    clock = report_clock(reader, now, zone)
    untold += [] if told.says(IncidentKind.CLOCK_REGRESSION) else clock.waiting
    problems = [*told.sentences(), *untold, *runs.sentences()]
    count = len(told.open) + len(untold)
    head = runs.head(told.head(count, now, zone), count)
    figures: dict[str, Any] = {
        "store": store,
        "notice": reader.notice,
        "notes": clock.notes,
        "environment": environment,
        "automations": len(views),
        "paused": sum(is_paused(view, now) for view in views),
        "workers": sum(one.role in ("worker", "dev") and one.state == SessionState.ALIVE for one in sessions),
        "running": sum(queue.running for queue in queues),
        "failed": status.failed_since(reader, now - _DAY_MS).number,
        "needs_attention": status.count_in(reader, RunState.NEEDS_ATTENTION).number,
        "questions": len(asked),
        "incidents": len(told.open),
        "looked_after": told.looked_after,
        "untold": untold,
        "count": max(count, len(problems) and 1),
        "head": head,
        "put_off": len(told.put_off),
        "undecided_failures": runs.undecided,
    }
    sentence = f"{runs.opening(head, count)}: {_describe_figures(list(told.parts()), figures)}."
    return ProjectStatus(healthy=not problems, sentence=sentence, problems=problems, **figures)


def _store_problems(reader: StoreReader, told: OpenIncidents) -> Iterator[str]:
    """Say that the store is on hold, what is wrong with it where no incident says so yet, and what a restore left undecided."""
    findings = {finding.kind: finding for finding in store_findings(reader)}
    unreported = [finding for finding in findings.values() if not told.says(_STORE_KINDS[finding.kind])]
    yield from (f"{finding.text[0].upper()}{finding.text[1:]}. {finding.hint}" for finding in unreported)
    lost = findings.get(StoreFindingKind.COMMITS_LOST)
    if status.meta(reader, HOLD_KEY) is not None and lost not in unreported:
        why = "was restored" if lost is None else "went back in time"
        yield f"The store {why} and is held: nothing starts. See: {NEXT_STEP}"
    if text := undecided_items_text(reader):
        yield f"{text}: {LIST_COMMAND}"


def _definition_problems(reader: StoreReader, views: Sequence[AutomationView], told: OpenIncidents) -> Iterator[str]:
    """Say what failed to load, once: an incident of an automation names its cause, and so does the problem of a file."""
    problems = decode_problems(status.meta(reader, PROBLEMS_KEY))
    causes = {view.name: (view.problem or "").partition("\n")[0] for view in views if view.problem}
    in_files = {problem.where for problem in problems}
    broken = [name for name, cause in causes.items() if name not in told.lost_definitions and cause not in in_files]
    if broken:
        yield f"{format_count(len(broken), 'automation')} failed to load: {', '.join(broken[:5])}. See: mainspring doctor"
    reported = {causes[name] for name in told.lost_definitions if name in causes}
    for problem in [problem for problem in problems if problem.where not in reported][:_SHOWN]:
        what, how = escape_line(problem.what, 200), escape_line(problem.how)
        yield f"{escape_line(problem.where)}: {what}. {how} See: mainspring doctor"


def _stuck_problems(
    reader: StoreReader,
    known: Sequence[AutomationView],
    sessions: Sequence[SessionView],
    queues: Sequence[QueueView],
    told: OpenIncidents,
    now: int,
) -> Iterator[str]:
    views = [view for view in known if view.retired_at is None]
    needed = any(view.kind != "exec" for view in views) or any(queue.backlog for queue in queues)
    yield from stuck_work.describe_idle_workers(sessions, now, needed=needed, told=told.lost_processes)
    yield from stuck_work.describe_idle_supervisors(sessions, now)
    yield from stuck_work.describe_paused_queues([one for one in queues if one.name not in told.paused_queues], now)
    retired = _retired_runs(reader, known, sessions, told, now)
    paused = {view.name for view in views if is_paused(view, now)}
    groups = [one for one in status.ready_groups(reader, now) if one.automation not in told.stuck]
    yield from stuck_work.describe_unserved_runs(
        groups, sessions, queues, paused | {runs.automation for runs in retired}, now
    )
    yield from stuck_work.describe_retired_runs(retired)
    shut = {queue.name for queue in queues if queue.paused_at is not None}
    yield from stuck_work.describe_overdue_runs(overdue_runs(reader, now, paused, shut), paused, shut)


def _retired_runs(
    reader: StoreReader, known: Sequence[AutomationView], sessions: Sequence[SessionView], told: OpenIncidents, now: int
) -> list[stuck_work.RetiredRuns]:
    """Return the runs of retired automations that no worker continues, those left out that an incident names."""
    retired = [view for view in known if view.retired_at is not None and view.name not in told.stuck]
    halts = {view.name: halt for view in retired if (halt := stuck_work.find_retired_halt(view, sessions, now))}
    idle = count_idle_runs(reader, list(halts))
    return [stuck_work.RetiredRuns(name, number, halts[name]) for name, number in idle.items()]


def _environment_problems(
    reader: StoreReader, sessions: Sequence[SessionView], free: int | None, told: OpenIncidents, now: int
) -> Iterator[str]:
    for unsent in (
        ()
        if told.has_unsent
        else stuck_work.describe_unsent_messages(list_outbox_queues(reader), refused_messages(reader), now)
    ):
        yield f"{unsent.text[0].upper()}{unsent.text[1:]}. {unsent.fix}"
    if not told.has_lost_store:
        yield from stuck_work.describe_low_space(free)
    for fault in list_trigger_findings(reader, now, sessions):
        if fault.is_urgent and not told.tells_of(fault.kind, fault.trigger):
            yield f"{fault.text}. {fault.fix}"


def status_icon(found: ProjectStatus) -> tuple[str, str]:
    """Return the icon of a verdict and its colour at a terminal: what somebody only put off is not well."""
    if not found.healthy:
        return BAD, "red"
    return (WARN, "yellow") if found.put_off else (GOOD, "green")


def _describe_figures(told: list[str], figures: dict[str, Any]) -> str:
    parts = [
        *told,
        format_count(figures["automations"], "automation"),
        format_count(figures["workers"], "worker"),
        f"{figures['running']} running",
    ]
    if figures["paused"]:
        parts.append(f"{figures['paused']} paused")
    if figures["questions"]:
        parts.append(f"{format_count(figures['questions'], 'question waits', 'questions wait')} for an answer")
    return ", ".join(parts)
