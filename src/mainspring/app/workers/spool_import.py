"""Import of the spool next to other work: the part of a worker's upkeep that concerns wrapped commands."""

import logging
from collections.abc import Callable

from mainspring.domain.errors import StoreReadOnlyError
from mainspring.service.spool import Spool
from mainspring.store.process_store import ProcessStore

_LOG = logging.getLogger("mainspring.upkeep")
_MAX_RECORDS = 500


def make_spool_importer(spool: Spool) -> Callable[[ProcessStore], None]:
    """Return a function that imports some records of this spool each time it is called with the open store."""

    def import_some(store: ProcessStore) -> None:
        """Import up to 500 records. Raises StoreReadOnlyError if this user cannot read some records; the readable ones are imported."""
        if spool.names():
            _import_records(store)
        if (fault := spool.find_fault()) is not None:
            raise StoreReadOnlyError(f"{fault.text}; {fault.fix}", hint=fault.fix)

    def _import_records(store: ProcessStore) -> None:
        imported = spool.take_in(store.apply, limit=_MAX_RECORDS)
        if imported.runs:
            _LOG.info("%d runs of wrapped commands were imported from the spool", len(imported.runs))
        for path in imported.bad:
            _LOG.error("a record of the spool cannot be read and was moved aside: %s", path)

    return import_some
