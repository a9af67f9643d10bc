"""Changes in the code of the workflows of a worker, with their versions. A claim saves them with each run that starts."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.change_versions import ChangeVersions
from mainspring.engine.definitions.reachable_names import find_versions, has_versions
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.runs import CodeChanges


class WorkerCodeChanges:
    """Reads the code of a registry once, and again after it has grown."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._size = -1
        self._changes: tuple[CodeChanges, ...] = ()

    def list(self) -> tuple[CodeChanges, ...]:
        """Return the changes of each workflow that has some."""
        size = len(self._registry.automations) + len(self._registry.candidates)
        if size != self._size:
            self._size = size
            workflows = [
                (automation, automation.fn)
                for automation in self._registry
                if automation.fn is not None and automation.definition.kind is DefinitionKind.WORKFLOW
            ]
            functions = [fn for _, fn in workflows]
            self._changes = (
                ()
                if not has_versions(functions)
                else tuple(
                    CodeChanges(
                        automation.name, automation.version, msgspec.json.encode(ChangeVersions(initial=dict(versions)))
                    )
                    for automation, fn in workflows
                    if (versions := find_versions(fn))
                )
            )
        return self._changes
