"""Downloads of the files of runs: each is an entry of the audit log."""

from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoredFile
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.run_control import RecordFileDownload


def record_download(
    store: Store, run: str, file: StoredFile, offset: int | None, *, act: OperationContext, sealing: Sealing
) -> None:
    """Record that a file of a run is sent to the actor; `offset` = from which byte on, None = all of it.

    Raises:
        StoreError, SealedError: it cannot be recorded.
    """
    detail = {"file": sealing.seal_text(file.name), "sha256": sealing.seal_text(file.sha256), "from": offset}
    perform(store, act, "download", f"run:{run}", RecordFileDownload(), detail)
