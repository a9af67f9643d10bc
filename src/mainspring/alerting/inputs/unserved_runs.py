"""Unserved runs: ready, and no live worker takes their queue, carries their tag or has their version. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from mainspring.domain.monitors.inputs import ReadyRuns
from mainspring.domain.states import SessionState
from mainspring.store.session_views import SessionView

_ONE_RUN = "run"
"""The role of a process that takes a single run and nothing else."""


class ReadyRunGroup(NamedTuple):
    """Ready runs that differ in nothing that a worker asks for; `since_at` = since when the first of them is ready (ms UTC)."""

    queue: str
    automation: str
    version: int
    tag: str
    number: int
    since_at: int


def find_unserved(
    groups: Iterable[ReadyRunGroup], sessions: Iterable[SessionView], paused_queues: Collection[str]
) -> dict[str, tuple[ReadyRuns, ...]]:
    """Return the groups that no live worker takes, by automation; nothing of an automation that no live worker has."""
    alive = [one for one in sessions if one.state == SessionState.ALIVE and one.role != _ONE_RUN]
    found: dict[str, list[ReadyRuns]] = {}
    for group in groups:
        workers = [one for one in alive if group.automation in one.automations]
        missing = _find_missing(group, workers) if workers and group.queue not in paused_queues else None
        if missing is not None:
            why, fix = missing
            ready = ReadyRuns(
                queue=group.queue,
                version=group.version,
                tag=group.tag,
                number=group.number,
                since_at=group.since_at,
                why=why,
                fix=fix,
            )
            found.setdefault(group.automation, []).append(ready)
    return {name: tuple(those) for name, those in found.items()}


def _find_missing(group: ReadyRunGroup, workers: Sequence[SessionView]) -> tuple[str, str] | None:
    """Return what no worker has, and the command that adds it; None if one of them takes the group."""
    of_version = [one for one in workers if one.automations[group.automation] == group.version]
    of_queue = [one for one in of_version if one.queues is None or group.queue in one.queues]
    of_tag = [one for one in of_version if group.tag in ("", *one.tags)]
    if any(one in of_tag for one in of_queue):
        return None
    if not of_version:
        known = ", ".join(str(version) for version in sorted({one.automations[group.automation] for one in workers}))
        fix = "Start a worker with the code of that version: mainspring up"
        return f"no live worker has version {group.version} of it (they have {known})", fix
    takes, carries = f"takes queue {group.queue}", f"carries tag {group.tag}"
    queue, tag = f" --queue {group.queue}", f" --tag {group.tag}"
    if of_queue and not of_tag:
        return f"no live worker {carries}", f"mainspring up{tag}"
    if of_tag and not of_queue:
        return f"no live worker {takes}", f"mainspring up{queue}"
    return f"no live worker {takes} and {carries}", f"mainspring up{queue}{tag}"
