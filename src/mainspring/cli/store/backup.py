"""`mainspring db backup`: a checked copy of the store."""

import shlex
from pathlib import Path

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.insight.text import formatting

_FILE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""Endings of names that mean a file."""


@command("backup", "write a checked copy of the store")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="keep only the newest N copies in the folder")
@pass_invocation
def backup(invocation: Invocation, folder: Path | None, keep: int | None) -> None:
    """Workers continue meanwhile. FOLDER defaults to `store.backup.to`, else to `backups` beside the store. The name of the copy has the
    time; it is printed.
    """
    from mainspring.app.stores.backups import back_up

    if folder is not None and folder.suffix in _FILE_SUFFIXES and not folder.is_dir():
        raise click.BadParameter(
            f"{folder} is the name of a file, but a FOLDER is expected: the copy gets its own name. Write "
            f"one: mainspring db backup {shlex.quote(str(folder.parent))}; it prints the name",
            param_hint="'FOLDER'",
        )
    _ = invocation.reader  # there is a store
    settings = invocation.settings.store.backup
    url = invocation.settings.store.url
    target = folder or settings.to
    if target is None and invocation.settings.store.is_remote:
        raise click.UsageError("name a FOLDER, or set store.backup.to: a store on a server has no folder beside it")
    done = back_up(url, target or invocation.path.parent / "backups", clock=invocation.machine_clock, keep=keep)

    def print_text() -> None:
        invocation.output.line(str(done.path))
        runs = formatting.format_count(f"{done.rows.get('runs', 0):,}", "run")
        invocation.output.hint(f"{done.size / 1024:,.0f} KiB, {runs}, read back and compared.")
        for removed in done.removed:
            invocation.output.hint(f"removed {removed}")

    invocation.output.document(done, print_text)
