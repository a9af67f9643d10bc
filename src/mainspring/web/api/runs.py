"""What is told of runs: lists, one with its story, why it does not go on, what is different about it, what it asks."""

from typing import Annotated

import msgspec

from mainspring.app.setup.up_command import make_up_command
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.insight.explained import explained
from mainspring.insight.explaining import Explanation
from mainspring.insight.stages import MOST, Stage, stages_of
from mainspring.insight.steps import lines_of
from mainspring.service.difference import Difference, differences, last_good
from mainspring.store.reads.run_pages import run_page
from mainspring.store.reads.runs import asked_after, newest_of
from mainspring.store.reads.runs import journal as run_journal
from mainspring.store.reads.runs import outline as run_outline
from mainspring.store.reads.runs import questions as open_questions
from mainspring.store.reads.runs import step as run_step
from mainspring.store.reads.status import blocker as blocker_of
from mainspring.store.views import Blocker, RunRow, RunStory, RunView, StepView, WaitView
from mainspring.web.api.automations import told
from mainspring.web.api.bodies import Numbered, Word
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Instant, Page
from mainspring.web.api.weighty import within

_QUESTIONS = 500


class RunsQuery(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs: in one of these states, of the automation `name`, in this queue, created from `since` to before `until`.

    `healed` = those alone of which a step succeeded at a later attempt than its first.
    """

    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    healed: bool = False
    since: Instant | None = None
    until: Instant | None = None


class OneRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`newest` = of a run that began anew (`run.restart`), show the run which it goes on as.

    `wait` = seconds, 30 at most: answer when that run has ended or needs a person, else after this time. If too many requests wait, the
    answer comes at once.
    """

    newest: bool = False
    wait: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0


class DiffQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run to compare with; left out: the newest before it that succeeded."""

    other: Word | None = None


class Differences(msgspec.Struct, frozen=True):
    """What is different about a run, beside another one."""

    other: str
    this: str
    differences: list[Difference]


def listed(call: Call[RunsQuery, None]) -> Page[RunRow]:
    """List runs, newest first; of a queue, and healed ones, as many as are found among the newest, `next` goes on behind them."""
    query = call.query
    page = run_page(
        call.site.reader,
        states=query.state,
        names=_names(call),
        queue=query.queue,
        healed=query.healed,
        since_at=ms(query.since),
        until_at=ms(query.until),
        limit=query.limit,
        cursor=query.cursor,
    )
    opening = call.site.opening
    return Page([opening.row(row) for row in page.runs], None if page.cursor is None else str(page.cursor))


def _names(call: Call[RunsQuery, None]) -> list[str] | None:
    """Return of which automations runs are meant; None = of all."""
    name = call.query.name
    if name is None:
        return call.automations()
    return [name] if call.visitor.may_see(name) else []


def shown(call: Call[OneRun, None]) -> RunView:
    """Show a run: its state, input, result or error."""
    wanted = call.names["run"]
    return call.site.opening.run(call.run(newest_of(call.site.reader, wanted) if call.query.newest else wanted))


def unfinished(call: Call[OneRun, None]) -> str | None:
    """Return the run that a request has to wait for; None = none, or it does not wait."""
    if not call.query.wait:
        return None
    run = call.run(newest_of(call.site.reader, call.names["run"]))
    return None if run.state in TERMINAL_STATES or run.state is RunState.NEEDS_ATTENTION else run.id


def story(call: AnyCall) -> RunStory:
    """Show all there is of a run: its steps, every attempt, what it waits for, its children."""
    found = call.site.reads.story(call.run().id)
    children = [row for row in found.children if call.visitor.may_see(row.automation)]
    return call.site.opening.story(msgspec.structs.replace(found, children=children))


def outline(call: AnyCall) -> RunStory:
    """Return the story of a run without the values of its steps, however many these are: what pages draw."""
    found = run_outline(call.site.reader, call.run().id)
    children = [row for row in found.children if call.visitor.may_see(row.automation)]
    return call.site.opening.story(msgspec.structs.replace(found, children=children))


def explanation(call: AnyCall) -> Explanation:
    """Explain a run in sentences: what it is doing, why, what happens next and when, what can be done about it."""
    return explanation_of(call, outline(call))


def explanation_of(call: AnyCall, story: RunStory) -> Explanation:
    """Explain a run of which the outline was read already."""
    site = call.site
    zone, up = site.settings.project.timezone, make_up_command(site.settings)
    return explained(site.reader, story, site.clock.now(), zone, call.visitor.may_see, up)


def step(call: AnyCall) -> StepView:
    """Show one step of a run, by its identity: outcomes and attempts with their values, of every generation."""
    run, ident = call.run(), call.names["step"]
    found = run_step(call.site.reader, run.id, ident)
    if not found.outcomes and not found.attempts:
        call.missing(f"step of run {run.id}", ident)
    return call.site.opening.step(found)


def stages(call: AnyCall) -> Page[Stage]:
    """List what a run did side by side, stage by stage, each standing on the one before; of a run of more than 24 outcomes nothing."""
    return Page(stages_in(call, outline(call)))


def stages_in(call: AnyCall, story: RunStory) -> list[Stage]:
    """Return the stages of a run of which the outline was read already."""
    if story.run.rank > MOST:
        return []
    known = asked_after(call.site.reader, story.run.id, MOST)
    return stages_of(story.outcomes, lines_of(story), known)


def journal(call: Call[Numbered, None]) -> Page[Outcome]:
    """List the saved outcomes of a run, superseded ones too, newest first; of large ones a page holds fewer, `next` goes on."""
    run, opening = call.run(), call.site.opening

    def read(limit: int, cursor: int | None) -> list[Outcome]:
        return run_journal(call.site.reader, run.id, limit=limit, cursor=cursor)

    found, onward = within(
        call.query, read, lambda one: one.rank, lambda one: len(one.input or b"") + len(one.output or b"")
    )
    return Page([opening.outcome(one) for one in found], onward)


def blocker(call: AnyCall) -> Blocker:
    """Show the facts that tell why a run does not go on: its place in the queue, who holds what it needs, which workers there are."""
    found = blocker_of(call.site.reader, call.run().id)
    if found is None:  # pruned between the two reads
        call.missing("run", call.names["run"])
    opening = call.site.opening
    return msgspec.structs.replace(
        found,
        run=opening.run(found.run),
        automation=None if found.automation is None else told(found.automation, call.visitor),
        slot_holders=[opening.row(row) for row in found.slot_holders if call.visitor.may_see(row.automation)],
        waits=[opening.wait(wait) for wait in found.waits],
    )


def diff(call: Call[DiffQuery, None]) -> Differences:
    """Compare a run with another one, or with the last good one."""
    read, this = call.site.reads, call.run()
    other = call.run(call.query.other or last_good(read, this))
    opening = call.site.opening
    told = differences(opening.story(read.story(other.id)), opening.story(read.story(this.id)))
    return Differences(other.id, this.id, told)


def questions(call: AnyCall) -> Page[WaitView]:
    """List open questions to people, oldest first; at most 500."""
    found = open_questions(call.site.reader, _QUESTIONS, call.automations())
    return Page([call.site.opening.wait(wait) for wait in found])


ROUTES = (
    reads("runs.listed", "/runs", listed, Page[RunRow], query=RunsQuery),
    reads("runs.shown", "/runs/{run}", shown, RunView, query=OneRun, pending=unfinished),
    reads("runs.story", "/runs/{run}/story", story, RunStory),
    reads("runs.explanation", "/runs/{run}/explanation", explanation, Explanation),
    reads("runs.stages", "/runs/{run}/stages", stages, Page[Stage]),
    reads("runs.journal", "/runs/{run}/journal", journal, Page[Outcome], query=Numbered),
    reads("runs.step", "/runs/{run}/steps/{step}", step, StepView),
    reads("runs.blocker", "/runs/{run}/blocker", blocker, Blocker),
    reads("runs.diff", "/runs/{run}/diff", diff, Differences, query=DiffQuery),
    reads("runs.questions", "/questions", questions, Page[WaitView]),
)
