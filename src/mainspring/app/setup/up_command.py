"""The `mainspring up` command that fits the settings of this process: with -m for code that the settings do not name."""

from functools import cache

from mainspring.config import Settings
from mainspring.domain.definitions.definition import Definition
from mainspring.engine.definitions.module_loader import list_targets
from mainspring.insight.runs.up_command import UpCommand


def make_up_command(settings: Settings, *, store: str | None = None, folder: str = "") -> UpCommand:
    """Return the command. `store` = the store of the command line, `folder` = the folder in which a person would call it."""

    @cache
    def targets() -> tuple[frozenset[str], tuple[str, ...]]:
        found, _ = list_targets(settings.project.automations, settings.folder)
        files = frozenset(str(target.file.resolve()) for target in found if target.file is not None)
        return files, tuple(target.text for target in found if target.file is None)

    def is_loaded(definition: Definition) -> bool:
        files, modules = targets()
        return definition.file in files or any(
            definition.module == module or definition.module.startswith(f"{module}.") for module in modules
        )

    # A URL with a password is not printed.
    is_printable = not settings.store.is_remote or settings.store.location == store
    return UpCommand(store if is_printable else None, is_loaded, folder)
