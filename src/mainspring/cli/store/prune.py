"""`mainspring db prune`: retention now, not when the worker next gets to it."""

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.duration import to_milliseconds
from mainspring.insight.text import formatting

_MAX_COUNTED = 500
_ROLLUP_RETENTION_MS = 400 * 86_400_000


@command("prune", "delete what has outlived its retention and shrink the file")
@click.option("--dry-run", is_flag=True, help="only say what would be deleted")
@pass_invocation
def prune(invocation: Invocation, *, dry_run: bool) -> None:
    """What an unfinished run may still ask for stays, and so does the audit log. Limits: [store.retention]."""
    from mainspring.store.commands.automations import ApplyRetention
    from mainspring.store.commands.logs import PruneLogs

    now, retention = invocation.clock.now(), invocation.settings.store.retention
    before = {state: now - to_milliseconds(getattr(retention, state)) for state in ("succeeded", "failed", "cancelled")}
    if dry_run:
        _count(invocation, before)
        return
    store, deleted = invocation.store, 0
    command = ApplyRetention(
        before["succeeded"],
        before["failed"],
        before["cancelled"],
        now - to_milliseconds(retention.events),
        now - _ROLLUP_RETENTION_MS,
        limit=_MAX_COUNTED,
    )
    while True:
        gone = store.apply(command).number
        deleted += gone
        if gone < _MAX_COUNTED:
            break
    lines = PruneLogs(now - to_milliseconds(invocation.settings.logs.retention))
    while store.apply(lines).number >= lines.limit:
        pass
    freed = _shrink(invocation)
    text = f"{formatting.format_count(deleted, 'run')} deleted, {freed / 1024:,.0f} KiB given back."
    invocation.output.document({"deleted": deleted, "freed_bytes": freed, "dry_run": False}, text)


def _count(invocation: Invocation, before: dict[str, int]) -> None:
    """Count what would go, up to 500 of each state."""
    found = {
        state: len(invocation.reader.read("list_prunable_runs", (state, at, _MAX_COUNTED)))
        for state, at in before.items()
    }
    counted = ", ".join(f"{state} {number}{'+' if number >= _MAX_COUNTED else ''}" for state, number in found.items())
    invocation.output.document({"would_delete": found, "dry_run": True}, f"Would be deleted: {counted}.")


def _shrink(invocation: Invocation) -> int:
    """Give unused pages back and return the bytes by which the file got smaller."""
    from mainspring.store.sqlite.vacuum import shrink

    if invocation.settings.store.is_remote:
        return 0  # the server keeps the space for what comes next
    before, left = invocation.path.stat().st_size, None
    while left != 0:
        now_left = shrink(invocation.path)
        if now_left == left:
            break
        left = now_left
    return max(before - invocation.path.stat().st_size, 0)
