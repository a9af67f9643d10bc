"""Commands of a Notifier: take channels with what they are to be told, and settle what became of it."""

import msgspec


class TakeAlerts(msgspec.Struct, frozen=True):
    """Take channels that have something due, each with its oldest alerts, for `lease_ms`. Answer: Taken.

    `lease` is the id of this take: the same one sent again gets what it got. `channels` = those that the sender can reach.
    """

    lease: str
    lease_ms: int
    channels: tuple[str, ...]
    most: int = 20


class DueAlert(msgspec.Struct, frozen=True):
    """One thing to be told of an incident: of its `opened`th opening. `ref` = by what the channel finds what it showed of it before."""

    seq: int
    key: str
    incident: str
    opened: int
    about: str
    severity: str
    made_at: int
    ref: str | None


class TakenChannel(msgspec.Struct, frozen=True):
    """A channel that is this Notifier's until its lease ends; `failures` = how often in a row it took nothing."""

    name: str
    failures: int
    alerts: tuple[DueAlert, ...]


class Taken(msgspec.Struct, frozen=True, tag="taken"):
    """The channels that were taken; none = nothing is due, or others have them."""

    channels: tuple[TakenChannel, ...]


class ToldAlert(msgspec.Struct, frozen=True):
    """The channel took it; `ref` = by what it finds it again, if it can."""

    seq: int
    ref: str | None = None


class RefusedAlert(msgspec.Struct, frozen=True):
    """The channel will never take it."""

    seq: int
    fault: str


class SettleAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """Write down what became of the alerts of a take and give the channel back. Answer: Done.

    `away` = why the channel took no more: it is left alone for `retry_after_ms`. What was told was told, whoever has the lease now.
    """

    lease: str
    channel: str
    told: tuple[ToldAlert, ...] = ()
    refused: tuple[RefusedAlert, ...] = ()
    dropped: tuple[int, ...] = ()
    away: str | None = None
    retry_after_ms: int = 0
