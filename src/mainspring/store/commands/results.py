"""Results of commands. Conflicts are results, not errors."""

import msgspec

from mainspring.domain.flags.flag import Flag
from mainspring.domain.runs.journal import Fact
from mainspring.domain.states import DeliveryState


class CommandDone(msgspec.Struct, frozen=True, tag="done"):
    """The command is done, by this or an earlier sending."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Nothing was changed. `code` is stable; `text` is the reason; `retry_after_ms` if a retry can help."""

    code: str
    text: str = ""
    retry_after_ms: int | None = None


class StartAnswer(msgspec.Struct, frozen=True, tag="started"):
    """The run exists; `created` = this command created it. `by_key` = its key found a run that is not this request's
    child.
    """

    run: str
    created: bool
    state: str = "queued"
    by_key: bool = False


class InboxFacts(msgspec.Struct, frozen=True, tag="arrived"):
    """The contents of a run's inbox, in the order of arrival."""

    facts: tuple[Fact, ...]


class NumberAnswer(msgspec.Struct, frozen=True, tag="numbered"):
    """A number: session id, deployment, fencing token, changed rows."""

    number: int


class LockGranted(msgspec.Struct, frozen=True, tag="granted"):
    """The lock is held: `token` = its fencing token, `slot` = which of its slots, from 1."""

    token: int
    slot: int = 1


class DeliveryStored(msgspec.Struct, frozen=True, tag="taken_in"):
    """The delivery is stored. `first` = by this command; otherwise these are the state and run of the earlier one under
    its key.
    """

    delivery: str
    state: DeliveryState
    run: str | None
    first: bool
    note: str | None = None


class UpdateStored(msgspec.Struct, frozen=True, tag="update"):
    """The update exists, and so does its run. `created` = this command stored it; `created_run` = and started the run."""

    id: str
    run: str
    created: bool
    created_run: bool = False


class QueryStored(msgspec.Struct, frozen=True, tag="query"):
    """The query exists. `run` = the run that it asks."""

    id: str
    run: str


DONE = CommandDone()
CLAIM_LOST = Refused("claim_lost", "another process has this run now")
PAUSE_WITHDRAWN = Refused("not_paused", "the run was resumed before it was paused")


class FlagChanged(msgspec.Struct, frozen=True, tag="flag_changed"):
    """The flag after the change. `before` None = it is new."""

    flag: Flag
    before: Flag | None


class ScheduleChanged(msgspec.Struct, frozen=True, tag="schedule_changed"):
    """The schedule after an operation: its version, its text, and the text `before` (None = it is new).

    `next_slot_at` None = it makes no more slots.
    """

    name: str
    version: int
    text: str
    before: str | None
    next_slot_at: int | None
    is_input_changed: bool = False


class RolloutMoved(msgspec.Struct, frozen=True, tag="rollout_moved"):
    """The rollout after a move; `share` in millionths, `bulk` = the operation that cancels the runs of the new version."""

    rollout: int
    old_version: int
    new_version: int
    step: int
    share: int
    state: str
    bulk: str | None = None


Result = (
    CommandDone
    | Refused
    | StartAnswer
    | NumberAnswer
    | LockGranted
    | DeliveryStored
    | FlagChanged
    | RolloutMoved
    | ScheduleChanged
    | UpdateStored
)
