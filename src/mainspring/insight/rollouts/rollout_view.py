"""View of a rollout: its state, both sides, and what happens next. Pure but for the reads."""

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_text import format_share, to_percent
from mainspring.domain.rollouts.guard import GuardDecision, GuardVerdict, MetricResult
from mainspring.domain.rollouts.guard_settings import FAILED, NOT_ENDED
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.states import FAILED_ROLLOUT_STATES, RolloutState
from mainspring.insight.rollouts.step_plan import RolloutStepPlan, plan_steps
from mainspring.insight.text.formatting import format_count, format_moment, shell_word
from mainspring.store.base import StoreReader
from mainspring.store.read import rollouts
from mainspring.store.schema.rollouts.rollout_steps import PastStep

_LABELS = {
    FAILED: "failed",
    NOT_ENDED: "did not end",
    "duration.p50": "longer than the old median",
    "duration.p95": "longer than 95 % of the old runs",
}


class RolloutSide(msgspec.Struct, frozen=True):
    """One version in the step that counts: the runs that were assigned, and those of them that count by their outcome."""

    version: int
    assigned: int
    outcomes: dict[str, int]


class RolloutMetric(msgspec.Struct, frozen=True):
    """A metric of the step: how many runs of each version are bad in it, and the evidence.

    `label` = what a run is that is bad in it. The new version is worse if `e_value` reaches `limit`. It is not worse if
    `not_worse_e_value` reaches `not_worse_limit`, or if that is None.
    """

    metric: str
    label: str
    old_bad: int
    old_runs: int
    new_bad: int
    new_runs: int
    e_value: float
    limit: float
    not_worse_e_value: float
    not_worse_limit: float | None


class RolloutPastStep(msgspec.Struct, frozen=True):
    """A step that another one followed: the verdict of the guard when it ended, and its evidence. `step` counts from 1."""

    step: int
    percent: float
    ended_at: int
    verdict: GuardVerdict
    metrics: list[RolloutMetric]


class RolloutView(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout. `percent` = the share of the keys that get the new version, `step` counts from 1. Instants are ms UTC."""

    id: int
    automation: str
    state: RolloutState
    old_version: int
    new_version: int
    percent: float
    step: int
    steps: list[float]
    hold_ms: int
    age_ms: int
    margin_percent: float
    in_flight: str
    watch: list[str]
    started_at: int
    step_at: int
    ended_at: int | None
    reason: str | None
    unfinished: int
    """Unfinished runs of the new version."""
    moved: int
    """Runs that moved to another version after they were assigned."""
    sides: list[RolloutSide]
    verdict: GuardVerdict
    metrics: list[RolloutMetric]
    past_steps: list[RolloutPastStep]
    plan: list[RolloutStepPlan]
    sentence: str
    next: str


def read_rollout_views(
    reader: StoreReader, now: int, zone: str, automation: str | None = None, *, active: bool = False, limit: int = 100
) -> list[RolloutView]:
    """Return rollouts, newest first."""
    rows = rollouts.list_rollouts(reader, automation, active=active, limit=limit)
    return [make_rollout_view(reader, rollout, now, zone) for rollout in rows]


def make_rollout_view(reader: StoreReader, rollout: Rollout, now: int, zone: str) -> RolloutView:
    """Return the view of a rollout."""
    r = rollout
    sides = {version: RolloutSide(version, 0, {}) for version in (r.old_version, r.new_version)}
    for count in rollouts.count_rollout_runs(reader, r.id):
        if count.step == r.step:
            side = sides[count.version]
            outcomes = side.outcomes if count.outcome is None else {**side.outcomes, count.outcome: count.number}
            sides[count.version] = RolloutSide(count.version, side.assigned + count.number, outcomes)
    decision, labels = rollouts.read_guard_state(reader, r.id).decision, _label_metrics(r)
    return RolloutView(
        id=r.id,
        automation=r.automation,
        state=r.state,
        old_version=r.old_version,
        new_version=r.new_version,
        percent=to_percent(SHARE_UNITS if r.state is RolloutState.FINISHED else r.share),
        step=r.step + 1,
        steps=[to_percent(step) for step in r.steps],
        hold_ms=r.hold_ms,
        age_ms=r.age_ms,
        margin_percent=to_percent(r.margin),
        in_flight=r.in_flight,
        watch=[str(measurement) for measurement in r.watched],
        started_at=r.started_at,
        step_at=r.step_at,
        ended_at=r.ended_at,
        reason=r.reason,
        unfinished=rollouts.count_unfinished_runs(reader, r.automation, r.new_version),
        moved=rollouts.count_moved_runs(reader, r.id) if _moves_runs_back(r) else 0,
        sides=list(sides.values()),
        verdict=decision.verdict,
        metrics=_list_metrics(decision, labels),
        past_steps=[_make_past_step(r, past, labels) for past in rollouts.list_past_steps(reader, r.id)],
        plan=plan_steps(reader, r, now) if r.is_active else [],
        sentence=_describe(r, now, zone),
        next=_describe_next(reader, r, now, zone),
    )


def _make_past_step(rollout: Rollout, past: PastStep, labels: dict[str, str]) -> RolloutPastStep:
    percent, decision = to_percent(rollout.steps[past.step]), past.evidence.decision
    metrics = _list_metrics(decision, labels)
    return RolloutPastStep(past.step + 1, percent, past.ended_at, decision.verdict, metrics)


def _list_metrics(decision: GuardDecision, labels: dict[str, str]) -> list[RolloutMetric]:
    return [_make_metric(result, labels[result.metric]) for result in decision.results]


def _make_metric(result: MetricResult, label: str) -> RolloutMetric:
    c = result.comparison
    return RolloutMetric(
        *(result.metric, label, c.old_bad, c.old_runs, c.new_bad, c.new_runs),
        *(result.worse_e_value, result.worse_limit, result.not_worse_e_value, result.not_worse_limit),
    )


def _moves_runs_back(rollout: Rollout) -> bool:
    return rollout.in_flight is InFlightPolicy.MOVE and rollout.state in FAILED_ROLLOUT_STATES


def _label_metrics(rollout: Rollout) -> dict[str, str]:
    measured = [measurement.list_metrics() for measurement in rollout.watched]
    return {**_LABELS, **{metric: text for texts in measured for metric, text in texts.items()}}


def _describe(r: Rollout, now: int, zone: str) -> str:
    reason = f" Reason: {r.reason}." if r.reason else ""
    if r.is_active:
        rest = "" if r.share == SHARE_UNITS else f", version {r.old_version} the others"
        place = f"step {r.step + 1} of {len(r.steps)}, since {format_moment(r.step_at, now, zone)}"
        return (
            f"The rollout of {r.automation} is {r.state}: version {r.new_version} gets {format_share(r.share)} of the "
            f"keys{rest} ({place}).{reason}"
        )
    when = "" if r.ended_at is None else f" at {format_moment(r.ended_at, now, zone)}"
    in_force = f"version {r.new_version} is in force"
    if r.state is not RolloutState.FINISHED:
        in_force = f"version {r.new_version} takes no new run"
    ended = "finished" if r.state is RolloutState.FINISHED else f"was {r.state.replace('_', ' ')}"
    return f"The rollout of {r.automation} to version {r.new_version} {ended}{when}: {in_force}.{reason}"


def _describe_next(reader: StoreReader, r: Rollout, now: int, zone: str) -> str:
    name = shell_word(r.automation)
    if r.state is RolloutState.PAUSED:
        return f"Nothing until a person continues it: mainspring rollout resume {name}"
    if r.state in FAILED_ROLLOUT_STATES:
        return f"Deploy a new version, then: mainspring rollout start {name} --to {r.new_version + 1}"
    if not r.is_active:
        return _describe_old_code(reader, r) if r.state is RolloutState.FINISHED else "Nothing."
    if not rollouts.has_live_version(reader, r.automation, r.new_version):
        return f"Nothing while no running worker has version {r.new_version}: mainspring up"
    is_last = r.step + 1 == len(r.steps)
    at = r.step_at + r.hold_ms
    when = f"at {format_moment(at, now, zone)}" if at > now else "in a moment"
    if is_last:
        return f"Version {r.new_version} takes force {when}. To end it before: mainspring rollout abort {name}"
    share, condition = format_share(r.steps[r.step + 1]), f"version {r.new_version} is shown to be not worse"
    if at > now:
        return f"{share} of the keys {when}, if {condition}."
    return f"The time of this step is over. {share} of the keys follow as soon as {condition}."


def _describe_old_code(reader: StoreReader, r: Rollout) -> str:
    """Return whether the code of the old version is still needed."""
    number = rollouts.count_unfinished_runs(reader, r.automation, r.old_version)
    runs = format_count(number, "unfinished run")
    if not rollouts.has_live_version(reader, r.automation, r.old_version):
        needs = "needs" if number == 1 else "need"
        return (
            f"{runs} of version {r.old_version} {needs} a worker with its code: mainspring up" if number else "Nothing."
        )
    if number:
        return f"Keep version {r.old_version} in the code: it has {runs}."
    return (
        f"Version {r.old_version} has no unfinished run: delete it from the code, and declare version {r.new_version} "
        "without rollout=True."
    )
