"""What reads give back of runs, made readable for whoever has the codec; see `domain.runs.unsealing`."""

import msgspec
from msgspec.structs import replace

from mainspring.domain.runs.journal import RejectedFact
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.store.views import AuditView, RunPage, RunRow, RunStory, RunView, StepView, WaitView


class ViewUnsealer(RowUnsealer):
    """Opens runs, lists of them and their stories."""

    def run(self, view: RunView) -> RunView:
        """Open a run."""
        return replace(
            view,
            title=self.text(view.title),
            input=self.value(view.input),
            result=self.value(view.result),
            failure=self.failure(view.failure),
            published=self.value(view.published),
            tags=self.value(view.tags),
        )

    def row(self, row: RunRow) -> RunRow:
        """Open a run in a list."""
        return replace(row, title=self.text(row.title))

    def page(self, page: RunPage) -> RunPage:
        """Open a list."""
        return replace(page, runs=[self.row(row) for row in page.runs])

    def wait(self, view: WaitView) -> WaitView:
        """Open a wait: the question it asks."""
        return replace(view, question=self.value(view.question))

    def rejected(self, fact: RejectedFact) -> RejectedFact:
        """Open a fact that a run could not read."""
        return replace(fact, payload=self.value(fact.payload), failure=self.failure(fact.failure) or fact.failure)

    def act(self, view: AuditView) -> AuditView:
        """Open an act on record: what was answered, and the note beside it."""
        if view.detail is None:
            return view
        detail = {
            name: self.text(value) if isinstance(value, str) else value
            for name, value in msgspec.json.decode(view.detail).items()
        }
        return replace(view, detail=msgspec.json.encode(detail))

    def step(self, view: StepView) -> StepView:
        """Open one step of a run."""
        return StepView(
            view.ident,
            [self.outcome(row) for row in view.outcomes],
            [self.attempt(row) for row in view.attempts],
            None if view.checkpoint is None else self.checkpoint(view.checkpoint),
        )

    def story(self, story: RunStory) -> RunStory:
        """Open all that is told of a run."""
        return RunStory(
            self.run(story.run),
            [self.outcome(row) for row in story.outcomes],
            [self.attempt(row) for row in story.attempts],
            {ident: self.checkpoint(row) for ident, row in story.checkpoints.items()},
            [self.fact(row) for row in story.facts],
            [self.wait(view) for view in story.waits],
            [self.row(row) for row in story.children],
            story.stalls,
            [self.rejected(fact) for fact in story.rejected],
            story.losses,
        )
