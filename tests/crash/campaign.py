"""Every kill of one workflow: at each commit that its worker makes, before it and between it and its reply.

Threads and groups make no two lives alike: a commit point has a number, but what is written there may differ. So two things are
asked for. Every number up to the last commit of the shortest life was killed at. And each change that every undisturbed life writes was
struck, before it was written and after, whatever its number.

The short tier strikes at every third of these places only (before the first commit, after the third, ...), and then at the changes that
none of these kills met; where an experiment is dear, it leaves those out too. The long tier strikes everywhere.
"""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator

from tests.crash.experiments import Experiment, Scenario, World
from tests.crash.scenarios import ALL, carry

_TRIES = 40
"""So often a change is looked for that is not written at the same number in each life."""


class Campaign:
    """All kills at `scenario.places`, each after the kills `before`. `killed` holds the numbers, `struck` the changes, by place."""

    def __init__(self, world: World, scenario: Scenario, before: tuple[str, ...] = ()) -> None:
        self._world = world
        self._scenario = scenario
        self._before = before
        self.killed: dict[str, set[int]] = {place: set() for place in scenario.places}
        self.struck: dict[str, set[str]] = defaultdict(set)
        self._places = [place for place in scenario.places if place.startswith("commit.")]
        calm = [carry(world, scenario, [*before]) for _ in range(2)]
        self.commits = max(experiment.commits for experiment in calm)
        self.shortest = min(experiment.commits for experiment in calm)
        self.is_thin = not ALL
        self._meets_each_change = ALL or not world.stores.is_dear
        self._dice = random.Random(self.commits)
        self._numbers: dict[str, list[int]] = defaultdict(list)
        for experiment in calm:
            self._learn(experiment)
        every, again = ({change for group in self._written(experiment) for change in group} for experiment in calm)
        self._always = every & again

    @property
    def count(self) -> int:
        """How many kills there were."""
        return sum(map(len, self.killed.values()))

    def wage(self) -> None:
        """Kill everywhere."""
        known = [
            point
            for point in itertools.product(self._scenario.places, range(1, self.commits + 1))
            if self._accepts(*point)
        ]
        self._dice.shuffle(known)  # a machine that slows down must not always do so at the end
        for place, number in known:
            self._strike(place, number)
        for place in [] if self.is_thin else self._scenario.places:
            for number in itertools.count(self.commits + 1):
                if not self._strike(place, number):
                    break
        for place, change in self.unstruck():
            for _ in range(_TRIES):
                if change in self.struck[place]:
                    break
                self._strike(place, self._dice.choice(self._numbers[change]))

    def left_out(self) -> list[tuple[str, int]]:
        """Return the commits that every life makes and at which no one was killed."""
        sure = range(1, self.shortest + 1)
        return [
            (place, n)
            for place in self._places
            for n in sure
            if self._accepts(place, n) and n not in self.killed[place]
        ]

    def unstruck(self) -> list[tuple[str, str]]:
        """Return the changes that every life writes and that were not struck."""
        if not self._meets_each_change:
            return []
        return [(place, change) for place in self._places for change in sorted(self._always - self.struck[place])]

    def _accepts(self, place: str, number: int) -> bool:
        """Tell whether this point is struck at all."""
        return not self.is_thin or (self._scenario.places.index(place) + number) % 3 == 1

    def _strike(self, place: str, number: int) -> bool:
        """Make one experiment; tell whether its worker came so far."""
        experiment = carry(self._world, self._scenario, [*self._before, f"{place}:kill@{number}"])
        self._learn(experiment)
        if experiment.survived:
            self.shortest = min(self.shortest, experiment.commits)
            return False
        self.killed[place].add(number)
        self.struck[place].update(experiment.struck)
        return True

    def _written(self, experiment: Experiment) -> list[list[str]]:
        """Return what each group changed, of the life that follows the kills `before`; nothing if the run ended before one of them."""
        lives = experiment.written[len(self._before) :]
        return lives[0] if lives else []

    def _learn(self, experiment: Experiment) -> None:
        """Note at which number each change was written: what is seen most often is tried most often."""
        for number, group in enumerate(self._written(experiment), 1):
            for change in group:
                self._numbers[change].append(number)

    def points(self) -> Iterator[str]:
        """Yield the orders of all kills that came true."""
        for place, numbers in self.killed.items():
            yield from (f"{place}:kill@{number}" for number in sorted(numbers))
