"""Moves of rollouts: when each of them started, got another share and ended. They are read from the audit log.

A deployment that supersedes a rollout is no operation on record, so this end is read from the rollout itself.
"""

import msgspec

from mainspring.domain.flags.flag_text import to_percent
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.states import RolloutState
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Result, RolloutMoved
from mainspring.store.read import rollouts
from mainspring.store.views import AuditView

_RESULT = msgspec.json.Decoder[Result](Result)
_VERB = "rollout "


class RolloutMoveEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A move. `verb` = start, pause, resume, advance, finish, abort, "roll back" or supersede; `step` counts from 1.

    `percent` and `state` = those of the rollout after the move.
    """

    at: int
    rollout: int
    new_version: int
    verb: str
    step: int
    percent: float
    state: str
    actor: str | None = None
    reason: str | None = None

    @property
    def is_step_start(self) -> bool:
        """Whether a step starts with it."""
        return self.verb in ("start", "advance")

    @property
    def text(self) -> str:
        """The move in a few words: "rollout of version 2: 5 % of the keys"."""
        ended = "running" if self.verb == "resume" else self.state.replace("_", " ")
        change = f"{self.percent:g} % of the keys" if self.is_step_start else ended
        return f"rollout of version {self.new_version}: {change}"


def list_rollout_moves(
    reader: StoreReader, automation: str, since_at: int, until_at: int | None = None
) -> list[RolloutMoveEntry]:
    """Return the moves of an automation's rollouts, oldest first, from an instant on and before another one (ms UTC)."""
    recent = [
        rollout
        for rollout in rollouts.list_rollouts(reader, automation)
        if rollout.ended_at is None or rollout.ended_at >= since_at
    ]
    if not recent:
        return []
    recorded = [
        entry
        for row in rollouts.list_rollout_operations(reader, automation, since_at, until_at)
        if (entry := _make_entry(row)) is not None
    ]
    known_ends = {(entry.rollout, entry.state) for entry in recorded}
    ends = [
        _make_end(rollout, rollout.ended_at)
        for rollout in recent
        if rollout.ended_at is not None
        and (until_at is None or rollout.ended_at < until_at)
        and (rollout.id, rollout.state) not in known_ends
    ]
    return sorted([*recorded, *ends], key=lambda entry: entry.at)


def _make_entry(row: AuditView) -> RolloutMoveEntry | None:
    """Return the move of an operation; None = it was refused."""
    answer = _RESULT.decode(row.result)
    if not isinstance(answer, RolloutMoved):
        return None
    return RolloutMoveEntry(
        at=row.at,
        rollout=answer.rollout,
        new_version=answer.new_version,
        verb=row.verb.removeprefix(_VERB),
        step=answer.step + 1,
        percent=to_percent(answer.share),
        state=answer.state,
        actor=row.actor,
        reason=row.reason,
    )


def _make_end(rollout: Rollout, ended_at: int) -> RolloutMoveEntry:
    return RolloutMoveEntry(
        at=ended_at,
        rollout=rollout.id,
        new_version=rollout.new_version,
        verb="supersede" if rollout.state is RolloutState.SUPERSEDED else rollout.state.replace("_", " "),
        step=rollout.step + 1,
        percent=to_percent(rollout.share),
        state=rollout.state,
        reason=rollout.reason,
    )
