"""New files: files of the configuration that changed after a process last loaded the automations. Nothing is imported for this."""

from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation
from mainspring.domain.states import SessionState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.base import StoreReader

_LOADING_ROLES = ("worker", "dev")
_MAX_FILES_PRINTED = 5


def find_new_files(invocation: Invocation) -> "list[Path]":
    """Return the files that no process has loaded in their present form; none if the configuration names no automations."""
    from mainspring.engine.definitions.module_loader import find_targets

    settings = invocation.settings
    if not settings.project.automations:
        return []
    loaded_at = invocation.read_if_made(_read_loaded_at, 0)
    targets, _ = find_targets(settings.project.automations, settings.folder)
    return [target.file for target in targets if target.file and target.file.stat().st_mtime * 1_000 > loaded_at]


def _read_loaded_at(reader: "StoreReader") -> int:
    """Return when a process last loaded automations, ms UTC; 0 = no record."""
    from mainspring.store.read.status.status import automations, sessions

    all_sessions = [*sessions(reader, limit=1_000), *sessions(reader, live=False)]
    opened = [session.opened_at for session in all_sessions if session.role in _LOADING_ROLES]
    announced = [view.announced_at for view in automations(reader) if view.kind != "exec"]
    return max([0, *opened, *announced])


def describe_new_files(invocation: Invocation) -> list[str]:
    """Return a sentence that names them, with the commands that check and load them; an empty list without new files."""
    from mainspring.store.read.status.status import sessions

    files = find_new_files(invocation)
    if not files:
        return []
    folder, live = (
        invocation.settings.folder.resolve(),
        invocation.rows_if_made(lambda reader: sessions(reader, limit=1_000)),
    )
    names = [
        str(file.relative_to(folder) if file.is_relative_to(folder) else file) for file in files[:_MAX_FILES_PRINTED]
    ]
    more = f" and {len(files) - _MAX_FILES_PRINTED} more" if len(files) > _MAX_FILES_PRINTED else ""
    is_running = any(session.role in _LOADING_ROLES and session.state == SessionState.ALIVE for session in live)
    load_command = "mainspring down, then mainspring up" if is_running else "mainspring up"
    state = "it is now" if len(files) == 1 else "they are now"
    file_list = f"{', '.join(map(formatting.escape_line, names))}{more}"
    return [f"No running worker has loaded {file_list} as {state}. Check: mainspring auto list. Load: {load_command}"]
