"""The `up` command that starts a worker with the code, and on the store, that a run needs. Pure."""

import shlex
from collections.abc import Callable
from pathlib import PurePath

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import MainspringError
from mainspring.insight.text.formatting import escape_line
from mainspring.store.views import AutomationView


class UpCommand(msgspec.Struct, frozen=True):
    """The call of `mainspring up` that is needed here.

    `store` = the store that the command line named; None = the configured one. `is_loaded` = whether `up` loads the code of a definition
    without -m. A file below `folder` is named from there.
    """

    store: str | None = None
    is_loaded: Callable[[Definition], bool] = lambda _: True
    folder: str = ""

    def start(self, automation: AutomationView | None) -> str:
        """Return the command that starts a worker which loads this automation."""
        return self.start_with(_read_definition(automation))

    def start_with(self, definition: Definition | None) -> str:
        """Return the command that starts a worker which loads this definition."""
        return f"{self._mainspring} up{self._module(definition)}"

    def restart(self, automation: AutomationView | None) -> str:
        """Return the commands that stop the workers and start them with this automation: a second `up` on one store is refused."""
        return f"{self._mainspring} down; {self.start(automation)}"

    @property
    def _mainspring(self) -> str:
        return "mainspring" if self.store is None else f"mainspring --store {shlex.quote(self.store)}"

    def _module(self, definition: Definition | None) -> str:
        if (
            definition is None
            or definition.kind is DefinitionKind.EXEC
            or not definition.file
            or self.is_loaded(definition)
        ):
            return ""
        file = PurePath(definition.file)
        path_text = str(file.relative_to(self.folder) if self.folder and file.is_relative_to(self.folder) else file)
        return f" -m {shlex.quote(path_text)}" if escape_line(path_text) == path_text else ""


def _read_definition(automation: AutomationView | None) -> Definition | None:
    if automation is None or not automation.definition:
        return None
    try:
        return Definition.from_data(msgspec.json.decode(automation.definition))
    except (msgspec.MsgspecError, MainspringError, TypeError):  # of a later version, or of a test
        return None


PLAIN_UP = UpCommand()
"""For a configuration that names all code and the store."""
