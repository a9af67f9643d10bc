"""Commands on the limits of targets that actions call."""

from mainspring.domain.effects.target_limits import TargetLimits, TargetRefused, TargetTurn
from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import CommandDone, Refused


class EnterTarget(BookkeepingCommand[TargetTurn | TargetRefused], frozen=True, tag="enter"):
    """Ask whether a request may be sent to a target. Answer: TargetTurn, TargetRefused.

    `request` names it among all requests. `longest_wait_ms` = how long it can wait for its turn. `probe_ms` = after this time, a probe
    without an end counts no more. `owner` = the same for each attempt of a step: an instant is reserved for it.
    """

    target: str
    limits: TargetLimits
    request: str
    longest_wait_ms: int
    probe_ms: int
    owner: str | None = None


class LeaveTarget(BookkeepingCommand[CommandDone], frozen=True, tag="leave"):
    """Record how a request ended: `is_ok` = the target works; `retry_after_ms` = what it wants. Answer: CommandDone."""

    target: str
    limits: TargetLimits
    request: str
    is_ok: bool
    retry_after_ms: int = 0


class ResetTarget(BookkeepingCommand[CommandDone | Refused], frozen=True):
    """Close the breaker of a target and forget its requests. Answer: CommandDone, Refused not_found."""

    target: str
