"""The store of one process on one SQLite file."""

from pathlib import Path
from typing import Unpack

from mainspring.domain.clock import SystemClock
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.process_store import ProcessStore, StoreOptions
from mainspring.store.sqlite import filesystem
from mainspring.store.sqlite.damage import damage_found
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.vacuum import PAGES, shrink
from mainspring.store.store_clock import StoreClock, steady
from mainspring.store.write.command_handlers import HANDLERS


class SqliteStore(ProcessStore):
    """A process_store.ProcessStore on `path`. `recreate` = recreate a file that was removed. `note` = see note_store."""

    def __init__(
        self, path: Path, *, recreate: bool = False, note: Path | None = None, **options: Unpack[StoreOptions]
    ) -> None:
        self._machine_clock = options["clock"]
        is_machine = isinstance(self._machine_clock, SystemClock)
        self._store_clock = StoreClock(steady(self._machine_clock)) if is_machine else None
        options["clock"] = self._store_clock or self._machine_clock
        super().__init__(**options)
        self.path = path
        self._recreate = recreate
        self._note = note
        self._file: SqliteDatabase | None = None

    @property
    def location(self) -> str:
        """The path of the file."""
        return str(self.path)

    @property
    def locks(self) -> Path:
        """The lock folder beside the file."""
        return self.path.with_name(self.path.name + ".sessions")

    @property
    def file(self) -> Path:
        """The path of the file."""
        return self.path

    def _open_database(self) -> SqliteDatabase:
        self._file = SqliteDatabase(
            self.path,
            clock=self._machine_clock,
            handlers=HANDLERS,
            sealing=self._sealing,
            recreate=self._recreate,
            note=self._note,
            process_clock=self._store_clock,
        )
        return self._file

    def _note_poll(self, is_changed: bool) -> None:  # noqa: FBT001 - a callback of the committer
        is_pushed = self._file is not None and self._file.hints is not None
        self.end_waiters.note_poll(is_changed=is_changed, is_pushed=is_pushed)

    def _open_reader(self) -> SqliteReader:
        return SqliteReader(self.path)

    def give_space_back(self) -> bool:
        """Shorten the file a little; True if enough is left for another part."""
        return shrink(self.path) >= PAGES

    def waits_for(self, longer_than: float = 5.0) -> str | None:
        """Return which process has kept this one from writing for so many seconds, if one has."""
        return self._file.write_lock.waits_for(longer_than) if self._file is not None else None

    def known_damage(self) -> StoreFinding | None:
        """Return the note of damage beside the file."""
        return next(iter(damage_found(self.path)), None)

    def check_presence(self) -> None:
        """Check that the open files still have their names. Raises StoreRemovedError; any thread may call it."""
        if self._file is not None:
            self._file.presence.check()

    def free_bytes(self) -> int:
        """Return the free space beside the store."""
        return filesystem.free_bytes(self.path.parent)

    def close(self, *, drain: bool = True, end: CloseSession = CloseSession()) -> None:  # noqa: B008 - it is frozen
        """Commit the queued commands, end the session, close the file."""
        super().close(drain=drain, end=end)
        self._file = None
