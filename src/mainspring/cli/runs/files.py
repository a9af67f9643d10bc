"""`mainspring runs files`: the files that a run names, and their bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.errors import AlreadyExistsError, NotFoundError

if TYPE_CHECKING:
    from mainspring.domain.values.stored_file import StoredFile
    from mainspring.insight.runs.run_files import PlacedFile


@command("files", "show the files of a run, or save one of them")
@click.argument("run", type=params.RUN)
@click.argument("name", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="folder or path of the copy  [default: its name, in this folder]",
)
@click.option("--overwrite", is_flag=True, help="replace a file that is there")
@pass_invocation
def files(invocation: Invocation, run: str, name: str | None, output: Path | None, *, overwrite: bool) -> None:
    """Without NAME it lists the files. NAME = a file by its name, or by the first digits of its SHA-256.

    These are the files of `ms.FileRef` in the input, the result and the steps of the run.
    """
    from mainspring.insight.runs.run_files import choose_run_file

    run_id = invocation.run_id(run)
    placed = _read_files(invocation, run_id)
    if name is None:
        _print_files(invocation, placed)
        return
    file = choose_run_file(placed, run_id, name).file
    target = Path(file.name) if output is None else output / file.name if output.is_dir() else output
    if target.exists() and not overwrite:
        raise AlreadyExistsError(
            f"{target} is there already", hint="Name another one with --output, or add --overwrite."
        )
    if not target.parent.is_dir():
        raise NotFoundError(f"there is no folder {target.parent}", hint="Create it, or name another one with --output.")
    _save(invocation, file, target)


def _read_files(invocation: Invocation, run: str) -> "list[PlacedFile]":
    from mainspring.insight.runs.run_files import list_run_files
    from mainspring.store.read.runs.file_values import list_file_values

    return list_run_files(list_file_values(invocation.reader, run), invocation.sealing)


def _print_files(invocation: Invocation, placed: "list[PlacedFile]") -> None:
    from mainspring.domain.text.phrases import format_bytes
    from mainspring.insight.text import formatting

    rows = [file.describe() for file in placed]
    columns = [
        TableColumn("FILE", lambda row: formatting.escape_line(row.name)),
        TableColumn("SIZE", lambda row: format_bytes(row.size)),
        TableColumn("TYPE", lambda row: formatting.escape_line(row.content_type or ""), spare=True),
        TableColumn("SHA-256", lambda row: row.sha256[:12]),
        TableColumn("IN", lambda row: formatting.escape_line(row.place), cut=True),
    ]
    invocation.output.rows(rows, columns, empty="It has no files.")


def _save(invocation: Invocation, file: "StoredFile", target: Path) -> None:
    from mainspring.domain.text.phrases import format_bytes
    from mainspring.domain.values.stored_file import StoreFileChunks
    from mainspring.engine.attempts.file_ref import bind_file
    from mainspring.insight.text import formatting

    path = bind_file(file, StoreFileChunks(invocation.sealing)).save_to(target)
    saved = f"saved {formatting.escape_line(str(path))}: {format_bytes(file.size)}"
    invocation.output.document({"path": str(path), "size": file.size, "sha256": file.sha256}, saved)
