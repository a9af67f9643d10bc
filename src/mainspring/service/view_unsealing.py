"""Unsealing of views: makes what reads return readable for a process that has the codec; see `domain.runs.unsealing`."""

import msgspec
from msgspec.structs import replace

from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.runs.journal import RejectedFact
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.store.views import AuditView, RunHistory, RunPage, RunRow, RunView, StepView, UpdateView, WaitView


class ViewUnsealer(RowUnsealer):
    """Unseals runs, lists of runs and their histories."""

    def run(self, view: RunView) -> RunView:
        """Unseal a run."""
        return replace(
            view,
            title=self.text(view.title),
            input=self.value(view.input),
            result=self.value(view.result),
            failure=self.failure(view.failure),
            published=self.value(view.published),
            tags=self.value(view.tags),
            headers=self.value(view.headers),
        )

    def row(self, row: RunRow) -> RunRow:
        """Unseal a run in a list."""
        return replace(row, title=self.text(row.title))

    def page(self, page: RunPage) -> RunPage:
        """Unseal a list."""
        return replace(page, runs=[self.row(row) for row in page.runs])

    def wait(self, view: WaitView) -> WaitView:
        """Unseal a wait: its question."""
        return replace(view, question=self.value(view.question))

    def update(self, view: UpdateView) -> UpdateView:
        """Unseal an update: its reply."""
        return replace(view, result=self.value(view.result), failure=self.failure(view.failure))

    def rejected(self, fact: RejectedFact) -> RejectedFact:
        """Unseal a fact that a run could not read."""
        return replace(fact, payload=self.value(fact.payload), failure=self.failure(fact.failure) or fact.failure)

    def act(self, view: AuditView) -> AuditView:
        """Unseal an audit entry: the answer to a question, and its note."""
        if view.detail is None:
            return view
        detail = {
            name: self.text(value) if isinstance(value, str) else value
            for name, value in msgspec.json.decode(view.detail).items()
        }
        return replace(view, detail=msgspec.json.encode(detail))

    def effect(self, effect: EffectRecord) -> EffectRecord:
        """Unseal an effect: its identity and its result."""
        return replace(effect, identity=self.value(effect.identity), result=self.value(effect.result))

    def step(self, view: StepView) -> StepView:
        """Unseal one step of a run."""
        return StepView(
            view.ident,
            [self.outcome(row) for row in view.outcomes],
            [self.attempt(row) for row in view.attempts],
            None if view.checkpoint is None else self.checkpoint(view.checkpoint),
        )

    def run_history(self, history: RunHistory) -> RunHistory:
        """Unseal all records of a run."""
        return msgspec.structs.replace(
            history,
            run=self.run(history.run),
            outcomes=[self.outcome(row) for row in history.outcomes],
            attempts=[self.attempt(row) for row in history.attempts],
            checkpoints={ident: self.checkpoint(row) for ident, row in history.checkpoints.items()},
            facts=[self.fact(row) for row in history.facts],
            waits=[self.wait(view) for view in history.waits],
            children=[self.row(row) for row in history.children],
            rejected=[self.rejected(fact) for fact in history.rejected],
            retry=None
            if history.retry is None
            else replace(history.retry, failure=self.failure(history.retry.failure)),
            started=[self.row(row) for row in history.started],
            forks=[self.row(row) for row in history.forks],
            updates=[self.update(view) for view in history.updates],
        )
