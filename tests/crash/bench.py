"""A store with any number of workers, steered by the test itself."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.crash.clients import Client
from tests.crash.effects import Call
from tests.crash.experiments import World
from tests.crash.lives import Life
from tests.crash.processes import Process
from tests.polling import polls


@dataclass
class Bench:
    """A store with any number of workers on it."""

    world: World
    lives: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.world.fresh()
        self.url = self.world.urls[self.folder.name]
        self.client = Client(self.url, self.world.registry)
        self._mark = self.world.effects.mark()

    def work(self, **options: Any) -> Process:
        """Start a worker."""
        number = len(self.lives) + 1
        life = Life(
            folder=str(self.folder),
            store=self.url,
            experiment=self.folder.name,
            effects=self.world.effects.path,
            number=number,
            **options,
        )
        self.lives.append(self.world.template.start(life))
        return self.lives[-1]

    def effects(self) -> list[Call]:
        """Return what the world was asked for."""
        return self.world.effects.calls(self._mark, self.folder.name)

    def calls(self) -> Counter[str]:
        """Return how often each effect was asked for."""
        return Counter(call.what for call in self.effects())

    def until(self, holds: Callable[[], object], within: float = 60.0) -> None:
        """Look until it holds."""
        if not any(holds() for _ in polls(within, pause_s=0.005)):
            logs = "".join(life.life.log.read_text() for life in self.lives if life.life.log.exists())
            raise AssertionError(f"it does not come to that\n{self.calls()}\n{logs}")

    def close(self) -> None:
        """Leave nothing behind."""
        for life in self.lives:
            life.kill()
        self.client.close()
        self.world.drop(self.folder)
