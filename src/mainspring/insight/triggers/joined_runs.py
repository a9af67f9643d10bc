"""Joined runs: starts that wait for runs of several automations: what has arrived, what is missing, until when."""

from collections.abc import Callable

import msgspec

from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.insight.text import formatting
from mainspring.store.base import StoreReader
from mainspring.store.read.triggers import open_gatherings
from mainspring.store.trigger_views import GatheringView


class JoinedRunsView(msgspec.Struct, frozen=True):
    """A waiting start. `per` = the time of the slot or the run key, `is_late` = its deadline has passed.

    `ended` = the states of missing ones that ended otherwise than required.
    """

    per: str
    here: list[str]
    missing: list[str]
    ended: dict[str, str]
    runs: dict[str, str]
    deadline_at: int
    is_late: bool


def list_joined_runs(
    reader: StoreReader, trigger: str, source: JoinedRunsSource, now: int, zone: str
) -> list[JoinedRunsView]:
    """Return the waiting starts of a trigger; slots are on the clock of `zone`."""
    return [_build_joined_runs(gathering, source, now, zone) for gathering in open_gatherings(reader, trigger)]


def hide_joined_runs(view: JoinedRunsView, may_view: Callable[[str], bool]) -> JoinedRunsView:
    """Return a view without automations that the caller may not see."""
    return msgspec.structs.replace(
        view,
        here=[name for name in view.here if may_view(name)],
        missing=[name for name in view.missing if may_view(name)],
        ended={name: state for name, state in view.ended.items() if may_view(name)},
        runs={name: run for name, run in view.runs.items() if may_view(name)},
    )


def describe_joined_runs(view: JoinedRunsView, kind: str, now: int, zone: str) -> str:
    """Return a view in words: what has arrived, what is missing, until when."""
    here = f"{', '.join(view.here)} arrived, " if view.here else ""
    until = f"late since {formatting.format_moment(view.deadline_at, now, zone)}"
    if not view.is_late:
        until = f"until {formatting.format_moment(view.deadline_at, now, zone)}"
    # One that ended otherwise needs a person; one that has not arrived yet may only need time.
    ended = "".join(f"{name} {state} ({view.runs[name]}), " for name, state in view.ended.items())
    awaited = ", ".join(name for name in view.missing if name not in view.ended)
    return f"{kind} {view.per}: {here}{ended}{f'{awaited} missing, ' if awaited else ''}{until}"


def _build_joined_runs(view: GatheringView, source: JoinedRunsSource, now: int, zone: str) -> JoinedRunsView:
    present = [run.automation for run in view.gathered if run.counts]
    per_text = formatting.format_instant(int(view.per), zone) if source.per == "slot" else view.per
    return JoinedRunsView(
        per=per_text,
        here=present,
        missing=[name for name in source.automations if name not in present],
        ended={run.automation: run.state for run in view.gathered if not run.counts},
        runs={run.automation: run.run for run in view.gathered},
        deadline_at=view.deadline_at,
        is_late=view.deadline_at < now,
    )
