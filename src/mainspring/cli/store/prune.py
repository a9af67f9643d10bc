"""`mainspring db prune`: apply retention now, not at the worker's next round."""

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.duration import to_milliseconds
from mainspring.insight.text import formatting

_MAX_COUNTED = 500
_ROLLUP_RETENTION_MS = 400 * 86_400_000


@command("prune", "delete data past its retention, and shrink the file")
@click.option("--dry-run", is_flag=True, help="only count what would be deleted")
@pass_invocation
def prune(invocation: Invocation, *, dry_run: bool) -> None:
    """Data that an unfinished run may still need stays, and so does the audit log. Limits: [store.retention]."""
    from mainspring.store.commands.automations import ApplyRetention
    from mainspring.store.commands.logs import PruneLogs

    now, retention = invocation.clock.now(), invocation.settings.store.retention
    limits = {state: now - to_milliseconds(getattr(retention, state)) for state in ("succeeded", "failed", "cancelled")}
    if dry_run:
        _count(invocation, limits)
        return
    store, deleted = invocation.store, 0
    command = ApplyRetention(
        limits["succeeded"],
        limits["failed"],
        limits["cancelled"],
        now - to_milliseconds(retention.events),
        now - _ROLLUP_RETENTION_MS,
        limit=_MAX_COUNTED,
    )
    while True:
        deleted_now = store.apply(command).number
        deleted += deleted_now
        if deleted_now < _MAX_COUNTED:
            break
    lines = PruneLogs(now - to_milliseconds(invocation.settings.logs.retention))
    while store.apply(lines).number >= lines.limit:
        pass
    freed = _shrink(invocation)
    text = f"{formatting.format_count(deleted, 'run')} deleted, {freed / 1024:,.0f} KiB freed."
    invocation.output.document({"deleted": deleted, "freed_bytes": freed, "dry_run": False}, text)


def _count(invocation: Invocation, limits: dict[str, int]) -> None:
    """Count the runs that would be deleted, up to 500 of each state."""
    counts = {
        state: len(invocation.reader.read("list_prunable_runs", (state, at, _MAX_COUNTED)))
        for state, at in limits.items()
    }
    counted = ", ".join(f"{state} {number}{'+' if number >= _MAX_COUNTED else ''}" for state, number in counts.items())
    invocation.output.document({"would_delete": counts, "dry_run": True}, f"Would be deleted: {counted}.")


def _shrink(invocation: Invocation) -> int:
    """Return unused pages to the disk. Return the bytes by which the file got smaller."""
    from mainspring.store.sqlite.vacuum import shrink

    if invocation.settings.store.is_remote:
        return 0  # the server keeps the space for new rows
    before, left = invocation.path.stat().st_size, None
    while left != 0:
        now_left = shrink(invocation.path)
        if now_left == left:
            break
        left = now_left
    return max(before - invocation.path.stat().st_size, 0)
