"""Operations on a flag: change, kill, delete. Each is an audit row with what was stated."""

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConflictError, OptionError, UnknownNameError
from mainspring.domain.flags.flag import Flag, FlagSide
from mainspring.domain.flags.flag_change import FlagChange, check_flag_name, merge
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.service.actor import OperationContext
from mainspring.service.bulk_operation import start_bulk_operation, was_started
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.run_selection import RunSelection
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.flags import ChangeFlag, DeleteFlag
from mainspring.store.commands.results import FlagChanged
from mainspring.store.read.bulk_operations import read_bulk_operation
from mainspring.store.read.flags import count_runs_of_flag, find_flag, list_flags, list_runs_of_flag


def change_flag(
    store: Store, reader: StoreReader, clock: Clock, name: str, change: FlagChange, *, act: OperationContext
) -> FlagChanged:
    """Create a flag, or change the stated fields of one.

    Raises:
        OptionError: a field cannot be used.
    """
    if isinstance(change.expires_at, int) and not clock.now() < change.expires_at <= LATEST_INSTANT:
        raise OptionError(
            f"the day on which flag {name!r} expires is not in the future, or after the year 9998",
            hint="Name a later day, for example 2030-03-01, or a span such as 30d.",
        )
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


def delete_flag(
    store: Store, reads: ServiceReads, reader: StoreReader, name: str, *, act: OperationContext, force: bool = False
) -> None:
    """Delete a flag: code gets its own default from now on. `force` = also while unfinished runs hold answers, which they keep.

    Raises:
        UnknownNameError: there is no such flag.
        ConflictError: unfinished runs hold answers.
    """
    if was_performed(reads, act, "delete", f"flag:{name}"):
        return
    if force:
        require_flag(reader, name)
    else:
        require_no_answers(reader, name)
    perform(store, act, "delete", f"flag:{name}", DeleteFlag(name))


def require_no_answers(reader: StoreReader, name: str) -> None:
    """Raise ConflictError if unfinished runs hold answers of a flag, UnknownNameError if there is none."""
    require_flag(reader, name)
    on, off = (count_runs_of_flag(reader, name, side) for side in (FlagSide.ON, FlagSide.OFF))
    if on or off:
        raise ConflictError(
            f"unfinished runs hold answers of flag {name!r}: {on:,} the side on, {off:,} the side off",
            hint='Wait until they end, or delete it now: -y (API: "force": true). They keep their answers.',
        )


class StoppedRuns(msgspec.Struct, frozen=True):
    """The bulk operation that cancels or pauses runs of a flag; None = there was no run. `left` = runs that did not fit into it."""

    bulk: str | None
    number: int
    left: int = 0


def stop_runs_of_flag(
    store: Store, reads: ServiceReads, reader: StoreReader, name: str, verb: BulkVerb, *, act: OperationContext
) -> StoppedRuns:
    """Start a bulk operation that cancels or pauses the unfinished runs which hold the side on. A repeated command id continues it."""
    if was_started(reads, verb, act=act) and (started := read_bulk_operation(reader, act.command)):
        return StoppedRuns(started.id, started.total)
    runs = list_runs_of_flag(reader, name, FlagSide.ON, MAX_BULK_PARTS)
    if not runs:
        return StoppedRuns(None, 0)
    selection = RunSelection(tuple(row.run for row in runs), tuple(sorted({row.automation for row in runs})))
    start_bulk_operation(store, verb, selection, {"flag": name}, act=act, rate=None)
    left = count_runs_of_flag(reader, name, FlagSide.ON) - len(runs) if len(runs) == MAX_BULK_PARTS else 0
    return StoppedRuns(act.command, len(runs), left)


def require_flag(reader: StoreReader, name: str) -> Flag:
    """Return a flag. Raises UnknownNameError with the nearest name."""
    flag = find_flag(reader, name)
    if flag is None:
        raise UnknownNameError("flag", name, [known.name for known in list_flags(reader)])
    return flag
