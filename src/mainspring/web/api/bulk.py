"""One act on many runs: those that are named, or those of a filter; a dry run counts them."""

from typing import Annotated

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import RunState
from mainspring.domain.time.rate import parse_rate
from mainspring.service import bulk
from mainspring.service.chosen import RunFilter, select
from mainspring.web.api.bodies import Because, Word
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import acts
from mainspring.web.api.shape import Instant

_WITHIN_S = 60.0
_MOST = 10_000
_Some = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]


class Which(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs: `runs`, or the newest `limit` of a filter. `error` = the fingerprint of what they failed by, or a beginning of it.

    Spans: created from `since` to before `until`; ended, or standing still for a person, from `ended_since` to before `ended_until`.
    """

    runs: Annotated[tuple[Word, ...], msgspec.Meta(max_length=_MOST)] = ()
    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    since: Instant | None = None
    until: Instant | None = None
    ended_since: Instant | None = None
    ended_until: Instant | None = None
    error: Word | None = None
    limit: _Some = 1_000
    dry_run: bool = False

    @property
    def is_filter(self) -> bool:
        """Whether something says which."""
        spans = (self.since, self.until, self.ended_since, self.ended_until)
        return any((self.state, self.name, self.queue, self.error, *spans))


class RetryWhich(Which, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When they are continued: the first `at`, the others after it at a `rate` ("60/m")."""

    at: Instant | None = None
    rate: Word | None = None


class CancelWhich(Which, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`undo` = whether what they did is taken back; left out: as their definitions say."""

    undo: bool | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: `count` runs were selected, `runs`; of a dry run nothing else is set. `refused` = run -> why."""

    command: str
    dry_run: bool
    count: int
    runs: tuple[str, ...]
    done: int
    refused: dict[str, str]


def answered(command: str, answer: bulk.BulkAnswer) -> Answered:
    """Return what an act on many came to, as a program is told."""
    return Answered(
        command=command,
        dry_run=answer.dry_run,
        count=len(answer.runs),
        runs=answer.runs,
        done=answer.done,
        refused=answer.refused,
    )


def retry(call: Call[None, RetryWhich]) -> Answered:
    """Continue each of many runs from where it failed."""
    body, act = call.body, call.act()
    due = None
    if body.at is not None or body.rate is not None:
        first = call.site.clock.now() if body.at is None else ms(body.at) or 0
        due = bulk.Due(first, None if body.rate is None else parse_rate(body.rate))
    runs = _chosen(call, body, bulk.RETRYABLE)
    return answered(act.command, bulk.retry_each(call.site.store, runs, act=act, dry_run=body.dry_run, due=due))


def cancel(call: Call[None, CancelWhich]) -> Answered:
    """Ask each of many runs to stop."""
    body, act = call.body, call.act()
    runs = _chosen(call, body, bulk.CANCELLABLE)
    return answered(act.command, bulk.cancel_each(call.site.store, runs, act=act, dry_run=body.dry_run, undo=body.undo))


def discard(call: Call[None, Which]) -> Answered:
    """Discard each of many runs: what needs a person fails, what failed is settled."""
    body, act = call.body, call.act()
    runs = _chosen(call, body, bulk.DISCARDABLE)
    return answered(act.command, bulk.discard_each(call.site.store, runs, act=act, dry_run=body.dry_run))


def _chosen(call: AnyCall, body: Which, states: tuple[RunState, ...]) -> list[str]:
    """Return the runs that are meant, oldest first.

    Raises:
        ArgumentError: runs and a filter, or neither: an act on everything there is has to be said.
        NotFoundError: a run that is named is not there, for this visitor.
    """
    if bool(body.runs) == body.is_filter:
        raise ArgumentError(
            "which runs?", hint="Name runs, or say which by state, name, queue, error or a span of time."
        )
    if body.runs:
        return [call.run(run).id for run in body.runs]
    if not call.visitor.is_for_all:
        if body.name is None:
            raise ArgumentError("of which automation?", hint="Say it by name: you see some automations only.")
        if not call.visitor.may_see(body.name):
            call.missing("automation", body.name)
    return select(
        call.site.reads,
        RunFilter(
            states=body.state or states,
            name=body.name,
            queue=body.queue,
            since_at=ms(body.since),
            until_at=ms(body.until),
            ended_since_at=ms(body.ended_since),
            ended_until_at=ms(body.ended_until),
            limit=body.limit,
            error=body.error,
        ),
    )


ROUTES = (
    acts("bulk.retry", "/runs/retry", retry, RetryWhich, Answered, within_s=_WITHIN_S),
    acts("bulk.cancel", "/runs/cancel", cancel, CancelWhich, Answered, within_s=_WITHIN_S),
    acts("bulk.discard", "/runs/discard", discard, Which, Answered, within_s=_WITHIN_S),
)
