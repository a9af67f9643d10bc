"""The run behind a link in a message, as far as the link permits: why it stopped, its steps, the end of its log. Read only.

Nothing about other runs, nor its input and result; sealed values stay sealed, whatever this process could open.
"""

from typing import Final

import msgspec

from mainspring.domain.runs.log_line import LogLine
from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.insight.runs.decisions import describe_settlement, remove_holder, remove_names
from mainspring.insight.runs.explanation import Explanation, explain
from mainspring.insight.runs.steps import StepLine, list_step_lines
from mainspring.insight.runs.suggested_commands import SuggestedCommand
from mainspring.insight.runs.trigger_file import find_trigger_file
from mainspring.service.runs.log_lines import read_last_lines
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.read.run_decisions import read_decisions
from mainspring.store.read.runs.logs import last_parts
from mainspring.store.read.runs.run_views import outline
from mainspring.store.read.status.status import blocker as read_blocker
from mainspring.store.read.triggers import delivered_for
from mainspring.store.views import RunHistory

_SEALED: Final = ViewUnsealer(PLAIN_SEALING, lenient=True)
_STEPS: Final = 40
_LINES: Final = 60
_PARTS = 10


class LinkedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `step` = the name of the step where it stopped, `error` = its error; `lines` = its last steps, including that one.

    `is_cut` = there are other steps.

    `can` = the possible operations of a person; `is_plain` = the one button, which continues it as it is, is possible.
    `settled` = what settled it.
    """

    id: str
    automation: str
    state: RunState
    changed_at: int
    started_at: int | None
    step: str | None
    error: str
    what: list[str]
    why: list[str]
    can: list[SuggestedCommand]
    is_plain: bool
    settled: str
    lines: list[StepLine]
    is_cut: bool
    log: list[LogLine]

    @property
    def retry(self) -> str:
        """The text of the button that continues it."""
        return f"Retry from {self.step}" if self.step else "Retry the run"


def read_linked_run(reader: StoreReader, id: str, now: int, zone: str) -> LinkedRun:
    """Return a run at the instant `now` (ms). Raises NotFoundError."""
    outline_view = _SEALED.run_history(outline(reader, id))
    run, lines = outline_view.run, list_step_lines(outline_view)
    step = next((line for line in reversed(lines) if line.ident == run.failed_ident), None)
    has_stopped = run.state in REOPENABLE_STATES
    explanation = _explain(reader, outline_view, now, zone) if has_stopped else None
    can = [] if explanation is None else explanation.can
    settlement = None if explanation is None else explanation.settlement
    current = [line for line in lines if line.superseded is None]
    listed = current[-_STEPS:]
    if step is not None and step not in listed:
        listed = [step, *listed[1:]]
    return LinkedRun(
        id=id,
        automation=run.automation,
        state=run.state,
        changed_at=run.changed_at,
        started_at=run.started_at,
        step=step.label if step is not None else None,
        error=run.failure.headline if run.failure is not None and has_stopped else "",
        what=[] if explanation is None else explanation.what,
        why=[] if explanation is None else explanation.why,
        can=can,
        is_plain=settlement is None and any(suggestion.command == f"mainspring runs retry {id}" for suggestion in can),
        settled="" if settlement is None else describe_settlement(settlement, run.automation, now),
        lines=listed,
        is_cut=len(current) > _STEPS,
        log=_read_log(reader, id, run.failed_ident) if has_stopped else [],
    )


def _explain(reader: StoreReader, outline_view: RunHistory, now: int, zone: str) -> Explanation | None:
    """Explain a stopped run; the reasons why another one waits would name others. None = it was deleted between the two reads."""
    blocker = read_blocker(reader, outline_view.run.id)
    if blocker is None:
        return None
    decisions = remove_names(read_decisions(reader, outline_view.run))
    calls = [remove_holder(call) for call in outline_view.blocked_calls]
    outline_view = msgspec.structs.replace(outline_view, blocked_calls=calls)
    explanation = explain(outline_view, blocker, now, zone, decisions=decisions)
    file = find_trigger_file(outline_view.run, blocker.automation, delivered_for(reader, outline_view.run.id))
    if file is None or file.moved_to is None or explanation.settlement is not None:
        return explanation
    suggestion = SuggestedCommand(
        f"mainspring explain {explanation.run}", "its file was moved after the failure: see how to run it again"
    )
    return msgspec.structs.replace(explanation, can=[suggestion])


def _read_log(reader: StoreReader, id: str, ident: str | None) -> list[LogLine]:
    parts = last_parts(reader, id, ident, _PARTS) if ident is not None else []
    return read_last_lines(parts, _SEALED, _LINES)
