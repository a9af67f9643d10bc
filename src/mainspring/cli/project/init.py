"""`mainspring init`: a project that runs as it is."""

import os
import shlex
from pathlib import Path

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import AlreadyExistsError, StoreReadOnlyError

_NEXT_COMMANDS = {
    "workflow": "mainspring run order-demo --watch",
    "bot": "mainspring runs watch @last",
    "script": "mainspring runs list",
}


@command("init", "create a project: configuration, an example, tests")
@click.argument("folder", required=False, default=".", type=click.Path(path_type=Path))
@click.option(
    "--template",
    type=click.Choice(["workflow", "bot", "script"]),
    default="workflow",
    show_default=True,
    help="begin with this kind of automation",
)
@pass_invocation
def init(invocation: Invocation, folder: Path, template: str) -> None:
    """Write a runnable project into FOLDER, and print the next commands. FOLDER is created if it is missing; its parent must exist.

    No file is overwritten. An existing .gitignore, conftest.py or RUNBOOK.md stays as it is. If any other file of the project exists,
    `init` writes nothing.
    """
    from mainspring.cli.project.templates import PRESERVED_FILES, project_files

    files = project_files(template, format_toml_text(folder.resolve().name or "project"))
    existing = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    conflicting = [path for path in existing if path not in PRESERVED_FILES]
    if conflicting:
        is_project = (folder / "mainspring.toml").exists()
        fix = "Add to the project: mainspring add script NAME -- ./NAME.sh" if is_project else "Name another folder."
        raise AlreadyExistsError(f"{folder} already has {', '.join(conflicting)}; nothing is overwritten", hint=fix)
    new_files = [path for path in files if path not in existing]
    for path in new_files:
        write_new_file(folder / path, files[path])

    store = _create_store(invocation, folder)

    def print_text() -> None:
        for path in new_files:
            invocation.output.line(str(folder / path))
        for path in existing:
            invocation.output.hint(
                f"{folder / path} exists and was kept. Its template: {' '.join(files[path].split())[:60]}"
            )
        if store is not None:
            invocation.output.hint(store)
        cd_prefix = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
        invocation.output.hint(
            f"\nNext:\n  {cd_prefix}mainspring dev\n  {_NEXT_COMMANDS[template]}      (in a second terminal)\n"
            "  python -m pytest      (the tests; once before: pip install pytest)"
        )

    invocation.output.document({"folder": str(folder), "files": new_files}, print_text)


def _create_store(invocation: Invocation, folder: Path) -> str | None:
    """Create the store of the new project. Return a line about one that existed before. On a server `up` creates it."""
    from mainspring.app.stores.store_factory import make_store, store_exists
    from mainspring.config import load

    flags = {"store.url": invocation.flags.store, "project.environment": invocation.flags.environment}
    settings = load(env=os.environ, cwd=folder.resolve(), uid=os.getuid(), flags=flags, config=None)
    if settings.store.is_remote:
        return None
    if store_exists(settings.store.url):
        return f"the store is {settings.store.location}, which existed before"
    # A new project may have the name of a deleted one.
    store = make_store(settings.store.url, clock=invocation.machine_clock, note=None)
    store.open()
    store.close()
    return None


def write_new_file(path: Path, text: str) -> None:
    """Write a new file.

    Raises:
        AlreadyExistsError: it exists.
        StoreReadOnlyError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AlreadyExistsError(
            f"{path} already exists; nothing is overwritten", hint="Choose another name."
        ) from None
    except OSError as error:
        raise StoreReadOnlyError(f"{path} cannot be written: {error.strerror}") from None


def format_toml_text(text: str) -> str:
    """Return a text as a TOML string.

    Raises:
        ArgumentError: TOML cannot hold it.
    """
    import json
    import tomllib

    from mainspring.domain.errors import ArgumentError
    from mainspring.domain.text.escaping import escape

    written = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        is_lossless = tomllib.loads(f"x = {written}")["x"] == text and written.encode()
    except (tomllib.TOMLDecodeError, UnicodeEncodeError):
        is_lossless = b""
    if not is_lossless:
        raise ArgumentError(f"{escape(text, 80)!r} cannot be written into a TOML file", hint="Use plain characters.")
    return written
