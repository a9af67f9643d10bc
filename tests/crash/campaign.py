"""Every kill of one workflow: at each commit that its worker makes, before it and between it and its reply.

Threads and groups make no two lives alike: a commit point has a number, but what is written there may differ. So two things are
asked for. Every number up to the last commit of the shortest life was killed at. And each change that every undisturbed life writes was
struck, before it was written and after, whatever its number: those that no kill at a number met are killed at by name, because on a
loaded machine a late change may have another number in each life.

The short tier strikes at a sample of these places only, and then at a sample of the changes that none of these kills met; where an
experiment is dear, it leaves those out too. The commit chooses the samples (tests/sampling.py). The long tier strikes everywhere.
"""

import itertools
import random
from collections import defaultdict

from tests.crash.experiments import Experiment, Scenario, World
from tests.crash.scenarios import ALL, carry
from tests.sampling import sample, seed

_TRIES = 40
"""So often a kill at a change is tried: not every life needs to write it."""
_ONE_PLACE_IN = 9
_ONE_CHANGE_IN = 5


class Campaign:
    """All kills at `scenario.places`, each after the kills `before`. `kills` holds those that came true, `struck` the changes by place."""

    def __init__(self, world: World, scenario: Scenario, before: tuple[str, ...] = ()) -> None:
        self._world = world
        self._scenario = scenario
        self._before = before
        self.kills: set[str] = set()
        self.struck: dict[str, set[str]] = defaultdict(set)
        self._places = [place for place in scenario.places if place.startswith("commit.")]
        calm = [carry(world, scenario, [*before]) for _ in range(2)]
        self.commits = max(experiment.commits for experiment in calm)
        self.shortest = min(experiment.commits for experiment in calm)
        self.is_thin = not ALL
        self._meets_each_change = ALL or not world.stores.is_dear
        self._dice = random.Random(self.commits)
        self._first_place = random.Random(f"{seed()} {scenario.automation}").randrange(_ONE_PLACE_IN)
        every, again = ({change for group in self._written(experiment) for change in group} for experiment in calm)
        pairs = [(place, change) for place in self._places for change in sorted(every & again)]
        self._always = sample(f"changes of {scenario.automation}", pairs, one_in=_ONE_CHANGE_IN) if pairs else []

    def wage(self) -> None:
        """Kill everywhere."""
        known = [
            point
            for point in itertools.product(self._scenario.places, range(1, self.commits + 1))
            if self._accepts(*point)
        ]
        self._dice.shuffle(known)  # a machine that slows down must not always do so at the end
        for place, number in known:
            self._strike(f"{place}:kill@{number}")
        for place in [] if self.is_thin else self._scenario.places:
            for number in itertools.count(self.commits + 1):
                if not self._strike(f"{place}:kill@{number}"):
                    break
        for place, change in self.unstruck():
            for _ in range(_TRIES):
                if change in self.struck[place]:
                    break
                self._strike(f"{place}:kill {change}")

    def left_out(self) -> list[tuple[str, int]]:
        """Return the commits that every life makes and at which no one was killed."""
        sure = range(1, self.shortest + 1)
        return [
            (place, n)
            for place in self._places
            for n in sure
            if self._accepts(place, n) and f"{place}:kill@{n}" not in self.kills
        ]

    def unstruck(self) -> list[tuple[str, str]]:
        """Return the changes that every life writes, of the sample, and that were not struck."""
        if not self._meets_each_change:
            return []
        return [(place, change) for place, change in self._always if change not in self.struck[place]]

    def _accepts(self, place: str, number: int) -> bool:
        """Tell whether this point is struck at all."""
        # Half a round lies between the two places of one commit.
        turn = _ONE_PLACE_IN // 2 * self._scenario.places.index(place) + number
        return not self.is_thin or turn % _ONE_PLACE_IN == self._first_place

    def _strike(self, kill: str) -> bool:
        """Make one experiment; tell whether its worker came so far."""
        experiment = carry(self._world, self._scenario, [*self._before, kill])
        if experiment.survived:
            self.shortest = min(self.shortest, experiment.commits)
            return False
        self.kills.add(kill)
        self.struck[kill.partition(":")[0]].update(experiment.struck)
        return True

    def _written(self, experiment: Experiment) -> list[list[str]]:
        """Return what each group changed, of the life that follows the kills `before`; nothing if the run ended before one of them."""
        lives = experiment.written[len(self._before) :]
        return lives[0] if lives else []
