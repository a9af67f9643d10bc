"""The origin of a fork: the run and step at which it was forked, and the outcomes that it inherited. Pure."""

from collections.abc import Iterable

import msgspec


class InheritedPart(msgspec.Struct, frozen=True):
    """Inherited outcomes up to `last_rank` that were first saved by `run`, which started at `started_at` (ms)."""

    last_rank: int
    run: str
    started_at: int


class ForkOrigin(msgspec.Struct, frozen=True):
    """`run` = the run that was forked, at its request `step`, "" = from its end. `parts` = the inherited outcomes, by the run that made
    them; a fork of a fork has several.
    """

    run: str
    step: str
    parts: tuple[InheritedPart, ...] = ()

    @property
    def last_rank(self) -> int:
        """The rank of the last inherited outcome; 0 = there is none."""
        return self.parts[-1].last_rank if self.parts else 0

    def find_part(self, delivered_rank: int) -> InheritedPart | None:
        """Return the part that the next outcome belongs to, once the one of this rank is delivered; None = all are delivered."""
        return next((part for part in self.parts if delivered_rank < part.last_rank), None)

    def cut(self, last_rank: int) -> "ForkOrigin":
        """Return the origin without the inherited outcomes after a rank: they no longer count."""
        parts = [InheritedPart(min(part.last_rank, last_rank), part.run, part.started_at) for part in self.parts]
        firsts = [0, *(part.last_rank for part in parts)]
        counted = (part for part, first in zip(parts, firsts, strict=False) if part.last_rank > first)
        return ForkOrigin(self.run, self.step, tuple(counted))

    def write(self) -> bytes:
        """Return the origin as JSON."""
        return msgspec.json.encode(self)


def read_fork_origin(data: bytes | None) -> ForkOrigin | None:
    """Return the origin from JSON; None = the run is no fork."""
    return None if data is None else msgspec.json.decode(data, type=ForkOrigin)


def read_counted_origin(data: bytes | None, ranks: Iterable[int]) -> ForkOrigin | None:
    """Return the origin from JSON as far as it counts; `ranks` = those of the counted outcomes of the fork."""
    origin = read_fork_origin(data)
    if origin is None:
        return None
    return origin.cut(max((rank for rank in ranks if rank <= origin.last_rank), default=0))


class RankRange(msgspec.Struct, frozen=True):
    """Ranks from `first` to `last` of a journal that a fork inherits without a gap; there they are lower by `shift`."""

    first: int
    last: int
    shift: int


def find_rank_ranges(ranks: Iterable[int]) -> list[RankRange]:
    """Return the ranges of ascending ranks, renumbered from 1 without gaps."""
    ranges: list[RankRange] = []
    for number, rank in enumerate(ranks, 1):
        shift = rank - number
        if ranges and ranges[-1].shift == shift:
            ranges[-1] = RankRange(ranges[-1].first, rank, shift)
        else:
            ranges.append(RankRange(rank, rank, shift))
    return ranges


def make_parts(source: ForkOrigin | None, run: str, started_at: int, ranks: Iterable[int]) -> tuple[InheritedPart, ...]:
    """Return the parts of a fork of `run`, which inherits the outcomes of these ascending ranks."""
    parts: list[InheritedPart] = []
    own = InheritedPart(0, run, started_at)
    for number, rank in enumerate(ranks, 1):
        part = (None if source is None else source.find_part(rank - 1)) or own
        if parts and parts[-1].run == part.run:
            parts.pop()
        parts.append(InheritedPart(number, part.run, part.started_at))
    return tuple(parts)
