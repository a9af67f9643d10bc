"""Reads of rollouts and of the versions of automations."""

import msgspec

from mainspring.domain.rollouts.guard_state import GuardState
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.store.base import StoreReader
from mainspring.store.schema.rollouts.automation_versions import AUTOMATION_VERSION, AutomationVersion
from mainspring.store.schema.rollouts.rollout_runs import COUNTED_RUN, CountedRun
from mainspring.store.schema.rollouts.rollout_steps import PAST_STEP, PastStep
from mainspring.store.schema.rollouts.rollouts import ROLLOUT
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.texts import FOR_EVER
from mainspring.store.views import AuditView


def list_versions(reader: StoreReader, automation: str) -> list[AutomationVersion]:
    """Return the versions of an automation that were announced, lowest first."""
    return AUTOMATION_VERSION.read_all(reader.read("list_automation_versions", (automation,)))


def find_rollout(reader: StoreReader, id: int) -> Rollout | None:
    """Return a rollout; None = there is none of this id."""
    return ROLLOUT.read_first(reader.read("find_rollout", (id,)))


def find_last_rollout(reader: StoreReader, automation: str) -> Rollout | None:
    """Return the last rollout of an automation; None = it never had one."""
    return ROLLOUT.read_first(reader.read("find_last_rollout", (automation,)))


def list_rollouts(
    reader: StoreReader, automation: str | None = None, *, active: bool = False, limit: int = 100
) -> list[Rollout]:
    """Return rollouts, newest first: of one automation or of all, `active` = only those that divide new runs."""
    return ROLLOUT.read_all(reader.read("list_rollouts", (automation, int(active), limit)))


def list_last_rollouts(reader: StoreReader) -> list[Rollout]:
    """Return the last rollout of each automation that had one, by automation."""
    return ROLLOUT.read_all(reader.read("list_last_rollouts"))


def list_rollouts_to_undo(reader: StoreReader) -> list[Rollout]:
    """Return the rollouts that were aborted or rolled back and move their unfinished runs back, while their old version is in force."""
    return ROLLOUT.read_all(reader.read("list_rollouts_to_undo", (InFlightPolicy.MOVE,)))


def list_idle_runs(reader: StoreReader, automation: str, version: int, limit: int) -> list[str]:
    """Return the unfinished runs of a version that no session owns, oldest first."""
    return first_values(reader.read("list_idle_runs_of_version", (automation, version, limit)), str)


def list_last_durations(reader: StoreReader, automation: str, version: int, limit: int) -> list[int]:
    """Return the durations (ms) of the last runs of a version that succeeded, newest first."""
    return first_values(reader.read("list_last_durations", (automation, version, limit)), int)


def count_unfinished_runs(reader: StoreReader, automation: str, version: int) -> int:
    """Return how many runs of a version have not ended."""
    return first_value(reader.read("count_unfinished_runs_of_version", (automation, version)), int) or 0


def count_moved_runs(reader: StoreReader, rollout: int) -> int:
    """Return how many runs that a rollout assigned have another version now."""
    return first_value(reader.read("count_moved_runs", (rollout,)), int) or 0


def read_version_in_force(reader: StoreReader, automation: str) -> int | None:
    """Return the version in force; None = there is none."""
    return first_value(reader.read("read_version_in_force", (automation,)), int)


def has_live_version(reader: StoreReader, automation: str, version: int) -> bool:
    """Return whether a session that claims runs has a version."""
    return bool(reader.read("has_live_version", (automation, version)))


def list_counted_runs(reader: StoreReader, rollout: int, step: int, after: int, limit: int) -> list[CountedRun]:
    """Return the runs of a step that count, in their order, after a place."""
    return COUNTED_RUN.read_all(reader.read("list_counted_runs", (rollout, step, after, limit)))


def list_counted_runs_of_version(reader: StoreReader, rollout: Rollout, version: int, limit: int) -> list[CountedRun]:
    """Return the first runs of a version that count in the step of a rollout."""
    values = (rollout.id, rollout.step, version, limit)
    return COUNTED_RUN.read_all(reader.read("list_counted_runs_of_version", values))


def read_guard_state(reader: StoreReader, rollout: int) -> GuardState:
    """Return the recorded state of a rollout's guard in its step."""
    text = first_value(reader.read("read_evidence", (rollout,)), str)
    return GuardState() if text is None else msgspec.json.decode(text, type=GuardState)


def list_past_steps(reader: StoreReader, rollout: int) -> list[PastStep]:
    """Return the steps of a rollout that another one followed, first to last, each with its last evidence."""
    return PAST_STEP.read_all(reader.read("list_past_steps", (rollout,)))


def list_rollout_operations(
    reader: StoreReader, automation: str, since_at: int, until_at: int | None = None
) -> list[AuditView]:
    """Return the operations on an automation's rollouts, oldest first, from an instant on and before another one (ms UTC)."""
    values = (f"automation:{automation}", since_at, FOR_EVER if until_at is None else until_at)
    return [AuditView(*row) for row in reader.read("list_rollout_operations", values)]


class RolloutCount(msgspec.Struct, frozen=True):
    """How many runs a step assigned to a version, with one outcome; None = they do not count yet."""

    step: int
    version: int
    outcome: str | None
    number: int


def count_rollout_runs(reader: StoreReader, rollout: int) -> list[RolloutCount]:
    """Return the numbers of the runs that a rollout assigned."""
    return [RolloutCount(*row) for row in reader.read("count_rollout_runs", (rollout,))]
