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
    from mainspring.app.handover import Handover
    from mainspring.app.project import Project
    from mainspring.app.supervisor import Supervisor
    from mainspring.store.session_view import SessionView

_LOOK_EVERY_S = 0.5


def serve(
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
    from mainspring.app.handover import Handover
    from mainspring.app.process_log import begin_log
    from mainspring.app.stores import anchor
    from mainspring.domain.processes.process_role import parse_roles
    from mainspring.store.supervisor_lock import already_supervised, only_supervisor

    invocation.refuse_mistyped_store()
    settings = invocation.settings
    begin_log(settings.logs, environment=settings.project.environment, verbose=invocation.flags.verbose)
    shared = {"store.url": invocation.flags.store, "project.environment": invocation.flags.environment}
    given = {name: value for name, value in (shared | dict(flags or {})).items() if value is not None}
    handover = Handover(given, invocation.flags.config, modules)
    project = handover.project()  # as the worker will read it, so that what is wrong with a flag is said here
    project.install_failpoints()
    roles = parse_roles(project.settings.up.roles)
    try:
        with only_supervisor(anchor(invocation.settings.store.url), invocation.shown, roles):
            invocation.bring_to_form()  # its processes would do so a moment later, and a reader takes no older form
            # One that reaches the store by another name, or is of another version.
            for one in supervisors_here(invocation):
                taken = [role for role in roles if role in one.posts or not one.posts]
                if taken:
                    raise already_supervised(invocation.shown, str(one.pid), taken[0])
            return _supervise(invocation, project, handover, reload=reload)
    except StoreError as error:
        _tell_lost(project, invocation.shown, error)
        raise


def _supervise(invocation: Invocation, project: "Project", handover: "Handover", *, reload: bool) -> int:
    from mainspring.app.supervisor import Supervisor

    supervisor = Supervisor(project, handover)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: supervisor.stop())
    names = (
        ", ".join([*project.settings.project.automations, *handover.modules])
        or "none: add files to [project] automations"
    )
    roles = ", ".join(project.settings.up.roles)
    invocation.output.hint(f"store {invocation.shown}\nautomations {names}\nroles {roles}\nstop with Ctrl-C")
    return supervisor.run(once=_reloader(supervisor, project, handover.modules) if reload else lambda: None)


def _tell_lost(project: "Project", where: str, error: StoreError) -> None:
    """Tell people that nothing works any more: no watcher is left to do it."""
    from mainspring.app.brief_loop import run_briefly
    from mainspring.app.reserved import tell_lost
    from mainspring.resources.error_text import ErrorText

    run_briefly(tell_lost(project.settings, ErrorText(project.secrets), project.clock, where, error))


def supervisors_here(invocation: Invocation) -> "list[SessionView]":
    """Return the supervisors of this store that live on this machine."""
    from mainspring.store.liveness import host_identity, is_running
    from mainspring.store.reads.status import sessions

    here = host_identity()
    nobody: list[SessionView] = []
    found = invocation.read_if_made(lambda reader: sessions(reader), nobody)  # noqa: PLW0108 - it has more parameters
    return [s for s in found if s.role == "supervisor" and s.host == here and is_running(s.pid, s.pid_started)]


def _reloader(supervisor: "Supervisor", project: "Project", modules: tuple[str, ...]) -> Callable[[], None]:
    """Return what looks for changed code twice a second."""
    watched = _Watched(project, modules)
    looked = time.monotonic()

    def look() -> None:
        nonlocal looked
        if time.monotonic() - looked >= _LOOK_EVERY_S:
            looked = time.monotonic()
            if watched.changed():
                logging.getLogger("mainspring.dev").info("the code changed: the worker starts anew")
                supervisor.reload()

    return look


class _Watched:
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
            for path in _files(self._folder, pattern):
                try:
                    stat = path.stat()
                except OSError:
                    continue
                found[str(path)] = (stat.st_mtime_ns, stat.st_size)
        return found


def _files(folder: Path, pattern: str) -> list[Path]:
    import glob

    whole = pattern if pattern.startswith("/") else str(folder / pattern)
    paths = [Path(name) for name in glob.glob(whole, recursive=True)]  # noqa: PTH207 - patterns may be absolute
    return [inner for path in paths for inner in ([path] if path.is_file() else path.rglob("*.py"))]
