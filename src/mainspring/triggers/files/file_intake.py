"""The file intake of a watched folder: hashes settled files and stores them as deliveries."""

import asyncio
import logging
import os
from collections.abc import Sequence

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.values.file import File, make_file_key
from mainspring.store import failpoints
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.results import Refused
from mainspring.triggers.files.blocking_thread import BlockingThread
from mainspring.triggers.files.folder import FileChangedError, FileHash, FolderReader, error_reason, printable_path
from mainspring.triggers.files.seen_files import RETRY_AFTER_MS, SeenFile, SeenFiles
from mainspring.triggers.intake import DeliveryAcceptor

_LOG = logging.getLogger("mainspring.files")
_BATCH_SIZE = 100
_MAX_FILES = 10_000
_MAX_BYTES = 256 * 1024 * 1024
"""Most files per batch and per poll; most bytes hashed per batch. The rest follows in the next poll."""
_STORE_RETRY_MS, _BUSY_RETRY_MS, _NO_TRIGGER_RETRY_MS = 1_000, 1_000, 10_000


class FileIntake:
    """Accepts the files of one watcher.

    `outage` = why no file is accepted, until `held_until_at`; `has_more` = the last poll did not accept all ripe files.
    """

    def __init__(
        self,
        trigger: str,
        folder: FolderReader,
        seen: SeenFiles,
        intake: DeliveryAcceptor,
        clock: Clock,
        thread: BlockingThread,
    ) -> None:
        self._trigger = trigger
        self._folder = folder
        self._seen = seen
        self._intake = intake
        self._clock = clock
        self._thread = thread
        self.outage: str | None = None
        self.held_until_at = 0
        self.has_more = False

    async def accept_ripe_files(self, now: int) -> None:
        """Hash and accept the ripe files; `now` = when the folder was listed.

        Raises:
            FencedError: this process may write nothing more.
        """
        self.has_more = False
        if self.held_until_at - RETRY_AFTER_MS <= now < self.held_until_at:  # unless the clock was put back
            return
        self.outage = None
        ripe = self._seen.ripe(now)
        self.has_more = len(ripe) > _MAX_FILES
        for first in range(0, min(len(ripe), _MAX_FILES), _BATCH_SIZE):
            paths = ripe[first : first + _BATCH_SIZE]
            hashed = await self._hash(paths)
            failpoints.hit("files.hashed")
            await asyncio.gather(*(self._accept_file(path, self._seen[path]) for path in hashed))
            if self.held_until_at > now:
                return

    async def _hash(self, paths: Sequence[str]) -> list[str]:
        """Hash files, and return those that are ready to be accepted."""
        files = [(path, self._seen[path]) for path in paths]
        outcomes = await self._thread.do(lambda: self._hash_now(files))
        ready = []
        for (path, seen), outcome in zip(files, outcomes, strict=True):
            match outcome:
                case FileChangedError():
                    self._seen.forget(path)
                case OSError():
                    seen.put_off(f"it cannot be read: {error_reason(outcome)}", self._clock.now() + RETRY_AFTER_MS)
                case None:
                    self.has_more = True
                case str():
                    seen.key, seen.hashing, seen.reason = outcome, None, None
                    ready.append(path)
        return ready

    def _hash_now(self, files: Sequence[tuple[str, SeenFile]]) -> list[str | OSError | FileChangedError | None]:
        """Return for each file its key, the error of reading it, or None if the batch is full. In the thread."""
        remaining, outcomes = _MAX_BYTES, list[str | OSError | FileChangedError | None]()
        for path, seen in files:
            if seen.key is not None or remaining <= 0:
                outcomes.append(seen.key)
                continue
            seen.hashing = seen.hashing or FileHash(seen.stamp)
            remaining += seen.hashing.at
            try:
                sha256 = self._folder.hash(path, seen.hashing, remaining - seen.hashing.at)
                outcomes.append(None if sha256 is None else make_file_key(path, sha256))
            except (OSError, FileChangedError) as error:
                outcomes.append(error)
            remaining -= seen.hashing.at
        return outcomes

    async def _accept_file(self, path: str, seen: SeenFile) -> None:
        file = File.at(
            os.fsencode(self._folder.absolute(path)),
            size=seen.stamp.size,
            sha256=seen.sha256,
            modified_ns=seen.stamp.modified_ns,
        )
        delivery = IncomingDelivery(
            key=make_file_key(path, seen.sha256),
            body=seen.sha256.encode(),
            data=msgspec.json.encode(file),
            was_stored=True,
            stays=True,
            happened_at=seen.stamp.changed_ns // 1_000_000,
        )
        try:
            answer = await self._intake.accept(self._trigger, delivery)
        except FencedError:
            raise
        except UnwritableCommandError as error:
            seen.put_off(f"it cannot be accepted: {error.message}", self._clock.now() + RETRY_AFTER_MS)
            return
        except MainspringError as error:
            self._hold(f"the store: {error.message}", _STORE_RETRY_MS)
            return
        except Exception as error:  # noqa: BLE001  a defect of Mainspring with one file must not block the others
            _LOG.exception("trigger %s: %s was not accepted", self._trigger, printable_path(path))
            seen.put_off(f"it cannot be accepted: {error}", self._clock.now() + RETRY_AFTER_MS)
            return
        failpoints.hit("files.taken")
        if not isinstance(answer, Refused):
            seen.accepted_at = self._clock.now()
        elif answer.code == "busy":
            self._hold(
                answer.text or "the store accepts no more deliveries now", answer.retry_after_ms or _BUSY_RETRY_MS
            )
        elif answer.code == "no_trigger":
            self._hold(answer.text or f"no trigger has the name {self._trigger}", _NO_TRIGGER_RETRY_MS)
        else:
            seen.put_off(f"{answer.code}: {answer.text}", self._clock.now() + RETRY_AFTER_MS)

    def _hold(self, reason: str, for_ms: int) -> None:
        """Accept nothing for a while."""
        self.outage = reason
        self.held_until_at = self._clock.now() + min(for_ms, RETRY_AFTER_MS)
