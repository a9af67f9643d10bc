"""The way to people that needs no store: that it is lost is told straight to the channels, and remembered in a file beside the spool.

Told once for each channel, however many processes of this machine see it and however often they start again meanwhile; its end is told to
those who heard of it.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from mainspring.app.channels import circumstances_of, open_links, routing_of
from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.duration import ms_of
from mainspring.domain.errors import StoreError, StoreFullError, StoreUnavailableError
from mainspring.domain.ids import new_id
from mainspring.domain.incident import IncidentKind, Severity, Subject
from mainspring.domain.match import Told
from mainspring.domain.notice import About, Field, Notice
from mainspring.domain.rendering import moment_of, one_line
from mainspring.operations.notifiers.base import ChannelFault, ChannelLink
from mainspring.resources.fault_text import FaultText
from mainspring.resources.hidden import HIDDEN
from mainspring.store.base import StoreBrokenError
from mainspring.store.commands.incidents import RecordLost

_LOG = logging.getLogger("mainspring.watching")
_WITHIN_S = 10.0
Commit = Callable[[RecordLost], Awaitable[Any]]
_SUBJECT = Subject("", IncidentKind.STORE_LOST)


class _Memory(msgspec.Struct):
    """Since when the store is lost and why, and by what each channel that was told finds its message."""

    since_at: int
    told: dict[str, str | None] = {}
    fault: str = ""
    is_recorded: bool = False
    """Whether the store has it, now that it is back."""


class Reserved:
    """`where` = the store, for people; `commit` writes to it, once it is back. Made and used in one event loop."""

    def __init__(
        self, settings: Settings, faults: FaultText, clock: Clock, where: str, commit: Commit | None = None
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._clock = clock
        self._where = where
        self._commit = commit
        self._tell_after_ms = ms_of(settings.notify.store_lost_after)
        self._file = Path(f"{settings.exec.spool}.store-lost.json")
        self._memory: _Memory | None = None
        self._is_written = False
        self._links: dict[str, ChannelLink] = {}
        self._logged: dict[str, str] = {}

    async def look(self, fault: str, *, at_once: bool = False) -> None:
        """The store could not be read or written just now: tell it to those who were not told, once it has lasted (or `at_once`)."""
        now = self._clock.now()
        with self._alone() as is_alone:
            if not is_alone:
                return
            memory = self._recall()
            if memory is None:
                memory = self._memory = _Memory(now)
            if (shown := one_line(HIDDEN.redact(_first_line(fault)), 200)) != memory.fault or memory.is_recorded:
                memory.fault, memory.is_recorded = shown, False
                self._remember()
            if now - memory.since_at < self._tell_after_ms and not at_once:
                return
            told = Told(subject=_SUBJECT, severity=Severity.PAGE)
            targets = routing_of(self._settings).targets(told, About.OPENED, now)
            due = {one.channel for one in targets if one.due_at <= now} - memory.told.keys()
            notice = self._notice(About.OPENED, memory, fault)
            # Together: one that hangs must not use up the time in which the others could be told.
            await asyncio.gather(*(self._tell(channel, notice, None) for channel in sorted(due)))

    async def over(self) -> None:
        """The store takes commits: write down that it was lost, and tell that it is over to those who were told."""
        if self._memory is None and not self._file.exists():
            return
        with self._alone() as is_alone:
            memory = self._recall() if is_alone else None
            if memory is None or not await self._is_recorded(memory):
                return
            notice = self._notice(About.RESOLVED, memory, "")
            await asyncio.gather(*(self._tell_end(memory, channel, notice) for channel in list(memory.told)))
            if not memory.told:
                self._memory = None
                self._is_written = False
                with contextlib.suppress(OSError):
                    self._file.unlink(missing_ok=True)

    async def _tell_end(self, memory: _Memory, channel: str, notice: Notice) -> None:
        if await self._tell(channel, notice, memory.told[channel]):
            del memory.told[channel]
            self._remember()

    async def _is_recorded(self, memory: _Memory) -> bool:
        """Write down in the store that it was lost, if that was told or is to be; False = it is away again."""
        now = self._clock.now()
        has_lasted = bool(memory.told) or now - memory.since_at >= self._tell_after_ms
        if self._commit is None or memory.is_recorded or not has_lasted:
            return True
        lost = RecordLost(
            id=new_id("i", now, self._clock.random_bits(80)),
            since_at=memory.since_at,
            over_at=now,
            text=f"the store could not be read or written: {memory.fault or 'nobody knows why'}",
            facts={"where": self._where, "host": socket.gethostname(), "told": sorted(memory.told)},
        )
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._commit(lost)
        except (TimeoutError, StoreUnavailableError, StoreFullError):
            return False
        except Exception as error:  # noqa: BLE001 - its end is told all the same
            self._log("", f"it cannot be written down that the store was lost: {self._faults.of(error)}")
            return True
        memory.is_recorded = True
        self._remember()
        return True

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
            self._log(channel, f"channel {channel} cannot be told of the store: {fault}")
            return False
        if notice.about is About.OPENED:
            memory.told[channel] = found
            self._remember()
        return True

    def _notice(self, about: About, memory: _Memory, fault: str) -> Notice:
        around = circumstances_of(self._settings)
        is_over = about is About.RESOLVED
        state = "resolved" if is_over else Severity.PAGE.value
        what = "takes commits again" if is_over else f"cannot be read or written: {_first_line(fault)}"
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

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Keep other processes of this machine from telling the same; yield whether nobody else is about to."""
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self._file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # where nothing can be written, two who tell are better than none
            yield True
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)

    def _recall(self) -> _Memory | None:
        """Return what is known of it, by whoever learned it; what was written and is not there any more is over."""
        try:
            self._memory = msgspec.json.decode(self._file.read_bytes(), type=_Memory)
        except FileNotFoundError:
            if self._is_written:
                self._memory, self._is_written = None, False
        except (OSError, msgspec.DecodeError):
            pass
        else:
            self._is_written = True
        return self._memory

    def _remember(self) -> None:
        """Write it down; where that is not possible either, a process that starts again tells it again."""
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        try:
            part.write_bytes(msgspec.json.encode(self._memory))
            part.replace(self._file)
            self._is_written = True
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            self._log("", f"it cannot be written down who was told of the store: {error}")

    def _log(self, channel: str, text: str) -> None:
        """Log what is wrong when that changes."""
        if self._logged.get(channel) != text:
            self._logged[channel] = text
            _LOG.error("%s", text)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


async def tell_lost(settings: Settings, faults: FaultText, clock: Clock, where: str, error: StoreError) -> None:
    """Tell that the store is lost and all that worked on it has ended, for at most ten seconds.

    At once, unless it may be a matter of waiting: then once a process that starts again and again has met it for long enough. Where no
    channel is configured whoever started it is told by its exit alone.
    """
    passes = isinstance(error, StoreUnavailableError | StoreFullError) and not isinstance(error, StoreBrokenError)
    if not settings.notify.channels:
        return
    reserved = Reserved(settings, faults, clock, where)
    try:
        async with asyncio.timeout(_WITHIN_S):
            await reserved.look(error.message, at_once=not passes)
    except Exception as fault:  # noqa: BLE001 - the store's own error is what the caller goes on with
        _LOG.error("not everybody could be told that the store is lost: %s", faults.of(fault))
    finally:
        await reserved.close()
