"""The spool of a project, with every folder in which its records may be."""

from mainspring.config import Settings
from mainspring.service.spool import Spool


def make_project_spool(settings: Settings) -> Spool:
    """Return the spool. It also reads records that were written while the configuration of this project was invalid."""
    return Spool(
        settings.exec.spool,
        settings.spare_spool,
        unclaimed=settings.unclaimed_spool,
        store_folder=settings.store.folder,
    )
