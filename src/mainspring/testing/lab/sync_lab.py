"""A sync lab, for tests without an event loop: `with Lab(...) as lab:`. Methods do what those of `Lab` and `LabRun` do, and block."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from mainspring.app.application import App
from mainspring.app.blocking import run_blocking
from mainspring.app.run_queries import RunInfo, StepInfo
from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.runs.log_line import LogLine
from mainspring.domain.states import RunState
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.definitions.automation import Automation, Script, Task, Workflow
from mainspring.testing.lab.fakes import Fake
from mainspring.testing.lab.lab_deliveries import SentMessage
from mainspring.testing.lab.lab_runs import LabRun, Span
from mainspring.testing.lab.lab_state import LabSlot
from mainspring.testing.lab.lab_watch import LabMessage

if TYPE_CHECKING:
    from mainspring.testing.crash.crash_everywhere import CrashOptions
    from mainspring.testing.crash.crash_report import CrashReport
    from mainspring.testing.lab.lab import Lab

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class SyncLab:
    """A lab in a plain `with`; each method blocks."""

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab

    @property
    def now(self) -> datetime:
        """The instant of the lab's clock, in UTC."""
        return self._lab.now

    def advance(self, span: Span) -> None:
        """Move the clock. See `Lab.advance`."""
        _block(self._lab.advance(span))

    @overload
    def start(self, automation: Task[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> "SyncRun[T]": ...
    @overload
    def start(
        self, automation: Task[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> "SyncRun[T]": ...
    @overload
    def start(self, automation: Workflow[P, T] | Task[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "SyncRun[T]": ...
    @overload
    def start(self, automation: Script, /) -> "SyncRun[Any]": ...
    @overload
    def start(self, automation: str, /, *args: Any, **kwargs: Any) -> "SyncRun[Any]": ...
    def start(self, automation: Automation | str, /, *args: Any, **kwargs: Any) -> "SyncRun[Any]":
        """Start a run. See `Lab.start`."""
        return SyncRun(_block(self._lab.start(automation, *args, **kwargs)))  # type: ignore[arg-type]  # typed by the overloads

    def publish(self, name: str, data: Any = None, *, key: str | None = None) -> int:
        """Publish an event. See `Lab.publish`."""
        return _block(self._lab.publish(name, data, key=key))

    def deliver(
        self,
        target: Automation | str,
        data: Any = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        file: str | Path | None = None,
    ) -> "SyncRun[Any] | None":
        """Deliver a request, a message or a file. See `Lab.deliver`."""
        run = _block(self._lab.deliver(target, data, body=body, headers=headers, key=key, file=file))
        return None if run is None else SyncRun(run)

    @property
    def sent(self) -> list[SentMessage]:
        """The messages that runs sent to queues of brokers. See `Lab.sent`."""
        return self._lab.sent

    def runs(self, name: str | None = None, *, state: str | None = None) -> list[RunInfo]:
        """Return runs. See `Lab.runs`."""
        return _block(self._lab.runs(name, state=state))

    def slots(
        self, automation: Automation | str | None = None, *, between: tuple[datetime, datetime] | None = None
    ) -> list[LabSlot]:
        """Return the slots that schedules served. See `Lab.slots`."""
        return _block(self._lab.slots(automation, between=between))

    def effects(self, run_id: str | None = None) -> list[EffectRecord]:
        """Return the effects on record. See `Lab.effects`."""
        return _block(self._lab.effects(run_id))

    def set_flag(self, name: str, value: Any) -> None:
        """Give everyone this value of a flag. See `Lab.set_flag`."""
        _block(self._lab.set_flag(name, value))

    def incidents(self, *, unresolved: bool = True) -> list[Incident]:
        """Return the incidents. See `Lab.incidents`."""
        return _block(self._lab.incidents(unresolved=unresolved))

    def messages(self, channel: str | None = None) -> list[LabMessage]:
        """Return what was sent to people. See `Lab.messages`."""
        return _block(self._lab.messages(channel))

    def run(self, run_id: str) -> "SyncRun[Any]":
        """Return a run by its id. See `Lab.run`."""
        return SyncRun(self._lab.run(run_id))

    def fake(
        self,
        step: Callable[..., Any],
        *,
        returns: Any = None,
        raises: Any = None,
        side_effect: Callable[..., Any] | None = None,
    ) -> Fake:
        """Put a fake in the place of a step. See `Lab.fake`."""
        return self._lab.fake(step, returns=returns, raises=raises, side_effect=side_effect)

    def crash_everywhere(
        self, automation: Automation | str, /, *args: Any, options: "CrashOptions | None" = None, **kwargs: Any
    ) -> "CrashReport":
        """Kill a run at each crash point. See `Lab.crash_everywhere`."""
        return _block(self._lab.crash_everywhere(automation, *args, options=options, **kwargs))

    def do(self, call: Callable[[App], Coroutine[Any, Any, T]]) -> T:
        """Call any method of the app of this lab. See `Lab.do`."""
        return _block(self._lab.do(call))


class SyncRun(Generic[T_co]):
    """A run of a SyncLab. `id` = its id."""

    def __init__(self, run: LabRun[T_co]) -> None:
        self._run = run
        self.id = run.id

    def __repr__(self) -> str:
        return repr(self._run)

    def until(self, state: RunState | str, *, within: Span = "30d") -> None:
        """Move the clock until the run has this state. See `LabRun.until`."""
        _block(self._run.until(state, within=within))

    def result(self, *, within: Span = "30d") -> T_co:
        """Move the clock until the run has ended, and return its result. See `LabRun.result`."""
        return _block(self._run.result(within=within))

    def state(self) -> RunState:
        """Return its state. See `LabRun.state`."""
        return _block(self._run.state())

    def steps(self) -> list[StepInfo]:
        """Return its steps. See `LabRun.steps`."""
        return _block(self._run.steps())

    def logs(self) -> list[LogLine]:
        """Return its lines. See `LabRun.logs`."""
        return _block(self._run.logs())

    def signal(self, name: str, value: Any = None) -> None:
        """Send it a message. See `LabRun.signal`."""
        _block(self._run.signal(name, value))

    def update(self, name: str, value: Any = None) -> Any:
        """Send it a request and return the reply. See `LabRun.update`."""
        return _block(self._run.update(name, value))

    def query(self, name: str, value: Any = None) -> Any:
        """Ask its code about its state. See `LabRun.query`."""
        return _block(self._run.query(name, value))

    def answer(self, choice: object, *, question: str | None = None) -> None:
        """Answer its open question. See `LabRun.answer`."""
        _block(self._run.answer(choice, question=question))

    def cancel(self, reason: str | None = None) -> None:
        """Cancel it. See `LabRun.cancel`."""
        _block(self._run.cancel(reason))


def _block(coroutine: Coroutine[Any, Any, T]) -> T:
    return run_blocking(coroutine, "with Lab", "async with Lab(...) as lab, and await its methods")
