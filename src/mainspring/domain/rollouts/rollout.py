"""A rollout, its steps, and the version that one key gets. Pure: the same rollout and key give the same version everywhere."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mainspring.domain.flags.flag import hash_key, is_in_share
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.states import ACTIVE_ROLLOUT_STATES, FAILED_ROLLOUT_STATES, RolloutState

PER_RUN = "run"
"""`rollout_by="run"`: each run is assigned by its own id, also if it has a run key."""
NOT_COUNTED = "not_counted"
"""Outcome of a run that says nothing: it was cancelled or deleted, or its key counts already."""
_HASH_DIGITS = 32


class InFlightPolicy(StrEnum):
    """The end of unfinished runs of the new version after an abort or a rollback."""

    FINISH = "finish"
    """They continue in the new version."""
    STOP = "stop"
    """They are cancelled."""
    MOVE = "move"
    """They continue in the old version if its code replays them without a difference; the others continue in the new one."""


class Rollout(msgspec.Struct, frozen=True):
    """A rollout as the store has it. `steps` are shares in millionths, `step` is the position of the one that counts. Instants are ms UTC.

    `hold_ms` = how long each step counts before the next one may follow. `step_at` = when this step began. `age_ms` = a run counts by what
    it is this long after its start. `margin` (millionths) = a difference of this size is worse. `watched` = measurements that the guard
    compares.
    """

    id: int
    automation: str
    old_version: int
    new_version: int
    fingerprint: str
    steps: tuple[int, ...]
    step: int
    hold_ms: int
    in_flight: InFlightPolicy
    age_ms: int
    margin: int
    state: RolloutState
    started_at: int
    step_at: int
    ended_at: int | None = None
    reason: str | None = None
    watched: tuple[WatchedMeasurement, ...] = ()

    @property
    def share(self) -> int:
        """The share of the keys that get the new version, in millionths."""
        return self.steps[self.step]

    @property
    def is_active(self) -> bool:
        """Whether new runs are divided."""
        return self.state in ACTIVE_ROLLOUT_STATES

    def choose_version(self, key_hash: str) -> int:
        """Return the version of a new run with this hash of its key, while the rollout is active."""
        is_new = is_in_share(f"{self.automation}\0{self.new_version}", key_hash, self.share)
        return self.new_version if is_new else self.old_version


def can_take_force(version: int, rollouts: Sequence[Rollout]) -> bool:
    """Return whether a version without rollout=True takes force when it is announced. `rollouts` = those of its automation, newest first.

    It does not if it belongs to a rollout in progress, if it is older than the one that the last finished rollout brought into force, or if
    it failed.
    """
    if rollouts and rollouts[0].is_active and version in (rollouts[0].old_version, rollouts[0].new_version):
        return False
    finished = next((rollout for rollout in rollouts if rollout.state is RolloutState.FINISHED), None)
    if finished is not None and (version < finished.new_version or version == finished.old_version):
        return False
    of_version = next((rollout for rollout in rollouts if rollout.new_version == version), None)
    return of_version is None or of_version.state not in FAILED_ROLLOUT_STATES


def hash_rollout_key(automation: str, key: str) -> str:
    """Return the hash of a key: the first 32 hexadecimal digits of SHA-256 of the automation's name, a NUL byte and the key, in UTF-8."""
    return hash_key(automation, key).hex()[:_HASH_DIGITS]
