"""Detail of a rollout: its steps with their instants, the rates of both versions with intervals, and its moves."""

from collections import Counter

import msgspec
from msgspec.structs import asdict

from mainspring.domain.flags.flag_text import to_percent
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.rollout import NOT_COUNTED, Rollout
from mainspring.domain.rollouts.run_outcome import RunOutcomeKind
from mainspring.insight.rollouts.rollout_moves import RolloutMoveEntry, list_rollout_moves
from mainspring.insight.rollouts.rollout_view import (
    RolloutMetric,
    RolloutPastStep,
    RolloutSide,
    RolloutView,
    make_rollout_view,
)
from mainspring.insight.rollouts.wilson_interval import compute_wilson_interval
from mainspring.store.base import StoreReader
from mainspring.store.read import rollouts


class RunRate(msgspec.Struct, frozen=True):
    """A rate: `bad` of `runs`. `low` and `high` = its 95 % interval by Wilson; None = there are no runs."""

    bad: int
    runs: int
    low: float | None
    high: float | None

    @property
    def share(self) -> float | None:
        return self.bad / self.runs if self.runs else None


class RolloutStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step: its share, its time, and the runs that it assigned. `started_at` None = it has not started.

    `old_failed` and `new_failed` = rates of the runs that count; a run that needs attention has failed.
    """

    step: int
    percent: float
    started_at: int | None
    ended_at: int | None
    old_runs: int
    new_runs: int
    old_failed: RunRate
    new_failed: RunRate


class SideRates(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one version in the step that counts. `failed` and `not_ended` are rates of the runs that count."""

    version: int
    assigned: int
    succeeded: int
    failed: RunRate
    not_ended: RunRate


class MetricRates(msgspec.Struct, frozen=True, kw_only=True):
    """A metric as the guard has counted it in this step: the rates of both versions, and the evidence."""

    metric: str
    label: str
    old: RunRate
    new: RunRate
    e_value: float
    limit: float
    not_worse_e_value: float
    not_worse_limit: float | None


class PastMetricRates(MetricRates, frozen=True, kw_only=True):
    """A metric of a step that another one followed, and the verdict about that step. `step` counts from 1."""

    step: int
    verdict: GuardVerdict


class RolloutDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout with all that its page displays."""

    view: RolloutView
    steps: list[RolloutStepRow]
    sides: list[SideRates]
    metrics: list[MetricRates]
    past_metrics: list[PastMetricRates]
    moves: list[RolloutMoveEntry]


def read_rollout_detail(
    reader: StoreReader, rollout: Rollout, now: int, zone: str, *, with_actors: bool = True
) -> RolloutDetail:
    """Return the detail of a rollout. `with_actors` false = moves without their actors and reasons."""
    until_at = None if rollout.ended_at is None else rollout.ended_at + 1
    moves = [
        move
        for move in list_rollout_moves(reader, rollout.automation, rollout.started_at, until_at)
        if move.rollout == rollout.id
    ]
    view = make_rollout_view(reader, rollout, now, zone)
    if not with_actors:
        moves = [msgspec.structs.replace(move, actor=None, reason=None) for move in moves]
    return RolloutDetail(
        view=view,
        steps=_list_steps(reader, rollout, view.past_steps),
        sides=[_make_side(side) for side in view.sides],
        metrics=[_make_metric(metric) for metric in view.metrics],
        past_metrics=[
            PastMetricRates(**asdict(_make_metric(metric)), step=past.step, verdict=past.verdict)
            for past in view.past_steps
            for metric in past.metrics
        ],
        moves=moves,
    )


def make_rate(bad: int, runs: int) -> RunRate:
    """Return a rate with its interval."""
    low, high = compute_wilson_interval(bad, runs) or (None, None)
    return RunRate(bad, runs, low, high)


def _list_steps(reader: StoreReader, rollout: Rollout, past_steps: list[RolloutPastStep]) -> list[RolloutStepRow]:
    runs: Counter[tuple[int, int]] = Counter()
    counted: Counter[tuple[int, int]] = Counter()
    failed: Counter[tuple[int, int]] = Counter()
    for count in rollouts.count_rollout_runs(reader, rollout.id):
        runs[count.step, count.version] += count.number
        if count.outcome not in (None, NOT_COUNTED):
            counted[count.step, count.version] += count.number
        if count.outcome == RunOutcomeKind.FAILED:
            failed[count.step, count.version] += count.number
    old, new = rollout.old_version, rollout.new_version
    started_at = {0: rollout.started_at} | {past.step: past.ended_at for past in past_steps}
    started_at.setdefault(rollout.step, rollout.step_at)  # a step before this record existed
    return [
        RolloutStepRow(
            step=step + 1,
            percent=to_percent(share),
            started_at=started_at.get(step),
            ended_at=rollout.ended_at if step == rollout.step else started_at.get(step + 1),
            old_runs=runs[step, old],
            new_runs=runs[step, new],
            old_failed=make_rate(failed[step, old], counted[step, old]),
            new_failed=make_rate(failed[step, new], counted[step, new]),
        )
        for step, share in enumerate(rollout.steps)
    ]


def _make_side(side: RolloutSide) -> SideRates:
    counted = sum(number for outcome, number in side.outcomes.items() if outcome != NOT_COUNTED)
    return SideRates(
        version=side.version,
        assigned=side.assigned,
        succeeded=side.outcomes.get(RunOutcomeKind.SUCCEEDED, 0),
        failed=make_rate(side.outcomes.get(RunOutcomeKind.FAILED, 0), counted),
        not_ended=make_rate(side.outcomes.get(RunOutcomeKind.NOT_ENDED, 0), counted),
    )


def _make_metric(metric: RolloutMetric) -> MetricRates:
    return MetricRates(
        metric=metric.metric,
        label=metric.label,
        old=make_rate(metric.old_bad, metric.old_runs),
        new=make_rate(metric.new_bad, metric.new_runs),
        e_value=metric.e_value,
        limit=metric.limit,
        not_worse_e_value=metric.not_worse_e_value,
        not_worse_limit=metric.not_worse_limit,
    )
