"""Handlers of commands: the function that answers each command.

The handlers of the commands in `store/commands/NAME.py` are in `NAME.py` of this folder. A process imports them at the first of these
commands: a wrapped command of a crontab needs few of them, and pays for each import at each start.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from mainspring.store import commands
from mainspring.store.commands.base import StoreCommand
from mainspring.store.transaction import Handler, HandlerTable


class _LazyHandlers(HandlerTable):
    """The handlers by class of command."""

    def __missing__(self, command: type[StoreCommand[object]]) -> Handler:
        """Import the handlers of the module of this command. Raises KeyError if it has none."""
        package, _, name = command.__module__.rpartition(".")
        if package == commands.__name__:
            self._load(name)
        if command not in self:
            raise KeyError(command)
        return self[command]

    def load_all(self) -> None:
        """Import all handlers."""
        for module in iter_modules(__path__):
            self._load(module.name)

    def _load(self, name: str) -> None:
        table: HandlerTable = import_module(f"{__name__}.{name}").HANDLERS
        for command, handler in table.items():
            self.setdefault(command, handler)


HANDLERS: Final = _LazyHandlers()
