"""Operations on a flag: change, kill, delete. Each is an audit row with what was stated."""

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import UnknownNameError
from mainspring.domain.flags.flag import Flag
from mainspring.domain.flags.flag_change import FlagChange, check_flag_name, merge
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.flags import ChangeFlag, DeleteFlag
from mainspring.store.commands.results import FlagChanged
from mainspring.store.read.flags import find_flag, list_flags


def change_flag(
    store: Store, reader: StoreReader, clock: Clock, name: str, change: FlagChange, *, act: OperationContext
) -> FlagChanged:
    """Create a flag, or change the stated fields of one.

    Raises:
        OptionError: a field cannot be used.
    """
    merge(check_flag_name(name), find_flag(reader, name), change, clock.now())
    detail = msgspec.to_builtins(change)
    return perform(store, act, "set", f"flag:{name}", ChangeFlag(name, change), detail)


def kill_flag(store: Store, reader: StoreReader, name: str, *, act: OperationContext) -> FlagChanged:
    """Give each key the side `off` from now on. Answers that runs hold stay.

    Raises:
        UnknownNameError: there is no such flag.
    """
    require_flag(reader, name)
    change = ChangeFlag(name, FlagChange(is_killed=True), must_exist=True)
    return perform(store, act, "kill", f"flag:{name}", change)


def delete_flag(store: Store, reader: StoreReader, name: str, *, act: OperationContext) -> None:
    """Delete a flag: code gets its own default from now on.

    Raises:
        UnknownNameError: there is no such flag.
    """
    require_flag(reader, name)
    perform(store, act, "delete", f"flag:{name}", DeleteFlag(name))


def require_flag(reader: StoreReader, name: str) -> Flag:
    """Return a flag. Raises UnknownNameError with the nearest name."""
    flag = find_flag(reader, name)
    if flag is None:
        raise UnknownNameError("flag", name, [known.name for known in list_flags(reader)])
    return flag
