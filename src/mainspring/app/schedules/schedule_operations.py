"""Schedules of an app, `app.schedules`: create, change, pause, resume, delete, get and list. Each has a blocking twin: `create_sync`, ...

Each operation is committed with its audit row, and is a new version of the schedule.
"""

import asyncio
import builtins
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack

from mainspring.app.blocking import run_blocking
from mainspring.app.schedules.schedule_info import ScheduleInfo, ScheduleOptions, make_schedule_info
from mainspring.domain.clock import Clock
from mainspring.domain.errors import NotFoundError
from mainspring.engine.definitions.automation import Automation
from mainspring.insight.automations.schedule_list import list_schedule_lines, read_schedule_detail
from mainspring.service import schedule
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.schedule import SchedulingContext
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import ScheduleChanged
from mainspring.store.read.schedules import find_automation_of_schedule

P = ParamSpec("P")
T = TypeVar("T")


class ScheduleOwner(Protocol):
    """The app, as its schedules use it."""

    clock: Clock
    actor: Actor

    async def scheduling_context(self) -> SchedulingContext:
        """Return what operations on schedules need, with the store open."""
        ...


class ScheduleOperations:
    """The schedules of an app's store. Reads list those in code, too; operations are for those that are not in code.

    `reason` and the actor are in the audit log. `command` = a command id of your own: sent again, the operation counts once. `expected` =
    refuse the operation if the schedule has another version.
    """

    def __init__(self, owner: ScheduleOwner) -> None:
        self._owner = owner

    async def create(
        self,
        name: str,
        automation: Automation | str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        command: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Create a schedule that starts runs of an automation with this input (arguments by name), from now on.

        Raises:
            OptionError, UnknownNameError: the name or an option cannot be used.
            NotFoundError: no worker has announced the automation; names the nearest.
            ArgumentError, ValueRefusedError: the input does not match the parameters of the automation.
            AlreadyExistsError: the name is taken, in code or by another schedule.
            ConflictError: the automation is retired.
        """
        target = automation.name if isinstance(automation, Automation) else automation
        act = self._act(reason, command)
        return await self._do(schedule.create_schedule, name, target, dict(options), input or {}, act=act)

    async def change(
        self,
        name: str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        expected: int | None = None,
        command: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Change the stated options; None clears one. A slot that is due already is still made. `input` None = as it was.

        Raises:
            NotFoundError: there is no such schedule, or it is declared in code.
            ConflictError: it has another version than `expected`.
            OptionError, UnknownNameError, ArgumentError, ValueRefusedError: as `create`.
        """
        act = self._act(reason, command)
        return await self._do(schedule.change_schedule, name, dict(options), input, act=act, expected=expected)

    async def pause(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> ScheduleInfo:
        """Make no slots until it is resumed. Runs that exist continue. Raises NotFoundError, ConflictError."""
        return await self._do(schedule.pause_schedule, name, act=self._act(reason, command), expected=expected)

    async def resume(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> ScheduleInfo:
        """End a pause: `misfire` decides on the slots that were due. Raises NotFoundError, ConflictError."""
        return await self._do(schedule.resume_schedule, name, act=self._act(reason, command), expected=expected)

    async def delete(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> None:
        """Delete a schedule: it starts no more runs and is not watched. Its history stays. Raises NotFoundError, ConflictError."""
        await self._perform(schedule.delete_schedule, name, act=self._act(reason, command), expected=expected)

    async def get(self, name: str) -> ScheduleInfo:
        """Return a schedule, in code or not. Raises NotFoundError."""
        context = await self._owner.scheduling_context()
        return await asyncio.to_thread(_read_info, context.reader, name, self._owner.clock.now())

    # -- blocking twins, for programs without an event loop -------------------------------------------------------------

    def create_sync(
        self,
        name: str,
        automation: Automation | str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        command: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Create a schedule as `create` does, and block until that is committed."""
        created = self.create(name, automation, input=input, reason=reason, command=command, **options)
        return run_blocking(created, "app.schedules.create")

    def change_sync(
        self,
        name: str,
        *,
        input: Mapping[str, Any] | None = None,
        reason: str | None = None,
        expected: int | None = None,
        command: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Change a schedule as `change` does, and block until that is committed."""
        changed = self.change(name, input=input, reason=reason, expected=expected, command=command, **options)
        return run_blocking(changed, "app.schedules.change")

    def pause_sync(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> ScheduleInfo:
        """Pause a schedule as `pause` does, and block until that is committed."""
        return run_blocking(self.pause(name, reason, expected=expected, command=command), "app.schedules.pause")

    def resume_sync(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> ScheduleInfo:
        """Resume a schedule as `resume` does, and block until that is committed."""
        return run_blocking(self.resume(name, reason, expected=expected, command=command), "app.schedules.resume")

    def delete_sync(
        self, name: str, reason: str | None = None, *, expected: int | None = None, command: str | None = None
    ) -> None:
        """Delete a schedule as `delete` does, and block until that is committed."""
        run_blocking(self.delete(name, reason, expected=expected, command=command), "app.schedules.delete")

    def get_sync(self, name: str) -> ScheduleInfo:
        """Return a schedule as `get` does, and block until it is read."""
        return run_blocking(self.get(name), "app.schedules.get")

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _act(self, reason: str | None, command: str | None) -> OperationContext:
        return operation_context(self._owner.actor, self._owner.clock, reason=reason, command=command)

    async def _perform(
        self,
        operation: Callable[Concatenate[SchedulingContext, str, P], ScheduleChanged],
        name: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> SchedulingContext:
        context = await self._owner.scheduling_context()
        await asyncio.to_thread(operation, context, name, *args, **kwargs)
        return context

    async def _do(
        self,
        operation: Callable[Concatenate[SchedulingContext, str, P], ScheduleChanged],
        name: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ScheduleInfo:
        """Perform an operation off the loop, and return the schedule as it is then."""
        context = await self._perform(operation, name, *args, **kwargs)
        return await asyncio.to_thread(_read_info, context.reader, name, self._owner.clock.now())

    async def list(self, automation: Automation | str | None = None) -> list[ScheduleInfo]:
        """Return the schedules that have not ended, in code or not, of all automations or of one, by name."""
        target = automation.name if isinstance(automation, Automation) else automation
        context = await self._owner.scheduling_context()
        lines = await asyncio.to_thread(list_schedule_lines, context.reader, self._owner.clock.now(), target)
        return [make_schedule_info(line) for line in lines]

    def list_sync(self, automation: Automation | str | None = None) -> "builtins.list[ScheduleInfo]":
        """Return the schedules as `list` does, and block until they are read."""
        return run_blocking(self.list(automation), "app.schedules.list")


def _read_info(reader: StoreReader, name: str, now: int) -> ScheduleInfo:
    automation = find_automation_of_schedule(reader, name)
    detail = None if automation is None else read_schedule_detail(reader, name, automation, now)
    if detail is None:
        raise NotFoundError(f"there is no schedule {name!r}", hint="await app.schedules.list() lists schedules.")
    return make_schedule_info(detail.line)
