"""`mainspring db move`: move the whole store to another place, with its history, or undo a move."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import ConflictError
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.config.settings import Settings


@command("move", "move the store to another place, with its whole history")
@click.option("--to", metavar="URL", help="target: postgresql://USER@HOST/DATABASE?schema=NAME, or a file")
@click.option("--undo", is_flag=True, help="use the old store again, as it was when it was moved")
@pass_invocation
def move(invocation: Invocation, *, to: str | None, undo: bool) -> None:
    """Nothing may use the store meanwhile. If the move is interrupted, run the same command again: it continues. The new place can be used
    only after everything was copied, read back and compared. The old store stays, and refuses to be used.
    """
    if (to is None) == (not undo):
        raise click.UsageError("name the target with --to, or use --undo")
    from mainspring.app.project import Project

    Project.install_failpoints()
    invocation.require_store()
    if to is None:
        _undo_move(invocation)
    else:
        _move_store(invocation, to)


def _move_store(invocation: Invocation, to: str) -> None:
    from mainspring.app.stores.store_move import move_store
    from mainspring.config.locations import store_url_for_environment

    settings, new_settings = invocation.settings, _load_settings_with_store(invocation, to)
    _require_empty_spool(settings.exec.spool, new_settings.exec.spool)
    place = new_settings.store.url
    if new_settings.store.is_remote:  # where store.url will find it: each environment has a schema of its own
        place = store_url_for_environment(place, settings.project.environment)
    done = move_store(
        settings.store.url,
        place,
        act=invocation.act,
        clock=invocation.machine_clock,
        report=invocation.output.hint,
    )

    def print_text() -> None:
        rows = sum(table.rows for table in done.tables.values())
        rows_text = f": {formatting.format_count(rows, 'row')}, counted and compared" if rows else ""
        invocation.output.line(f"Moved {done.source} to {done.target}{rows_text}.")
        invocation.output.line("Set store.url to the new place. The old store stays as it is, and refuses to be used.")

    invocation.output.document(done, print_text)


def _undo_move(invocation: Invocation) -> None:
    from mainspring.app.stores.store_move import undo_move

    location = invocation.location
    invocation.confirm(
        f"Use {location} again, as it was when it was moved; later changes at the new place are not in it"
    )
    former_move = undo_move(invocation.settings.store.url, act=invocation.act, clock=invocation.machine_clock)
    invocation.output.document(
        {"store": location, "was_moved_to": former_move.to},
        f"{location} can be used again. Do not use {former_move.to} any more: both would start the same runs.",
    )


def _load_settings_with_store(invocation: Invocation, url: str) -> "Settings":
    """Return the settings with the store at `url`."""
    from mainspring.config import load

    flags = {"store.url": url, "project.environment": invocation.flags.environment}
    config = Path(invocation.flags.config) if invocation.flags.config else None
    return load(env=os.environ, cwd=Path.cwd(), uid=os.getuid(), flags=flags, config=config)


def _require_empty_spool(spool: Path, new_spool: Path) -> None:
    """Raise ConflictError while records of `exec` next to the store would be searched elsewhere after the move."""
    from mainspring.service.spool import Spool

    if spool != new_spool and Spool(spool).names():
        raise ConflictError(
            f"records of mainspring exec wait to be imported\nat {spool}",
            hint=f'Let workers import them (mainspring up), or keep the folder: [exec] spool = "{spool}".',
        )
