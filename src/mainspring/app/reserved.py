"""The way to people that needs no store: that it is lost is told straight to the channels, and remembered in a file beside the spool.

Told once for each channel, however often the process starts again meanwhile; its end is told to those who heard of it.
"""

import contextlib
import logging
import os
import socket
from pathlib import Path

import msgspec

from mainspring.app.channels import circumstances_of, open_links, routing_of
from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.match import Told
from mainspring.domain.notice import About, Field, Notice
from mainspring.domain.rendering import moment_of, one_line
from mainspring.operations.notifiers.base import ChannelFault, ChannelLink
from mainspring.resources.fault_text import FaultText

_LOG = logging.getLogger("mainspring.watching")
TELL_AFTER_MS = 60_000
"""A hiccup that is over before is told to nobody."""
_SUBJECT = Subject("", IncidentKind.STORE_LOST)


class _Memory(msgspec.Struct):
    """Since when the store is lost, and by what each channel that was told finds its message."""

    since_at: int
    told: dict[str, str | None] = {}


class Reserved:
    """`where` = the store, for people. Made and used in one event loop."""

    def __init__(self, settings: Settings, faults: FaultText, clock: Clock, where: str) -> None:
        self._settings = settings
        self._faults = faults
        self._clock = clock
        self._where = where
        self._file = Path(f"{settings.exec.spool}.store-lost.json")
        self._memory = self._remembered()
        self._links: dict[str, ChannelLink] = {}
        self._logged: dict[str, str] = {}

    async def look(self, fault: str) -> None:
        """The store could not be read or written just now: tell it to those who were not told, once it has lasted."""
        now = self._clock.now()
        memory = self._memory = self._memory or _Memory(now)
        if now - memory.since_at < TELL_AFTER_MS:
            return
        told = Told(subject=_SUBJECT, severity=Severity.PAGE)
        due = [one.channel for one in routing_of(self._settings).targets(told, About.OPENED, now) if one.due_at <= now]
        for channel in due:
            if channel not in memory.told:
                await self._tell(channel, self._notice(About.OPENED, memory, fault), None)

    async def over(self) -> None:
        """The store answers: tell that to those who were told that it does not."""
        memory = self._memory
        if memory is None:
            return
        for channel, ref in list(memory.told.items()):
            if await self._tell(channel, self._notice(About.RESOLVED, memory, ""), ref):
                del memory.told[channel]
                self._remember()
        if not memory.told:
            self._memory = None
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    async def close(self) -> None:
        """Let go of connections."""
        for link in self._links.values():
            await link.close()
        self._links = {}

    async def _tell(self, channel: str, notice: Notice, ref: str | None) -> bool:
        memory = self._memory
        if not self._links:
            self._links = open_links(self._settings, self._faults, self._clock)
        link = self._links.get(channel)
        if link is None or memory is None:  # a channel that is configured no more
            return True
        try:
            found = await link.send(notice, ref)
        except Exception as error:  # noqa: BLE001 - the others are told all the same, and this one in the next round
            fault = error.text if isinstance(error, ChannelFault) else self._faults.of(error)
            if self._logged.get(channel) != fault:
                self._logged[channel] = fault
                _LOG.error("channel %s cannot be told of the store: %s", channel, fault)
            return False
        if notice.about is About.OPENED:
            memory.told[channel] = found
            self._remember()
        return True

    def _notice(self, about: About, memory: _Memory, fault: str) -> Notice:
        around = circumstances_of(self._settings)
        is_over = about is About.RESOLVED
        state = "resolved" if is_over else Severity.PAGE.value
        what = "takes commits again" if is_over else f"cannot be read or written: {fault.splitlines()[0]}"
        host = socket.gethostname()
        key = f"mainspring:store-lost:{host}:{memory.since_at}"
        fields = [Field("Since", moment_of(memory.since_at, around.zone)), Field("Where", f"{self._where} on {host}")]
        if not is_over:
            fields.append(Field("Cause", one_line(fault, 500)))
            fields.append(
                Field(
                    "Impact", "nothing is started or recorded; wrapped commands run and keep their records in the spool"
                )
            )
            fields.append(Field("Do", "mainspring doctor"))
        return Notice(
            id=f"{key}:{about.value}",
            key=key,
            about=about,
            severity=Severity.PAGE,
            headline=one_line(f"[{state}] mainspring: the store {what}", 200),
            fields=tuple(fields),
            environment=around.environment,
            project=around.project,
            at=memory.since_at,
        )

    def _remembered(self) -> _Memory | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Memory)
        except (OSError, msgspec.DecodeError):
            return None

    def _remember(self) -> None:
        """Write it down; where that is not possible either, a process that starts again tells it again."""
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(self._memory))
            part.replace(self._file)
        except OSError as error:
            _LOG.warning("it cannot be written down who was told of the store: %s", error)
