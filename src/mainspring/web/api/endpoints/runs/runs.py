"""Runs: list them; show one with its history, explanation, steps, blocker and differences to another; list open questions."""

from typing import Annotated

import msgspec

from mainspring.app.setup.up_command import make_up_command
from mainspring.domain.definitions.options import MAX_VERSION
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.runs.run_tags import parse_tags
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.values.sealing import stored_size
from mainspring.insight.runs.explanation import Explanation
from mainspring.insight.runs.steps import MOST, Stage, list_stages, list_step_lines
from mainspring.insight.runs.stored_explanation import explain_run, hide_holders
from mainspring.insight.triggers.delivery_view import hide_secret_headers
from mainspring.service.runs.run_differences import Difference, compare_runs, find_last_success
from mainspring.store.read.runs.run_pages import run_page
from mainspring.store.read.runs.run_views import journal as run_journal
from mainspring.store.read.runs.run_views import newest_of, read_request_order
from mainspring.store.read.runs.run_views import outline as run_outline
from mainspring.store.read.runs.run_views import questions as open_questions
from mainspring.store.read.runs.run_views import step as run_step
from mainspring.store.read.short_ids import IdKind
from mainspring.store.read.status.status import blocker as blocker_of
from mainspring.store.views import Blocker, RunHistory, RunRow, RunView, StepView, WaitView
from mainspring.web.api.bodies import CommitOrderQuery, Word
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.endpoints.automations import hide_environment
from mainspring.web.api.page_size import limit_page_bytes
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route

_QUESTIONS = 500


class RunsQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of runs: in these states, of the automation `name` and its `version`, in this queue, created from `since` to before `until`.

    `healed` = only runs with a step that succeeded after a failed attempt. `tag` = "NAME=VALUE", up to 5: only runs with all of these tags.
    """

    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    version: Annotated[int, msgspec.Meta(ge=1, le=MAX_VERSION)] | None = None
    healed: bool = False
    tag: tuple[Word, ...] = ()
    since: Instant | None = None
    until: Instant | None = None


class RunQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`newest` = for a run that restarted (`run.restart`), show the run that continues it.

    `wait` = seconds, 30 at most: answer when that run has ended or needs a person, else after this time. If too many requests wait, the
    answer comes at once.
    """

    newest: bool = False
    wait: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0


class CompareQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run to compare with; left out: the newest before it that succeeded."""

    other: Word | None = None


class RunComparison(msgspec.Struct, frozen=True):
    """The differences of a run from another one."""

    other: str
    this: str
    differences: list[Difference]


def list_runs(call: ApiCall[RunsQuery, None]) -> Page[RunRow]:
    """List runs, newest first. With `queue`, `version` or `healed` a page may have fewer than `limit`; `next` continues with older runs."""
    query = call.query
    page = run_page(
        call.site.reader,
        states=query.state,
        names=_visible_names(call),
        queue=query.queue,
        version=query.version,
        healed=query.healed,
        tags=parse_tags(query.tag),
        since_at=to_ms(query.since),
        until_at=to_ms(query.until),
        limit=query.limit,
        cursor=query.cursor,
    )
    opening = call.site.opening
    return Page([opening.row(row) for row in page.runs], None if page.cursor is None else str(page.cursor))


def _visible_names(call: ApiCall[RunsQuery, None]) -> list[str] | None:
    """Return the automations whose runs may be listed; None = all."""
    name = call.query.name
    if name is None:
        return call.automations()
    return [name] if call.visitor.may_view(name) else []


def show_run(call: ApiCall[RunQuery, None]) -> RunView:
    """Show a run: its state, input, result or error."""
    run_id = call.id_of(IdKind.RUN, call.names["run"])
    return _open_run(call, call.run(newest_of(call.site.reader, run_id) if call.query.newest else run_id))


def find_unfinished_run(call: ApiCall[RunQuery, None]) -> str | None:
    """Return the run that a request waits for; None = none, or the request does not wait."""
    if not call.query.wait:
        return None
    run = call.run(newest_of(call.site.reader, call.id_of(IdKind.RUN, call.names["run"])))
    return None if run.state in TERMINAL_STATES or run.state is RunState.NEEDS_ATTENTION else run.id


def show_history(call: AnyApiCall) -> RunHistory:
    """Show everything stored about a run: its steps, each attempt, what it waits for, its children."""
    return _open_history(call, call.site.reads.run_history(call.run().id))


def read_outline(call: AnyApiCall) -> RunHistory:
    """Return the history of a run without the values of its steps, as pages show it."""
    return _open_history(call, run_outline(call.site.reader, call.run().id))


def _open_history(call: AnyApiCall, history: RunHistory) -> RunHistory:
    """Unseal a history, without what the caller may not see."""
    children = [row for row in history.children if call.visitor.may_view(row.automation)]
    started = [row for row in history.started if call.visitor.may_view(row.automation)]
    history = hide_holders(history, call.visitor.may_view)
    opened = call.site.opening.run_history(msgspec.structs.replace(history, children=children, started=started))
    return msgspec.structs.replace(opened, run=_hide_headers(opened.run))


def _open_run(call: AnyApiCall, view: RunView) -> RunView:
    return _hide_headers(call.site.opening.run(view))


def _hide_headers(view: RunView) -> RunView:
    """Return a run without the values of headers that are named like a secret."""
    return msgspec.structs.replace(view, headers=hide_secret_headers(view.headers))


def show_explanation(call: AnyApiCall) -> Explanation:
    """Explain a run in sentences: what it does, why, what happens next and when, what you can do."""
    return explain_outline(call, read_outline(call))


def explain_outline(call: AnyApiCall, outline: RunHistory) -> Explanation:
    """Explain a run whose outline was read already."""
    site = call.site
    zone, up = site.settings.project.timezone, make_up_command(site.settings)
    return explain_run(site.reader, outline, site.clock.now(), zone, call.visitor.may_view, up)


def show_step(call: AnyApiCall) -> StepView:
    """Show one step of a run by its identity: outcomes and attempts with their values, of every generation."""
    run, ident = call.run(), call.names["step"]
    step = run_step(call.site.reader, run.id, ident)
    if not step.outcomes and not step.attempts:
        call.missing(f"step of run {run.id}", ident)
    return call.site.opening.step(step)


def list_stages_of_run(call: AnyApiCall) -> Page[Stage]:
    """List the stages of a run: its steps ran at the same time, after the stage before. Empty for more than 24 outcomes."""
    return Page(list_stages_of_outline(call, read_outline(call)))


def list_stages_of_outline(call: AnyApiCall, outline: RunHistory) -> list[Stage]:
    """Return the stages of a run whose outline was read already."""
    if outline.run.rank > MOST:
        return []
    known = read_request_order(call.site.reader, outline.run.id, MOST)
    return list_stages(outline.outcomes, list_step_lines(outline), known)


def list_outcomes(call: ApiCall[CommitOrderQuery, None]) -> Page[Outcome]:
    """List the saved outcomes of a run, newest first, superseded ones too. If they are large a page has fewer; `next` continues."""
    run, opening = call.run(), call.site.opening

    def read(limit: int, cursor: int | None) -> list[Outcome]:
        return run_journal(call.site.reader, run.id, limit=limit, cursor=cursor)

    outcomes, next_cursor = limit_page_bytes(
        call.query,
        read,
        lambda outcome: outcome.rank,
        lambda outcome: stored_size(outcome.input) + stored_size(outcome.output),
    )
    return Page([opening.outcome(outcome) for outcome in outcomes], next_cursor)


def show_blocker(call: AnyApiCall) -> Blocker:
    """Show why a run does not continue: its place in the queue, who has what it needs, which workers there are."""
    blocker = blocker_of(call.site.reader, call.run().id)
    if blocker is None:  # pruned between the two reads
        call.missing("run", call.names["run"])
    opening = call.site.opening
    return msgspec.structs.replace(
        blocker,
        run=_open_run(call, blocker.run),
        automation=None if blocker.automation is None else hide_environment(blocker.automation, call.visitor),
        slot_holders=[opening.row(row) for row in blocker.slot_holders if call.visitor.may_view(row.automation)],
        waits=[opening.wait(wait) for wait in blocker.waits],
    )


def show_comparison(call: ApiCall[CompareQuery, None]) -> RunComparison:
    """Compare a run with another run, or with the last success."""
    read, this = call.site.reads, call.run()
    other = call.run(call.query.other or find_last_success(read, this))
    opening = call.site.opening
    differences = compare_runs(
        opening.run_history(read.run_history(other.id)), opening.run_history(read.run_history(this.id))
    )
    return RunComparison(other.id, this.id, differences)


class QuestionsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`assignee` = only the questions that this person or team is to answer now."""

    assignee: Word | None = None


def list_questions(call: ApiCall[QuestionsQuery, None]) -> Page[WaitView]:
    """List open questions to people, oldest first; at most 500."""
    now, assignee = call.site.clock.now(), call.query.assignee
    questions = open_questions(call.site.reader, _QUESTIONS, call.automations(), assignee=assignee, now=now)
    return Page([call.site.opening.wait(wait) for wait in questions])


ROUTES = (
    get_route("runs.listed", "/runs", list_runs, Page[RunRow], query=RunsQuery),
    get_route("runs.shown", "/runs/{run}", show_run, RunView, query=RunQuery, pending=find_unfinished_run),
    get_route("runs.story", "/runs/{run}/story", show_history, RunHistory),
    get_route("runs.explanation", "/runs/{run}/explanation", show_explanation, Explanation),
    get_route("runs.stages", "/runs/{run}/stages", list_stages_of_run, Page[Stage]),
    get_route("runs.journal", "/runs/{run}/journal", list_outcomes, Page[Outcome], query=CommitOrderQuery),
    get_route("runs.step", "/runs/{run}/steps/{step}", show_step, StepView),
    get_route("runs.blocker", "/runs/{run}/blocker", show_blocker, Blocker),
    get_route("runs.diff", "/runs/{run}/diff", show_comparison, RunComparison, query=CompareQuery),
    get_route("runs.questions", "/questions", list_questions, Page[WaitView], query=QuestionsQuery),
)
