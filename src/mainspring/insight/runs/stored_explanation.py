"""A run of the store explained: all that `explain` needs to know is read here, the same for command line, pages and API."""

from collections.abc import Callable

from msgspec.structs import replace

from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.automations.announced_definitions import read_announced_graph
from mainspring.insight.runs import unsent_messages
from mainspring.insight.runs.explanation import Explanation, explain
from mainspring.insight.runs.run_relations import BlockedAutomation, RunRelations, read_run_relations
from mainspring.insight.runs.suggested_commands import settle_command
from mainspring.insight.runs.up_command import PLAIN_UP, UpCommand
from mainspring.insight.runs.waits import list_waits
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import incident_of_run
from mainspring.store.read.run_decisions import read_decisions
from mainspring.store.read.runs.run_views import run_not_found
from mainspring.store.read.status.status import blocker as blocker_of
from mainspring.store.views import Blocker, RunStory

Sees = Callable[[str], bool]
"""Whether whoever asks may see the automation of this name."""

_CHILDREN = 10
"""It reads what is in the way of at most so many unfinished children."""


def explain_run(
    reader: StoreReader, story: RunStory, now: int, zone: str, sees: Sees = lambda _: True, up: UpCommand = PLAIN_UP
) -> Explanation:
    """Return the four answers about a run at the instant `now` (ms), its fingerprint and its incident; what others may not see is left out.

    `story` = as it was opened, `up` = how workers are started here.

    Raises:
        NotFoundError: it was pruned meanwhile.
    """
    run = story.run.id
    blocker = blocker_of(reader, run)
    if blocker is None:
        raise run_not_found(run)
    # A fingerprint is of the failure as it is stored: opened, it would be another one.
    failure, state = blocker.run.failure, blocker.run.state
    blocker = _hide_names(blocker, sees)
    found = read_run_relations(reader, read_announced_graph(reader), story.run, zone)
    found = RunRelations(
        found.deliveries, [_hide_blocked_names(one, sees) for one in found.holds_up if sees(one.automation)]
    )
    decisions = read_decisions(reader, story.run)
    told = explain(story, blocker, now, zone, found, decisions, _read_child_blockers(reader, story, sees), up)
    incident = incident_of_run(reader, run) if state in REOPENABLE_STATES else None
    return replace(
        told,
        can=[*told.can, *([settle_command(run)] if decisions.is_undecided else [])],
        what=[*told.what, *unsent_messages.describe_unsent(reader, run)],
        fingerprint=None if failure is None else fingerprint_of(failure).id,
        incident=None if incident is None else {"id": incident[0], "state": incident[1].value},
    )


def _read_child_blockers(reader: StoreReader, story: RunStory, sees: Sees) -> list[Blocker]:
    """Return the facts of unfinished children of a run that waits for a child, the first few that may be seen."""
    idents = {wait.get("ident") for wait in list_waits(story) if wait.get("kind") == "child"}
    if not idents:
        return []
    children = [child for child in story.children if child.finished_at is None and sees(child.automation)]
    blockers = (blocker_of(reader, child.id) for child in children[:_CHILDREN])
    return [_hide_names(found, sees) for found in blockers if found is not None and found.run.parent_ident in idents]


def _hide_names(blocker: Blocker, sees: Sees) -> Blocker:
    return replace(blocker, slot_holders=[row for row in blocker.slot_holders if sees(row.automation)])


def _hide_blocked_names(one: BlockedAutomation, sees: Sees) -> BlockedAutomation:
    return replace(one, after=[name for name in one.after if sees(name)])
