"""Running the supervisor from the command line, with reload for development."""

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
    """Run until SIGTERM or Ctrl-C. `flags` = settings that were given on the command line, such as {"up.roles": ["web"]}.

    Raises:
        AlreadyExistsError: a supervisor keeps one of these roles for this store on this machine already.
    """
    from mainspring.app.processes.launch_spec import LaunchSpec
    from mainspring.app.setup.process_log import configure_log
    from mainspring.app.stores.store_factory import lock_anchor
    from mainspring.domain.processes.process_role import parse_roles
    from mainspring.store.supervisor_lock import lock_supervisor_role, supervisor_conflict

    invocation.refuse_mistyped_store()
    settings = invocation.settings
    configure_log(settings.logs, environment=settings.project.environment, verbose=invocation.flags.verbose)
    shared = {"store.url": invocation.flags.store, "project.environment": invocation.flags.environment}
    given = {name: value for name, value in (shared | dict(flags or {})).items() if value is not None}
    handover = LaunchSpec(given, invocation.flags.config, modules)
    project = handover.project()  # as the worker will read it, so that what is wrong with a flag is said here
    project.install_failpoints()
    roles = parse_roles(project.settings.up.roles)
    try:
        with lock_supervisor_role(lock_anchor(invocation.settings.store.url), invocation.shown, roles):
            invocation.bring_to_form()  # its processes would do so a moment later, and a reader takes no older form
            # One that reaches the store by another name, or is of another version.
            for one in find_local_supervisors(invocation):
                taken = [role for role in roles if role in one.posts or not one.posts]
                if taken:
                    raise supervisor_conflict(invocation.shown, str(one.pid), taken[0])
            return _run_supervisor(invocation, project, handover, reload=reload)
    except StoreError as error:
        _notify_store_lost(project, invocation.shown, error)
        raise


def _run_supervisor(invocation: Invocation, project: "Project", handover: "LaunchSpec", *, reload: bool) -> int:
    from mainspring.app.processes.supervisor import Supervisor

    supervisor = Supervisor(project, handover)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: supervisor.stop())
    names = (
        ", ".join([*project.settings.project.automations, *handover.modules])
        or "none: add files to [project] automations"
    )
    roles = ", ".join(project.settings.up.roles)
    invocation.output.hint(f"store {invocation.shown}\nautomations {names}\nroles {roles}\nstop with Ctrl-C")
    return supervisor.run(once=_make_reloader(supervisor, project, handover.modules) if reload else lambda: None)


def _notify_store_lost(project: "Project", where: str, error: StoreError) -> None:
    """Tell people that nothing works any more: no watcher is left to do it."""
    from mainspring.app.alerting.fallback_alerting import notify_store_lost
    from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
    from mainspring.resources.error_text import ErrorText

    run_in_short_lived_loop(
        notify_store_lost(project.settings, ErrorText(project.secrets), project.clock, where, error)
    )


def find_local_supervisors(invocation: Invocation) -> "list[SessionView]":
    """Return the supervisors of this store that live on this machine."""
    from mainspring.store.liveness import host_identity, is_running
    from mainspring.store.read.status.status import sessions

    here = host_identity()
    nobody: list[SessionView] = []
    found = invocation.read_if_made(lambda reader: sessions(reader), nobody)  # noqa: PLW0108 - it has more parameters
    return [s for s in found if s.role == "supervisor" and s.host == here and is_running(s.pid, s.pid_started)]


def _make_reloader(supervisor: "Supervisor", project: "Project", modules: tuple[str, ...]) -> Callable[[], None]:
    """Return what looks for changed code twice a second."""
    watched = _WatchedFiles(project, modules)
    looked = time.monotonic()

    def look() -> None:
        nonlocal looked
        if time.monotonic() - looked >= _POLL_INTERVAL_S:
            looked = time.monotonic()
            if watched.changed():
                logging.getLogger("mainspring.dev").info("the code changed: the worker starts anew")
                supervisor.reload()

    return look


class _WatchedFiles:
    """The files of the project's automations, by name, time and size."""

    def __init__(self, project: "Project", modules: tuple[str, ...]) -> None:
        self._folder = project.settings.folder
        self._patterns = (*project.settings.project.automations, *modules)
        self._seen = self._look()

    def changed(self) -> bool:
        """Tell whether a file came, went or changed since the last look."""
        now = self._look()
        changed = now != self._seen
        self._seen = now
        return changed

    def _look(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for pattern in self._patterns:
            for path in _find_files(self._folder, pattern):
                try:
                    stat = path.stat()
                except OSError:
                    continue
                found[str(path)] = (stat.st_mtime_ns, stat.st_size)
        return found


def _find_files(folder: Path, pattern: str) -> list[Path]:
    import glob

    whole = pattern if pattern.startswith("/") else str(folder / pattern)
    paths = [Path(name) for name in glob.glob(whole, recursive=True)]  # noqa: PTH207 - patterns may be absolute
    return [inner for path in paths for inner in ([path] if path.is_file() else path.rglob("*.py"))]
