"""A worker is stopped (SIGSTOP), declared dead, and wakes while another one continues its run: it writes nothing and ends with code 75.

The takeover is submitted as it is written; what a takeover on the same host does before (it kills the process) is left out, since
that is what cannot be done on another machine. The same experiments are run on a build without fencing, which they must find out.
"""

import signal
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mainspring.domain.states import RunState
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead
from tests.crash.experiments import Experiment, Scenario, World
from tests.crash.lives import Life
from tests.crash.processes import Process
from tests.crash.scenarios import ALL, SCENARIOS, carry
from tests.polling import polls
from tests.sampling import sample

GONE = 75
_TIMEOUT_S = 30.0
_PAUSE = 0.002
_TABLES = ("runs", "journal", "attempts", "checkpoints", "inbox", "waits", "audit_log", "events", "run_keys", "slots")
HAUNTED = (
    "one_task",
    "plain_sequence",
    "gather_with_race",
    "child_with_key",
    "ask_and_answer",
    "at_most_once",
    "retry_after",
    "rollback",
)


@dataclass
class Haunting(Experiment):
    """An experiment with a zombie. `stop_at`: after so many commits, or while the world keeps the answer to an effect of this name."""

    stop_at: int | str = 1
    unfenced: bool = False
    wrote: tuple[str, ...] = ()
    code: int | None = None
    too_late: bool = False
    """The run had ended before the worker could be stopped."""

    def go(self) -> None:
        """Stop, declare dead, continue elsewhere, wake, end."""
        self.begin()
        try:
            zombie = self._start(1, f"{self.folder.name}-1={self.stop_at}" if isinstance(self.stop_at, str) else "")
            self._stop(zombie)
            successor = self._start(2, f"{self.folder.name}-2")
            self._until(lambda: self._successor_is_idle(successor))
            self._until(lambda: self._freeze(successor))
            before = self._dump()
            self._wake(zombie, before)
            after = self._dump()
            successor.send(signal.SIGCONT)
            self.wrote = tuple(name for name in before if before[name] != after[name])
            self.world.effects.release(f"{self.folder.name}-2")
            if not self.unfenced:
                self._until(self._delivered_and_over)
                successor.kill()
                self.check()
                self.scenario.verify(self)
        except BaseException as error:
            error.add_note(self._describe())
            raise
        finally:
            self.end()

    def _start(self, number: int, hold: str) -> Process:
        process = self.world.template.start(
            Life(
                folder=str(self.folder),
                store=self.url,
                experiment=self.folder.name,
                effects=self.world.effects.path,
                number=number,
                hold=hold,
                unfenced=self.unfenced,
                beat_fast=True,
            )
        )
        self.lives.append(process)
        return process

    def _stop(self, zombie: Process) -> None:
        """Stop the worker at its place and declare it dead."""
        self._until(lambda: self._delivered_and_over() or self._is_there(zombie))
        self.too_late = self.over()
        zombie.send(signal.SIGSTOP)
        assert zombie.stopped()
        ((session,),) = self.client.rows("select id from sessions where pid = ? and role = 'worker'", zombie.pid)
        if not self._commits(DeclareSessionDead(session), 0.1):
            # It was stopped in the middle of a commit, with the lock in its hand: it is declared dead as soon as it releases.
            zombie.send(signal.SIGCONT)
            self._until(lambda: self.client.rows("select 1 from sessions where id = ? and state = 'dead'", session))
            self._until(lambda: zombie.ended(0) or self._freeze(zombie))
        if isinstance(self.stop_at, str):  # only now: until here it waited for this effect
            self.world.effects.release(f"{self.folder.name}-1")

    def _freeze(self, process: Process) -> bool:
        """Stop a process; False, and it continues, if it has the lock of the store in its hand."""
        process.send(signal.SIGSTOP)
        if not process.stopped():
            return False  # it has just ended
        if self._commits(CloseSession(), 0.05):
            return True
        process.send(signal.SIGCONT)
        return False

    def _is_there(self, zombie: Process) -> bool:
        if isinstance(self.stop_at, int):
            return zombie.passed() >= self.stop_at
        return any(call.what == self.stop_at for call in self.calls())

    def _commits(self, command: Any, within: float) -> bool:
        """Submit a command and tell whether it was committed within so many seconds."""
        answers: list[Any] = []
        self.client.store.submit(command, answers.append)
        return any(answers for _ in polls(within, pause_s=_PAUSE))

    def _successor_is_idle(self, successor: Process) -> bool:
        """Tell whether the second worker has the run and can do nothing more with it for now."""
        assert not successor.ended(0), successor.life.log.read_text()
        view = self.client.view(self.run)
        waits = view.state is RunState.WAITING and not view.ready and successor.passed() >= 3
        return self.over() or waits or any(call.life == 2 for call in self.calls())

    def _wake(self, zombie: Process, before: dict[str, Any]) -> None:
        """Let the zombie continue until it ends, or, unfenced, until it has changed the journal."""
        if not zombie.ended(0):
            zombie.send(signal.SIGCONT)
        if self.unfenced:
            self._until(lambda: zombie.ended(0) or self._dump()["journal"] != before["journal"])
        if zombie.ended(0 if self.unfenced else _TIMEOUT_S):
            self.code = zombie.code
        else:
            assert self.unfenced, f"it woke and does not end: {zombie.describe()}"
            zombie.kill()

    def _delivered_and_over(self) -> bool:
        if not self._delivered:
            self._delivered = self.scenario.deliver(self)
        return self.over()

    def _until(self, holds: Any) -> None:
        assert any(holds() for _ in polls(_TIMEOUT_S, pause_s=_PAUSE)), "this experiment hangs"

    def _dump(self) -> dict[str, Any]:
        dumped: dict[str, Any] = {name: self.client.rows(f"select * from {name}") for name in _TABLES}
        return dumped


def haunt(world: World, scenario: Scenario, stop_at: int | str, *, unfenced: bool = False) -> Haunting:
    """Make one experiment with a zombie."""
    haunting = Haunting(world, scenario, [], stop_at=stop_at, unfenced=unfenced)
    haunting.go()
    return haunting


def phases(world: World, scenario: Scenario) -> list[int | str]:
    """Return the places at which a worker is stopped: while each effect is under way, and after a sample of its commits."""
    undisturbed = carry(world, scenario, [])
    whats = dict.fromkeys(call.what for call in undisturbed.seen)
    if ALL:
        return [*whats, *range(1, undisturbed.commits + 1)]
    commits = range(1, undisturbed.commits)  # the last one ends the run: a worker that is stopped there may be too late
    return [*whats, *sample(f"zombies of {scenario.automation}", commits, one_in=3)]


@pytest.mark.slow
@pytest.mark.parametrize("automation", HAUNTED)
def test_zombie_writes_nothing(world: World, automation: str) -> None:
    """Wherever it is stopped, a worker that was declared dead ends with 75 when it wakes, and changes nothing."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.automation == automation)
    haunted = late = 0
    for phase in phases(world, scenario):
        haunting = haunt(world, scenario, phase)
        assert haunting.code == GONE, (phase, haunting.code)
        assert haunting.wrote == (), (phase, haunting.wrote)
        haunted += 1
        late += haunting.too_late
    print(f"{automation}: {haunted} zombies, {late} of them after the end of the run")
    assert haunted - late >= (2 if automation == "one_task" else 4 if ALL else 3)


@pytest.mark.parametrize(
    ("automation", "whats"), [("plain_sequence", ("first", "first second")), ("one_task", ("alone",))]
)
def test_unfenced_build_is_found_out(world: World, automation: str, whats: tuple[str, ...]) -> None:
    """Without the proof of ownership the same experiments find a zombie that continues writing: they can fail."""
    scenario = replace(next(s for s in SCENARIOS if s.automation == automation), minimum=0)
    hauntings = [haunt(world, scenario, case, unfenced=True) for case in whats]
    assert all("journal" in haunting.wrote for haunting in hauntings)
    assert all(haunting.code != GONE for haunting in hauntings)
