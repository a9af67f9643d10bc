"""Schedules of a program's project, `ms.schedules`: in steps, tasks, scripts and plain programs.

Role: opens the store that the configuration names at the first use, and keeps it open until the program ends. Invariants: in a step each
call counts once for all attempts, because its command id follows from the step; a forked child opens the store itself.
"""

import atexit
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

from mainspring.app.schedules.schedule_info import ScheduleInfo, ScheduleOptions
from mainspring.domain.ids import hash_parts
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, current_step, heartbeat
from mainspring.engine.definitions.automation import Automation

if TYPE_CHECKING:
    from mainspring.app.application import App
    from mainspring.app.schedules.schedule_operations import ScheduleOperations

_LOCK: Final = threading.Lock()
_apps: "dict[int, App]" = {}
"""The app of this process by its id: a connection of the process that forked this one must not be used."""


class ProgramSchedules:
    """The schedules of the project that the configuration names. All methods block: coroutines use `app.schedules`.

    `reason` is in the audit log. `expected` = refuse the operation if the schedule has another version.
    """

    def create(
        self,
        name: str,
        automation: Automation | str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Create a schedule that starts runs of an automation with this input; see `app.schedules.create`.

        Raises:
            OptionError, UnknownNameError, NotFoundError, ArgumentError, ValueRefusedError, AlreadyExistsError, ConflictError: as there.
            ConfigError, NoStoreError: there is no project or no store.
            NotInStepError: in the body of a workflow.
        """
        command = _step_command("create", name)
        return _operations().create_sync(name, automation, input=input, reason=reason, command=command, **options)

    def change(
        self,
        name: str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        expected: int | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Change the stated options of a schedule; None clears one. See `app.schedules.change`."""
        command = _step_command("change", name)
        return _operations().change_sync(
            name, input=input, reason=reason, expected=expected, command=command, **options
        )

    def pause(self, name: str, reason: str | None = None, *, expected: int | None = None) -> ScheduleInfo:
        """Make no slots until it is resumed; see `app.schedules.pause`."""
        command = _step_command("pause", name)
        return _operations().pause_sync(name, reason, expected=expected, command=command)

    def resume(self, name: str, reason: str | None = None, *, expected: int | None = None) -> ScheduleInfo:
        """End a pause; see `app.schedules.resume`."""
        command = _step_command("resume", name)
        return _operations().resume_sync(name, reason, expected=expected, command=command)

    def delete(self, name: str, reason: str | None = None, *, expected: int | None = None) -> None:
        """Delete a schedule; see `app.schedules.delete`."""
        command = _step_command("delete", name)
        _operations().delete_sync(name, reason, expected=expected, command=command)

    def get(self, name: str) -> ScheduleInfo:
        """Return a schedule, in code or not. Raises NotFoundError."""
        return _operations().get_sync(name)

    def list(self, automation: Automation | str | None = None) -> list[ScheduleInfo]:
        """Return the schedules that have not ended, in code or not, of all automations or of one, by name."""
        return _operations().list_sync(automation)


schedules: Final = ProgramSchedules()


def _step_command(verb: str, name: str) -> str | None:
    """Return the command id of an operation in a step; None outside of steps.

    It is the same in all attempts, so that the operation counts once. Only one that was refused is tried by the next attempt.
    """
    step = current_step(f"schedules.{verb}()") if IN_BODY.get() else CURRENT_STEP.get()
    if step is None:
        return None
    heartbeat()  # refused if the attempt is over: its thread may still run
    command = f"step.{hash_parts(step.name_use(f'schedules.{verb} {name}').encode())}"
    return f"{command}.{step.attempt}" if step.attempt > 1 and _is_refused(command, verb, name) else command


def _is_refused(command: str, verb: str, name: str) -> bool:
    """Return whether the operation with this command id was refused before."""
    from mainspring.app.blocking import run_blocking  # noqa: PLC0415 - `import mainspring` needs none of it
    from mainspring.store.commands.results import Refused  # noqa: PLC0415
    from mainspring.store.read.operation_reads import OperationReads  # noqa: PLC0415

    context = run_blocking(_app().scheduling_context(), f"schedules.{verb}()")
    return isinstance(OperationReads(context.reader).answer_of(command, verb, f"schedule:{name}"), Refused)


def _operations() -> "ScheduleOperations":
    return _app().schedules


def _app() -> "App":
    from mainspring.app.application import App  # noqa: PLC0415 - `import mainspring` needs none of it
    from mainspring.app.project import Project  # noqa: PLC0415
    from mainspring.engine.definitions.registry import Registry  # noqa: PLC0415

    with _LOCK:
        app = _apps.get(os.getpid())
        if app is None:
            app = _apps[os.getpid()] = App.of(Project.current(), Registry())
            atexit.register(_close, os.getpid())
    return app


def _close(pid: int) -> None:
    if pid == os.getpid():
        app = _apps.pop(pid, None)
        if app is not None:
            app.close()
