"""Taking the spool in beside other work: the part of a worker's upkeep that is about wrapped commands."""

import logging
from collections.abc import Callable
from pathlib import Path

from mainspring.domain.errors import StoreReadOnlyError
from mainspring.service.spool import Spool
from mainspring.store.process_store import ProcessStore

_LOG = logging.getLogger("mainspring.upkeep")
_MAX_RECORDS = 500


def make_spool_importer(folder: Path, spare: Path | None = None) -> Callable[[ProcessStore], None]:
    """Return what takes in some records of this spool, each time it is called with the open store."""
    spool = Spool(folder, spare)

    def take(store: ProcessStore) -> None:
        """Take some in. Raises StoreReadOnlyError where records may lie that this user cannot read; what can be read is taken in."""
        if spool.names():
            _take_in(store)
        if (fault := spool.find_fault()) is not None:
            raise StoreReadOnlyError(f"{fault.text}; {fault.fix}", hint=fault.fix)

    def _take_in(store: ProcessStore) -> None:
        taken = spool.take_in(store.apply, limit=_MAX_RECORDS)
        if taken.runs:
            _LOG.info("%d runs of wrapped commands were taken in from the spool", len(taken.runs))
        for path in taken.bad:
            _LOG.error("a record of the spool cannot be read and was set aside: %s", path)

    return take
