"""How a whole project stands, from a few capped reads: the facts, what is wrong, and one sentence. Used by `status` and by a bare call."""

from typing import Any

import msgspec

from mainspring.cli import standstill
from mainspring.cli.words import many, one_line
from mainspring.domain.states import RunState, SessionState
from mainspring.store.base import Reader
from mainspring.store.views import Capped

DAY_MS = 86_400_000
_SHOWN = 10


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
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
    notice: str | None = None
    """What is to be known of the way to the store."""


def judge(reader: Reader, now: int, *, store: str, environment: str, free: int | None = None) -> Verdict:
    """Return the verdict at the instant `now` (ms); `free` = bytes left beside the store.

    A failed run counts for a day, one that needs attention until it is decided.
    """
    from mainspring.cli.checks_store import LITTLE
    from mainspring.cli.trigger_faults import faults_of_triggers
    from mainspring.engine.announcing import PROBLEMS, problems_of
    from mainspring.store.held import HELD
    from mainspring.store.reads import outbox as reads_outbox
    from mainspring.store.reads import runs as reads_runs
    from mainspring.store.reads import status as reads_status

    views = [view for view in reads_status.automations(reader) if view.retired_at is None]
    sessions = reads_status.sessions(reader, limit=1_000)
    workers = [one for one in sessions if one.role in ("worker", "dev") and one.state == SessionState.ALIVE]
    failed = _failed_since(reader, now - DAY_MS)
    halted = reads_status.count_in(reader, RunState.NEEDS_ATTENTION)
    questions = reads_runs.questions(reader)
    queues = reads_status.queue_views(reader)
    broken = [view.name for view in views if view.problem]
    served = [view for view in views if view.kind != "exec"]
    problems: list[str] = []
    if reads_status.meta(reader, HELD) is not None:
        problems.append("The store was restored and is held: nothing starts. See: mainspring db restore --undecided")
    if halted.number:
        problems.append(
            f"{_runs(halted)} {_need(halted)} a person. See: mainspring failed list --state needs_attention"
        )
    if failed.number:
        problems.append(f"{_runs(failed)} failed within a day. See: mainspring failed list --since 24h")
    if broken:
        problems.append(
            f"{many(len(broken), 'automation')} failed to load: {', '.join(broken[:5])}. See: mainspring doctor"
        )
    problems += [
        f"{one_line(one.where)}: {one_line(one.what, 200)}. {one_line(one.how)} See: mainspring doctor"
        for one in problems_of(reads_status.meta(reader, PROBLEMS))[:_SHOWN]
    ]
    paused = {view.name for view in views if view.paused_at is not None and (view.paused_until or now + 1) > now}
    problems += standstill.of_workers(sessions, now, needed=bool(served) or any(queue.backlog for queue in queues))
    problems += standstill.of_queues(queues, now)
    problems += standstill.of_runs(reads_status.ready_groups(reader, now), sessions, queues, paused, now)
    unsent = standstill.of_outbox(reads_outbox.list_outbox_queues(reader), reads_outbox.refused_messages(reader), now)
    problems += [f"{one.text[0].upper()}{one.text[1:]}. {one.fix}" for one in unsent]
    problems += standstill.of_space(free, LITTLE)
    problems += [f"{fault.text}. {fault.fix}" for fault in faults_of_triggers(reader, now) if fault.is_urgent]
    figures: dict[str, Any] = {
        "store": store,
        "notice": reader.notice,
        "environment": environment,
        "automations": len(views),
        "paused": len(paused),
        "workers": len(workers),
        "running": sum(queue.running for queue in queues),
        "failed": failed.number,
        "needs_attention": halted.number,
        "questions": len(questions),
    }
    return Verdict(healthy=not problems, sentence=_sentence(problems, figures), problems=problems, **figures)


def nothing_yet(*, store: str, environment: str) -> Verdict:
    """Return the verdict where there is no store."""
    return Verdict(
        healthy=True,
        sentence="Nothing has run yet: there is no store. Begin with: mainspring up",
        problems=[],
        store=store,
        environment=environment,
        automations=0,
        paused=0,
        workers=0,
        running=0,
        failed=0,
        needs_attention=0,
        questions=0,
    )


def _failed_since(reader: Reader, since_at: int) -> Capped:
    from mainspring.store.reads.runs import list_runs

    page = list_runs(reader, states=(RunState.FAILED,), since_at=since_at, limit=1_000)
    return Capped(len(page.runs), page.cursor is not None)


def _sentence(problems: list[str], figures: dict[str, Any]) -> str:
    head = "All is well" if not problems else many(len(problems), "thing needs you", "things need you")
    parts = [
        many(figures["automations"], "automation"),
        many(figures["workers"], "worker"),
        f"{figures['running']} running",
    ]
    if figures["paused"]:
        parts.append(f"{figures['paused']} paused")
    if figures["questions"]:
        parts.append(f"{many(figures['questions'], 'question waits', 'questions wait')} for an answer")
    return f"{head}: {', '.join(parts)}."


def _runs(number: Capped) -> str:
    return many(number, "run")


def _need(number: Capped) -> str:
    return "needs" if str(number) == "1" else "need"
