"""Old sides of changes: the unfinished runs that take an older version of a change (`run.version`) than the new code has."""

from collections.abc import Iterator, Mapping

from mainspring.app.deploy.report import DeployFinding, DeployFindingKind, OldSide
from mainspring.app.replay.replay_protocol import CodeChange
from mainspring.domain.runs.change_versions import OLD_SIDE
from mainspring.insight.text.formatting import format_count

_MOST_RUNS = 5


class OldSides:
    """Collects the versions that unfinished runs take."""

    def __init__(self, former_names: Mapping[str, str]) -> None:
        self._former_names = former_names
        self._runs: dict[tuple[str, int, str, int], dict[str, None]] = {}

    def add(self, automation: str, version: int, run: str, answers: Mapping[str, int]) -> None:
        """Add the versions that one unfinished run takes, by the id of the change."""
        name = self._former_names.get(automation, automation)
        for change, answer in answers.items():
            self._runs.setdefault((name, version, change, answer), {})[run] = None

    def build(self, changes: list[CodeChange]) -> list[OldSide]:
        """Return those that are older than the version in the code; also all of a change that the code does not ask for."""
        newest = {(change.automation, change.version, change.change): change.newest for change in changes}
        return [
            OldSide(name, version, change, answer, newest.get((name, version, change)), [*runs][:_MOST_RUNS], len(runs))
            for (name, version, change, answer), runs in sorted(self._runs.items())
            if answer < newest.get((name, version, change), answer + 1)
        ]


def list_removed_sides(sides: list[OldSide]) -> Iterator[DeployFinding]:
    """Yield a finding for each old side that runs take, of a change for which the code does not ask any more."""
    for side in sides:
        newest = max(other.chosen for other in sides if _place(other) == _place(side))
        if side.newest is None and (side.chosen == OLD_SIDE or side.chosen < newest):
            yield DeployFinding(
                DeployFindingKind.OLD_SIDE,
                side.automation,
                f"the code does not ask for the change {side.change!r}, and {format_count(side.number, 'unfinished run')} "
                f"{'takes' if side.number == 1 else 'take'} its version {side.chosen}",
                side.version,
                runs=side.runs,
                number=side.number,
                hint="Keep run.version(...) and the code of this version until these runs have ended.",
            )


def _place(side: OldSide) -> tuple[str, int, str]:
    return side.automation, side.version, side.change
