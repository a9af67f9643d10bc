"""A run of the store explained: all that `explain` needs to know is read here, the same for command line, pages and API."""

from collections.abc import Callable

from msgspec.structs import replace

from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight import unsent
from mainspring.insight.announced import announced_graph
from mainspring.insight.explaining import Explanation, explain
from mainspring.insight.origins import Around, HeldUp, around
from mainspring.insight.remedies import settle
from mainspring.insight.up_command import UP, UpCommand
from mainspring.insight.waits import waits_for
from mainspring.store.base import Reader
from mainspring.store.reads.decisions import read_decisions
from mainspring.store.reads.incidents import incident_of_run
from mainspring.store.reads.runs import missing
from mainspring.store.reads.status import blocker as blocker_of
from mainspring.store.views import Blocker, RunStory

Sees = Callable[[str], bool]
"""Whether whoever asks may see the automation of this name."""

_CHILDREN = 10
"""It reads what is in the way of at most so many unfinished children."""


def explained(
    reader: Reader, story: RunStory, now: int, zone: str, sees: Sees = lambda _: True, up: UpCommand = UP
) -> Explanation:
    """Return the four answers about a run at the instant `now` (ms), its fingerprint and its incident; what others may not see is left out.

    `story` = as it was opened, `up` = how workers are started here.

    Raises:
        NotFoundError: it was pruned meanwhile.
    """
    run = story.run.id
    blocker = blocker_of(reader, run)
    if blocker is None:
        raise missing(run)
    # A fingerprint is of the failure as it is stored: opened, it would be another one.
    failure, state = blocker.run.failure, blocker.run.state
    blocker = _visible(blocker, sees)
    found = around(reader, announced_graph(reader), story.run, zone)
    found = Around(found.deliveries, [_seen(one, sees) for one in found.holds_up if sees(one.automation)])
    decisions = read_decisions(reader, story.run)
    told = explain(story, blocker, now, zone, found, decisions, _awaited(reader, story, sees), up)
    incident = incident_of_run(reader, run) if state in REOPENABLE_STATES else None
    return replace(
        told,
        can=[*told.can, *([settle(run)] if decisions.is_undecided else [])],
        what=[*told.what, *unsent.sentences(reader, run)],
        fingerprint=None if failure is None else fingerprint_of(failure).id,
        incident=None if incident is None else {"id": incident[0], "state": incident[1].value},
    )


def _awaited(reader: Reader, story: RunStory, sees: Sees) -> list[Blocker]:
    """Return the facts of unfinished children of a run that waits for a child, the first few that may be seen."""
    idents = {wait.get("ident") for wait in waits_for(story) if wait.get("kind") == "child"}
    if not idents:
        return []
    children = [child for child in story.children if child.finished_at is None and sees(child.automation)]
    blockers = (blocker_of(reader, child.id) for child in children[:_CHILDREN])
    return [_visible(found, sees) for found in blockers if found is not None and found.run.parent_ident in idents]


def _visible(blocker: Blocker, sees: Sees) -> Blocker:
    return replace(blocker, slot_holders=[row for row in blocker.slot_holders if sees(row.automation)])


def _seen(one: HeldUp, sees: Sees) -> HeldUp:
    return replace(one, after=[name for name in one.after if sees(name)])
