"""Explanation of a run in the store: reads all that `explain` needs, the same for command line, pages and API."""

from collections.abc import Callable

from msgspec.structs import replace

from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.states import REOPENABLE_STATES, MessageState, RunState
from mainspring.insight.automations.announced_definitions import read_announced_graph, read_definition
from mainspring.insight.runs.cleanup_description import describe_cleanup
from mainspring.insight.runs.decisions import remove_holder
from mainspring.insight.runs.explanation import Explanation, explain
from mainspring.insight.runs.run_relations import BlockedAutomation, RunRelations, read_run_relations
from mainspring.insight.runs.run_retry_description import describe_run_retry
from mainspring.insight.runs.suggested_commands import settle_command
from mainspring.insight.runs.up_command import PLAIN_UP, UpCommand
from mainspring.insight.runs.waits import list_waits
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, shell_word
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import incident_of_run
from mainspring.store.read.outbox import list_messages_of, list_outbox_queues, unsent_of
from mainspring.store.read.run_decisions import read_decisions
from mainspring.store.read.runs.run_views import run_not_found
from mainspring.store.read.status.status import blocker as blocker_of
from mainspring.store.read.status.status import locks
from mainspring.store.views import Blocker, RunHistory

ViewFilter = Callable[[str], bool]
"""Whether the caller may see the automation of this name."""

_CHILDREN = 10
"""Most unfinished children whose blockers are read."""

_MAX_LISTED = 5


def explain_run(
    reader: StoreReader,
    history: RunHistory,
    now: int,
    zone: str,
    may_view: ViewFilter = lambda _: True,
    up: UpCommand = PLAIN_UP,
) -> Explanation:
    """Return the four answers about a run at the instant `now` (ms), its fingerprint and its incident, without what the caller may not see.

    `history` = the unsealed history, `up` = the command that starts workers here.

    Raises:
        NotFoundError: it was pruned meanwhile.
    """
    run = history.run.id
    blocker = blocker_of(reader, run)
    if blocker is None:
        raise run_not_found(run)
    # The fingerprint is of the stored failure: an unsealed one has another.
    failure, state = blocker.run.failure, blocker.run.state
    blocker = _hide_names(blocker, may_view)
    found = read_run_relations(reader, read_announced_graph(reader), history.run, zone)
    found = RunRelations(
        found.deliveries,
        [_hide_blocked_names(blocked, may_view) for blocked in found.holds_up if may_view(blocked.automation)],
    )
    decisions = read_decisions(reader, history.run)
    history = hide_holders(history, may_view)
    explanation = explain(
        history, blocker, now, zone, found, decisions, _read_child_blockers(reader, history, may_view), up
    )
    definition = None if blocker.automation is None else read_definition(blocker.automation)
    cleanup = describe_cleanup(history, definition, zone)
    incident = incident_of_run(reader, run) if state in REOPENABLE_STATES else None
    return replace(
        explanation,
        can=[*explanation.can, *([settle_command(run)] if decisions.is_undecided else [])],
        what=[
            *explanation.what,
            *cleanup,
            *describe_run_retry(history, now, zone),
            *_describe_lock_waits(reader, run, state, now),
            *_describe_unsent(reader, run),
        ],
        fingerprint=None if failure is None else fingerprint_of(failure).id,
        incident=None if incident is None else {"id": incident[0], "state": incident[1].value},
    )


def _read_child_blockers(reader: StoreReader, history: RunHistory, may_view: ViewFilter) -> list[Blocker]:
    """Return the facts of unfinished children of a run that waits for a child, the first few that the caller may see."""
    idents = {wait.get("ident") for wait in list_waits(history) if wait.get("kind") == "child"}
    if not idents:
        return []
    children = [child for child in history.children if child.finished_at is None and may_view(child.automation)]
    blockers = (blocker_of(reader, child.id) for child in children[:_CHILDREN])
    return [
        _hide_names(found, may_view) for found in blockers if found is not None and found.run.parent_ident in idents
    ]


def _hide_names(blocker: Blocker, may_view: ViewFilter) -> Blocker:
    return replace(blocker, slot_holders=[row for row in blocker.slot_holders if may_view(row.automation)])


def hide_holders(history: RunHistory, may_view: ViewFilter) -> RunHistory:
    """Return the history without the runs that have effects in doubt, if the caller may not see them."""
    calls = [
        call if call.automation is None or may_view(call.automation) else remove_holder(call)
        for call in history.blocked_calls
    ]
    return replace(history, blocked_calls=calls)


def _hide_blocked_names(blocked: BlockedAutomation, may_view: ViewFilter) -> BlockedAutomation:
    return replace(blocked, after=[name for name in blocked.after if may_view(name)])


def _describe_lock_waits(reader: StoreReader, run: str, state: RunState, now: int) -> list[str]:
    """Return a sentence for each lock that a step of the run waits for."""
    if state is not RunState.RUNNING:
        return []
    return [
        f"Step {escape_line(view.owner.removeprefix(f'{run}/'), 80)} waits for lock {escape_line(view.name, 80)} since "
        f"{format_distance(view.acquired_at, now)}, until {format_distance(view.until_at or now, now)}; it is number "
        f"{view.place} in line. Who has the lock: mainspring locks list --name {shell_word(view.name)}"
        for view in locks(reader)
        if view.place is not None and view.owner.startswith(f"{run}/")
    ][:_MAX_LISTED]


def _describe_unsent(reader: StoreReader, run: str) -> list[str]:
    """Return a sentence for each refused message, and for each queue with waiting messages; empty = all are sent."""
    waiting = unsent_of(reader, run, _MAX_LISTED)
    sentences = [
        f"Message {message.id} to {escape_line(message.queue, 80)} was refused: {escape_line(message.fault, 200)}."
        f" Send it again: mainspring failed retry --messages {message.id}"
        for message in list_messages_of(reader, run, _MAX_LISTED)
        if message.state is MessageState.REFUSED
    ]
    faults = {outbox_queue.name: outbox_queue.fault for outbox_queue in list_outbox_queues(reader)} if waiting else {}
    for queue, number in waiting:
        fault = faults.get(queue)
        suffix = f": {escape_line(fault, 200)}" if fault else ""
        sentences.append(
            f"{format_count(number, 'message waits', 'messages wait')} to be sent to {escape_line(queue, 80)}{suffix}."
        )
    return sentences
