"""Hash seed warning for a program that runs workflows with a random hash seed: logged once in a process."""

import logging

from mainspring.domain.processes.hash_seed import HASH_SEED_FIX, has_random_hash_seed
from mainspring.engine.definitions.automation import Workflow
from mainspring.engine.definitions.registry import Registry

_LOG = logging.getLogger("mainspring.worker")
_WARNED_WORKFLOWS: set[str] = set()


def warn_of_random_hash_seed(registry: Registry) -> None:
    """Warn if a workflow of the registry may drift because the next process has another hash seed."""
    if _WARNED_WORKFLOWS or not has_random_hash_seed():
        return
    name = next(
        (automation.name for automation in registry.automations.values() if isinstance(automation, Workflow)), None
    )
    if name is not None:
        _WARNED_WORKFLOWS.add(name)
        _LOG.warning(
            "the hash seed of this process is random: if another process continues a run of %s, sets of text "
            "may have another order there, and the run stops for drift. To fix it, %s",
            name,
            HASH_SEED_FIX,
        )
