"""Taking the spool in beside other work: the part of a worker's upkeep that is about wrapped commands."""

import logging
from collections.abc import Callable
from pathlib import Path

from mainspring.service.spool import Spool
from mainspring.store.process_store import ProcessStore

_LOG = logging.getLogger("mainspring.upkeep")
_MOST = 500


def spool_intake(folder: Path, spare: Path | None = None) -> Callable[[ProcessStore], None]:
    """Return what takes in some records of this spool, each time it is called with the open store."""
    spool = Spool(folder, spare)

    def take(store: ProcessStore) -> None:
        if not spool.names():
            return
        taken = spool.take_in(store.apply, limit=_MOST)
        if taken.runs:
            _LOG.info("%d runs of wrapped commands were taken in from the spool", len(taken.runs))
        for path in taken.bad:
            _LOG.error("a record of the spool cannot be read and was set aside: %s", path)

    return take
