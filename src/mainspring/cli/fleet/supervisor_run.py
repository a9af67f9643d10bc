"""Run of the supervisor from the command line, with reload for development."""

import logging
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.cli.context import Invocation
from mainspring.domain.errors import StoreError

if TYPE_CHECKING:
    from mainspring.app.processes.launch_spec import LaunchSpec
    from mainspring.app.processes.supervisor import Supervisor
    from mainspring.app.project import Project
    from mainspring.store.session_views import SessionView

_POLL_INTERVAL_S = 0.5


def run_until_stopped(
    invocation: Invocation,
    modules: tuple[str, ...],
    *,
    flags: "Mapping[str, Any] | None" = None,
    reload: bool = False,
) -> int:
    """Run until SIGTERM or Ctrl-C. `flags` = settings of the command line, such as {"up.roles": ["web"]}.

    Raises:
        AlreadyExistsError: a supervisor already keeps one of these roles for this store on this machine.
    """
    from mainspring.app.processes.launch_spec import LaunchSpec
    from mainspring.app.setup.process_log import configure_log
    from mainspring.app.stores.store_factory import lock_anchor, require_not_removed
    from mainspring.domain.processes.process_role import parse_roles
    from mainspring.store.supervisor_lock import lock_supervisor_role, supervisor_conflict

    invocation.refuse_mistyped_store()
    settings = invocation.settings
    configure_log(settings.logs, environment=settings.project.environment, verbose=invocation.flags.verbose)
    shared = {"store.url": invocation.flags.store, "project.environment": invocation.flags.environment}
    given_flags = {name: value for name, value in (shared | dict(flags or {})).items() if value is not None}
    spec = LaunchSpec(given_flags, invocation.flags.config, modules)
    project = spec.project()  # as the worker will read it, so that an invalid flag is reported here
    project.install_failpoints()
    roles = parse_roles(project.settings.up.roles)
    try:
        if not settings.store.is_remote:
            require_not_removed(settings.store.path)  # the lock would create the folder
        with lock_supervisor_role(lock_anchor(invocation.settings.store.url), invocation.location, roles):
            invocation.migrate_store()  # its processes would do so a moment later, and a reader accepts no older schema version
            # A supervisor that reaches the store by another name, or is of another version.
            for session in find_local_supervisors(invocation):
                roles_in_use = [role for role in roles if role in session.posts or not session.posts]
                if roles_in_use:
                    raise supervisor_conflict(invocation.location, str(session.pid), roles_in_use[0])
            return _run_supervisor(invocation, project, spec, reload=reload)
    except StoreError as error:
        _notify_store_lost(project, invocation.location, error)
        raise


def _run_supervisor(invocation: Invocation, project: "Project", spec: "LaunchSpec", *, reload: bool) -> int:
    from mainspring.app.processes.supervisor import Supervisor

    supervisor = Supervisor(project, spec)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: supervisor.stop())
    names = (
        ", ".join([*project.settings.project.automations, *spec.modules]) or "none: add files to [project] automations"
    )
    roles = ", ".join(project.settings.up.roles)
    invocation.output.hint(f"store {invocation.location}\nautomations {names}\nroles {roles}\nstop with Ctrl-C")
    return supervisor.run(once=_make_reloader(supervisor, project, spec.modules) if reload else lambda: None)


def _notify_store_lost(project: "Project", where: str, error: StoreError) -> None:
    """Notify people that nothing works any more: no watcher is left to do it."""
    from mainspring.app.alerting.fallback_alerting import notify_store_lost
    from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
    from mainspring.resources.error_text import ErrorText

    run_in_short_lived_loop(
        notify_store_lost(project.settings, ErrorText(project.secrets), project.clock, where, error)
    )


def find_local_supervisors(invocation: Invocation) -> "list[SessionView]":
    """Return the live supervisors of this store on this machine."""
    from mainspring.store.liveness import host_identity, is_running
    from mainspring.store.read.status.status import sessions

    host = host_identity()
    no_sessions: list[SessionView] = []
    stored_sessions = invocation.read_if_made(lambda reader: sessions(reader), no_sessions)  # noqa: PLW0108 - it has more parameters
    return [
        session
        for session in stored_sessions
        if session.role == "supervisor" and session.host == host and is_running(session.pid, session.pid_started)
    ]


def _make_reloader(supervisor: "Supervisor", project: "Project", modules: tuple[str, ...]) -> Callable[[], None]:
    """Return a function that checks for changed code twice a second."""
    watched = _WatchedFiles(project, modules)
    checked_at = time.monotonic()

    def check() -> None:
        nonlocal checked_at
        if time.monotonic() - checked_at >= _POLL_INTERVAL_S:
            checked_at = time.monotonic()
            if watched.changed():
                logging.getLogger("mainspring.dev").info("the code changed: restarting the worker")
                supervisor.reload()

    return check


class _WatchedFiles:
    """The files of the project's automations, by name, time and size."""

    def __init__(self, project: "Project", modules: tuple[str, ...]) -> None:
        self._folder = project.settings.folder
        self._patterns = (*project.settings.project.automations, *modules)
        self._known_files = self._scan()

    def changed(self) -> bool:
        """Return whether a file was added, deleted or changed since the last check."""
        present_files = self._scan()
        changed = present_files != self._known_files
        self._known_files = present_files
        return changed

    def _scan(self) -> dict[str, tuple[int, int]]:
        files: dict[str, tuple[int, int]] = {}
        for pattern in self._patterns:
            for path in _find_files(self._folder, pattern):
                try:
                    stat = path.stat()
                except OSError:
                    continue
                files[str(path)] = (stat.st_mtime_ns, stat.st_size)
        return files


def _find_files(folder: Path, pattern: str) -> list[Path]:
    import glob

    whole = pattern if pattern.startswith("/") else str(folder / pattern)
    paths = [Path(name) for name in glob.glob(whole, recursive=True)]  # noqa: PTH207 - patterns may be absolute
    return [inner for path in paths for inner in ([path] if path.is_file() else path.rglob("*.py"))]
