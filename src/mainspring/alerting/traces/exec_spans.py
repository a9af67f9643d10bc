"""The spans of a wrapped command (`exec`): the same that a worker makes for a run with one step."""

from mainspring.alerting.traces.span_maker import SpanMaker
from mainspring.domain.runs.trace_span import TraceSpan
from mainspring.engine.commands.exec_run import ExecRunEnd
from mainspring.engine.commands.exec_run_record import CLAIM, build_attempt, build_end
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import ClaimedRun, ClaimedRuns, ClaimRuns, StartRun


def make_exec_spans(begin: StartRun, end: ExecRunEnd) -> list[TraceSpan]:
    """Return the spans of a run that has ended; the span of the run is the last."""
    maker = SpanMaker()
    attempts = [build_attempt(begin.id, begin.automation, record) for record in end.attempts]
    commits = [
        (ClaimRuns("", 1), ClaimedRuns((_build_claim(begin, end),), None), end.started_at),
        *((command, DONE, end.finished_at) for command in (*attempts, *build_end(begin.id, begin.automation, end))),
    ]
    return [span for command, result, now in commits for span in maker.spans(command, result, now)]


def _build_claim(begin: StartRun, end: ExecRunEnd) -> ClaimedRun:
    """Return the run as a worker would claim it."""
    return ClaimedRun(
        id=begin.id,
        automation=begin.automation,
        kind=begin.kind,
        version=begin.version,
        claim=CLAIM,
        fresh=True,
        rank=0,
        generation=0,
        started_at=end.started_at,
        created_at=end.started_at,
        deadline_at=None,
        codec=begin.codec,
        input=b"",
        queue=begin.queue,
        priority=begin.priority,
        tag=begin.tag,
        run_key=None,
        parent=None,
        parent_ident=None,
        schedule=None,
        slot_at=None,
        crashes=0,
        title=None,
    )
