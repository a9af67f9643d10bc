"""Inputs of monitors about questions to people."""

from msgspec import Struct

from mainspring.domain.runs.journal import NO_PLAN, QuestionPlan


class UnansweredQuestion(Struct, frozen=True):
    """A question without an answer. `plan` = who is to answer it, and when they are reminded."""

    run: str
    opened_at: int
    until_at: int | None
    ident: str = ""
    plan: QuestionPlan = NO_PLAN

    @property
    def escalate_at(self) -> int | None:
        """The instant from which another assignee is to answer it."""
        return None if self.plan.escalate_ms is None else self.opened_at + self.plan.escalate_ms

    def assignee_at(self, now_at: int) -> str | None:
        """Return who is to answer it at an instant."""
        return self.plan.assignee_at(self.opened_at, now_at)
