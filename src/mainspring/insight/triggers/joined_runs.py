"""Starts that wait for runs of several automations: what is there of each, what is missing, until when."""

from collections.abc import Callable

import msgspec

from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.insight.text import formatting
from mainspring.store.base import StoreReader
from mainspring.store.read.triggers import open_gatherings
from mainspring.store.trigger_views import GatheringView


class JoinedRunsView(msgspec.Struct, frozen=True):
    """A start that waits. `per` = the slot's time or the run key, `is_late` = its deadline has passed.

    `ended` = how those ended that are missing because they ended otherwise than is waited for.
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
    """Return the open gatherings of a trigger; slots are told on the clock of `zone`."""
    return [_build_joined_runs(one, source, now, zone) for one in open_gatherings(reader, trigger)]


def hide_joined_runs(one: JoinedRunsView, may_see: Callable[[str], bool]) -> JoinedRunsView:
    """Return it without the automations that may not be seen."""
    return msgspec.structs.replace(
        one,
        here=[name for name in one.here if may_see(name)],
        missing=[name for name in one.missing if may_see(name)],
        ended={name: state for name, state in one.ended.items() if may_see(name)},
        runs={name: run for name, run in one.runs.items() if may_see(name)},
    )


def describe_joined_runs(one: JoinedRunsView, kind: str, now: int, zone: str) -> str:
    """Return it in words: what is there, what is missing, until when."""
    here = f"{', '.join(one.here)} there, " if one.here else ""
    until = f"late since {formatting.format_moment(one.deadline_at, now, zone)}"
    if not one.is_late:
        until = f"until {formatting.format_moment(one.deadline_at, now, zone)}"
    # One that ended otherwise needs a person; one that has not come yet may only need time.
    ended = "".join(f"{name} {state} ({one.runs[name]}), " for name, state in one.ended.items())
    awaited = ", ".join(name for name in one.missing if name not in one.ended)
    return f"{kind} {one.per}: {here}{ended}{f'{awaited} missing, ' if awaited else ''}{until}"


def _build_joined_runs(view: GatheringView, source: JoinedRunsSource, now: int, zone: str) -> JoinedRunsView:
    here = [one.automation for one in view.gathered if one.counts]
    shown = formatting.format_instant(int(view.per), zone) if source.per == "slot" else view.per
    return JoinedRunsView(
        per=shown,
        here=here,
        missing=[name for name in source.automations if name not in here],
        ended={one.automation: one.state for one in view.gathered if not one.counts},
        runs={one.automation: one.run for one in view.gathered},
        deadline_at=view.deadline_at,
        is_late=view.deadline_at < now,
    )
