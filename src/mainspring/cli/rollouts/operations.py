"""Operations on a rollout: `mainspring rollout start|pause|resume|abort|finish`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.short_lists import require_known_name
from mainspring.domain.rollouts.rollout import NOT_COUNTED, InFlightPolicy
from mainspring.domain.rollouts.rollout_steps import DEFAULT_STEPS
from mainspring.domain.states import RolloutMove

if TYPE_CHECKING:
    from mainspring.insight.rollouts.rollout_view import RolloutMetric, RolloutSide, RolloutView


@command("start", "divide the new runs of an automation between its version in force and another one")
@click.argument("name", type=params.AUTOMATION)
@click.option(
    "--to",
    "version",
    type=click.IntRange(1, 2**31 - 1),
    required=True,
    metavar="VERSION",
    help="the version to roll out",
)
@click.option(
    "--steps", metavar="PERCENT,...", default=DEFAULT_STEPS, show_default=True, help="shares that grow to 100%"
)
@click.option("--hold", metavar="SPAN", default="30m", show_default=True, help="time of each step")
@click.option(
    "--age", metavar="SPAN", help="age at which a run counts (default: 95 % of the old version's runs end by then)"
)
@click.option(
    "--margin", metavar="PERCENT", default="5%", show_default=True, help="how much more often a worse version fails"
)
@click.option(
    "--in-flight",
    type=click.Choice([policy.value for policy in InFlightPolicy]),
    default=InFlightPolicy.FINISH.value,
    show_default=True,
    help="unfinished runs of the new version after an abort: finish them, stop (cancel) them, or move them to the old version "
    "if its code replays them",
)
@click.option(
    "--watch",
    "watched",
    multiple=True,
    metavar="NAME[:lower]",
    help="also compare this number of ms.measure; higher is worse, or lower with :lower; repeatable",
)
@click.option("--again", is_flag=True, help="also if the same code was aborted or rolled back before")
@pass_invocation
def start(
    invocation: Invocation,
    name: str,
    version: int,
    steps: str,
    hold: str,
    age: str | None,
    margin: str,
    in_flight: str,
    watched: tuple[str, ...],
    again: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Each run is assigned by its key when it starts, and keeps its version. A key keeps its version while the share grows.

    A running worker must have the version: declare it with version=N, rollout=True beside the old one.
    """
    from mainspring.domain.duration import parse_duration, to_milliseconds
    from mainspring.domain.flags.flag_text import parse_share
    from mainspring.domain.rollouts.rollout_steps import parse_steps
    from mainspring.domain.rollouts.watched_measurement import parse_watched
    from mainspring.service.rollout import RolloutPlan, start_rollout
    from mainspring.store.read.rollouts import list_versions

    plan = RolloutPlan(
        parse_steps(steps),
        to_milliseconds(parse_duration(hold)),
        InFlightPolicy(in_flight),
        None if age is None else to_milliseconds(parse_duration(age)),
        parse_share(margin),
        parse_watched(watched),
        again=again,
    )
    if not list_versions(invocation.reader, name):  # a name without a version in force is known, too
        _require_name(invocation, name)
    start_rollout(invocation.store, invocation.reader, name, version, plan, act=invocation.act)
    _report(invocation, name, is_start=True)


@command("pause", "hold a rollout at its step: the share stays")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def pause(invocation: Invocation, name: str) -> None:
    """New runs are still divided. The guard still rolls back a version that is worse."""
    _move(invocation, name, RolloutMove.PAUSE)


@command("resume", "continue a paused rollout; the time of its step begins again")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def resume(invocation: Invocation, name: str) -> None:
    """The next step follows when the time of this one is over, and the new version is not worse."""
    _move(invocation, name, RolloutMove.RESUME)


@command("abort", "end a rollout: all new runs get the old version at once")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def abort(invocation: Invocation, name: str) -> None:
    """Needs no confirmation. Unfinished runs of the new version continue, are cancelled or move back, as --in-flight of the start says."""
    _move(invocation, name, RolloutMove.ABORT)


@command("finish", "end a rollout: the new version is in force")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def finish(invocation: Invocation, name: str) -> None:
    """Schedule, triggers, monitors and options of the new version count from then on. Skips the steps that are left. Needs -y."""
    invocation.confirm(f"Bring the new version of {name} into force")
    _move(invocation, name, RolloutMove.FINISH)


def _move(invocation: Invocation, name: str, move: RolloutMove) -> None:
    from mainspring.service.rollout import move_rollout

    moved = move_rollout(invocation.store, _require_name(invocation, name), move, act=invocation.act)
    _report(invocation, name, moved.bulk)


def _report(invocation: Invocation, name: str, bulk: str | None = None, *, is_start: bool = False) -> None:
    from mainspring.insight.rollouts.rollout_view import read_rollout_views

    (view,) = read_rollout_views(invocation.reader, invocation.clock.now(), invocation.zone, name, limit=1)

    def print_text() -> None:
        print_view(invocation, view)
        if is_start:
            _print_plan(invocation, view)

    invocation.output.document(view, print_text)
    if bulk is not None:
        invocation.output.hint(f"The runs of version {view.new_version} are cancelled: mainspring bulk show {bulk}")


def print_view(invocation: Invocation, view: "RolloutView") -> None:
    """Print the sentence, both sides and what comes next."""
    from mainspring.domain.rollouts.guard import GuardVerdict
    from mainspring.domain.rollouts.guard_text import VERDICT_TEXTS
    from mainspring.insight.text.formatting import escape_line, format_count, format_moment, format_span

    output = invocation.output
    output.line(escape_line(view.sentence, 1_000))
    for side in view.sides:
        output.line(f"  version {side.version}: {_format_side(side)}")
    for metric in view.metrics:
        output.line(f"  {_format_metric(metric, view)}")
    for past in view.past_steps:
        when = format_moment(past.ended_at, invocation.clock.now(), invocation.zone)
        verdict = VERDICT_TEXTS[past.verdict]
        output.line(f"  step {past.step}, {past.percent:g} % of the keys, ended at {when}: {verdict}")
        for metric in past.metrics:
            output.line(f"    {_format_metric(metric, view)}")
    output.line(
        f"  a run counts {format_span(view.age_ms)} after its start, by what it is then; of one key, the first run of a step"
    )
    if view.verdict is GuardVerdict.WORSE:
        output.line("  the metrics end with the run that decided; later runs count in no metric")
    if view.moved:
        output.line(f"  {format_count(f'{view.moved:,}', 'run')} moved to version {view.old_version}")
    output.line(f"Next: {escape_line(view.next, 500)}")


def _format_side(side: "RolloutSide") -> str:
    """Return "105 runs in this step, 86 count: 80 succeeded, 6 failed"."""
    from mainspring.insight.text.formatting import format_count

    outcomes = {outcome: number for outcome, number in side.outcomes.items() if outcome != NOT_COUNTED}
    counted = ", ".join(f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in outcomes.items())
    runs = f"{format_count(f'{side.assigned:,}', 'run')} in this step"
    return f"{runs}, {sum(outcomes.values()):,} count: {counted}" if counted else f"{runs}, none counts yet"


def _format_metric(metric: "RolloutMetric", view: "RolloutView") -> str:
    from mainspring.domain.rollouts.guard_text import format_e_value

    evidence = f"worse: {format_e_value(metric.e_value)} of {metric.limit:,.0f}"
    if metric.e_value >= metric.limit:
        verdict = "worse"
    elif metric.not_worse_limit is None:
        verdict = "not enough evidence that it is worse"
    else:
        verdict = "not worse" if metric.not_worse_e_value >= metric.not_worse_limit else "not enough runs yet"
        evidence += f", not worse: {format_e_value(metric.not_worse_e_value)} of {metric.not_worse_limit:,.0f}"
    old, new = f"{metric.old_bad:,} of {metric.old_runs:,}", f"{metric.new_bad:,} of {metric.new_runs:,}"
    return (
        f"{metric.label}: version {view.old_version} {old}, version {view.new_version} {new}: "
        f"{verdict} (e-values: {evidence})"
    )


def _print_plan(invocation: Invocation, view: "RolloutView") -> None:
    """Print how many runs each step needs, and how long that takes."""
    from mainspring.insight.text.formatting import format_span

    for step in view.plan:
        output = invocation.output
        output.line(
            f"  {step.percent:g} % needs about {step.runs:,} runs with different keys, {step.new_runs:,} of version {view.new_version}"
        )
        if step.duration_ms is None:
            output.line("    no run ended in the last day, so the time is unknown")
        else:
            output.line(f"    {format_span(step.duration_ms)} at the traffic of the last day")
        if step.worse_runs is not None:
            output.line(f"    if 20 points more of them fail: rolled back after about {step.worse_runs:,} of them")


def _require_name(invocation: Invocation, name: str) -> str:
    return require_known_name("automation", name, params.read_automation_names(invocation.reader))
