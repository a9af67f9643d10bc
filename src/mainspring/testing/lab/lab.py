"""`Lab`: a store, a worker, a scheduler and the triggers inside of one test, on a clock that only the test moves.

    async with Lab("automations/orders.py") as lab:
        run = await lab.start(order, 7)
        await lab.advance("3d")
        assert await run.result() == "paid"

Nothing sleeps in real time: `advance`, `until` and `result` move the clock, and all that is due on the way happens at its instant.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from mainspring.app.application import App
from mainspring.app.project import Project
from mainspring.app.run_queries import RunInfo
from mainspring.config import Settings
from mainspring.config.settings import NotifySettings
from mainspring.domain.effects.effect import EffectRecord
from mainspring.domain.errors import ConfigError, OptionError
from mainspring.domain.incidents.incident import Incident
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.definitions.automation import Automation, Script, Task, Workflow
from mainspring.engine.definitions.registry import Registry, current_registry
from mainspring.testing.crash.crash_everywhere import CrashOptions, crash_everywhere
from mainspring.testing.crash.crash_report import CrashReport
from mainspring.testing.lab.fakes import Fake, find_step_function, make_fake
from mainspring.testing.lab.lab_deliveries import Delivery, SentMessage
from mainspring.testing.lab.lab_runs import LabRun, Span, read_span
from mainspring.testing.lab.lab_state import LabSlot, read_effects, read_slots, set_flag
from mainspring.testing.lab.lab_thread import LabClock, LabThread
from mainspring.testing.lab.lab_watch import LabMessage
from mainspring.testing.lab.sync_lab import SyncLab

P = ParamSpec("P")
T = TypeVar("T")
_ISOLATIONS = ("threads", "real")
_DEFAULT_SETTINGS = Settings(notify=NotifySettings(channels={"people": "terminal"}, group_wait=timedelta()))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""The first instant of a lab."""


class Lab:
    """`files` = the files or modules with the automations; none = all that this process has declared.

    `registry` = the automations, in place of files. `at` = the first instant (aware). `seed` = of random numbers, such as those of
    pauses between retries. `secrets` = the secrets by name: a lab reads no others. `config` = the configuration file whose monitors,
    channels and routes the lab uses; nothing is sent. Without one, every message goes to the channel "people" at once. `isolation` =
    "threads" runs steps of child processes in threads; "real" runs them in child processes, where fakes do not reach. `folder` = where the
    lab keeps its store, and continues with the store that is there; None = a temporary folder.

    Raises:
        ConfigError: a file cannot be loaded.
        OptionError: there is no such isolation, or `at` is no aware instant.
    """

    def __init__(
        self,
        *files: str | Path,
        registry: Registry | None = None,
        at: datetime = BEGIN,
        seed: int = 0,
        secrets: Mapping[str, str] | None = None,
        config: str | Path | None = None,
        isolation: str = "threads",
        folder: str | Path | None = None,
    ) -> None:
        if isolation not in _ISOLATIONS:
            raise OptionError(f"Lab(isolation={isolation!r})", hint=f"Write one of {', '.join(_ISOLATIONS)}.")
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise OptionError(f"Lab(at={at!r}) is no instant", hint="Write datetime(2026, 1, 1, tzinfo=UTC).")
        if registry is None:
            registry = _load(files) if files else current_registry()
        self._clock = LabClock(at, seed=seed)
        self._crash_settings: dict[str, Any] = {
            "files": tuple(map(str, files)),
            "at": at.timestamp(),
            "seed": seed,
            "secrets": secrets,
            "config": None if config is None else str(Path(config).resolve()),
        }
        settings = _DEFAULT_SETTINGS if config is None else Project.find(flags={}, config=Path(config)).settings
        place = None if folder is None else Path(folder)
        self._thread = LabThread(
            registry, self._clock, secrets or {}, settings, threads_only=isolation != "real", folder=place
        )

    def __enter__(self) -> SyncLab:
        self._thread.open().result()
        return SyncLab(self)

    def __exit__(self, *_error: object) -> None:
        self._thread.close()

    async def __aenter__(self) -> Self:
        await asyncio.wrap_future(self._thread.open())
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.to_thread(self._thread.close)

    @property
    def now(self) -> datetime:
        """The instant of the lab's clock, in UTC."""
        return datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC)

    async def advance(self, span: Span) -> None:
        """Move the clock by a span such as "3d". All that is due until then happens at its instant, and then the lab is idle.

        Raises:
            LabError: something runs in real time, and does not end.
            OptionError: it is no span, or none above 0.
        """
        await asyncio.wrap_future(self._thread.move(read_span(span, "advance")))

    @overload
    async def start(
        self, automation: Task[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> LabRun[T]: ...
    @overload
    async def start(
        self, automation: Task[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> LabRun[T]: ...
    @overload
    async def start(
        self, automation: Workflow[P, T] | Task[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> LabRun[T]: ...
    @overload
    async def start(self, automation: Script, /) -> LabRun[Any]: ...
    @overload
    async def start(self, automation: str, /, *args: Any, **kwargs: Any) -> LabRun[Any]: ...
    async def start(self, automation: Automation | str, /, *args: Any, **kwargs: Any) -> LabRun[Any]:
        """Start a run, and return when it has done all that it can do at this instant. Raises as `App.start`."""
        handle = await self._act(lambda app: app.start(automation, *args, **kwargs))  # type: ignore[arg-type]  # typed by the overloads
        return LabRun(self._thread, handle)

    async def publish(self, name: str, data: Any = None, *, key: str | None = None) -> int:
        """Publish an event; return how many waiting runs it woke. Raises as `App.publish`."""
        return await self._act(lambda app: app.publish(name, data, key=key))

    async def deliver(
        self,
        target: Automation | str,
        data: Any = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        file: str | Path | None = None,
    ) -> LabRun[Any] | None:
        """Deliver a request to a webhook, a message to a queue, or a file to a folder; no signature is checked.

        `target` = the automation, the name of its trigger, or the path of its webhook. `data` = a value for JSON; or `body` = the
        bytes. `key` = that of the delivery, else the trigger makes it. Returns the run that it started; None: it waits for others, or
        the filter runs first.

        Raises:
            LabError: there is no such trigger, or it rejects this: the message has the reason.
            OptionError: this is no delivery for such a trigger.
        """
        name = target if isinstance(target, str) else target.name
        delivery = Delivery(data, body, headers, key, None if file is None else Path(file))
        run_id = await self._act(lambda _: self._thread.app.deliveries.deliver(name, delivery))
        return None if run_id is None else self.run(run_id)

    @property
    def sent(self) -> list[SentMessage]:
        """The messages that runs sent to queues of brokers, oldest first."""
        return self._thread.app.deliveries.sent

    async def runs(self, name: str | None = None, *, state: str | None = None) -> list[RunInfo]:
        """Return the runs of an automation, or of all, newest first; at most 10,000."""
        return await self.do(lambda app: app.runs.list(limit=10_000, name=name, state=state))

    async def slots(
        self, automation: Automation | str | None = None, *, between: tuple[datetime, datetime] | None = None
    ) -> list[LabSlot]:
        """Return the slots that schedules served, oldest first: from the first instant of `between` until before the second (aware)."""
        name = automation if automation is None or isinstance(automation, str) else automation.name
        return await self._read(lambda app: read_slots(app, name, between))

    async def effects(self, run_id: str | None = None) -> list[EffectRecord]:
        """Return the effects on record (`ms.once` and actions), of one run or of all, those that changed last first.

        Each has `key`, `state` such as "done", and `run`, the id of the run.
        """
        return await self._read(lambda app: read_effects(app, run_id))

    async def set_flag(self, name: str, value: Any) -> None:
        """Give everyone this value of a flag: True, False, a text, a number, or a value for JSON. A flag that is not set is off.

        Raises:
            OptionError: the flag has a value of another kind.
        """
        await self._act(lambda app: asyncio.to_thread(set_flag, app, name, value))

    async def incidents(self, *, unresolved: bool = True) -> list[Incident]:
        """Return the incidents, the newest change first, after the monitors were evaluated; with `unresolved=False` also the resolved.

        Each has `subject.automation`, `subject.kind` such as "silence", `state`, `severity` and `text`.
        """

        async def read(_app: App) -> list[Incident]:
            await self._thread.watch.evaluate()
            return self._thread.watch.read_incidents(unresolved=unresolved)

        return await self.do(read)

    async def messages(self, channel: str | None = None) -> list[LabMessage]:
        """Return what was sent to people until now, oldest first: of one channel, or of all."""

        async def read(_app: App) -> list[LabMessage]:
            await self._thread.watch.evaluate()
            return [message for message in self._thread.watch.messages if channel in (None, message.channel)]

        return await self.do(read)

    def run(self, run_id: str) -> LabRun[Any]:
        """Return a run by its id, such as that of a schedule."""
        return LabRun(self._thread, self._thread.app.handle(run_id))

    def fake(
        self,
        step: Callable[..., Any],
        *,
        returns: Any = None,
        raises: Any = None,
        side_effect: Callable[..., Any] | None = None,
    ) -> Fake:
        """Put a fake in the place of a step, in all runs of this lab, and return it: `fake.calls` has the calls.

        `returns` = its result. `raises` = an error, or the errors of its calls one after the other, None = none; the last one stays.
        `side_effect` = a function that is called in its place.

        Raises:
            OptionError: this cannot be done in one call.
        """
        fake, replacement = make_fake(step, returns, raises, side_effect)
        self._thread.hooks.replacements[find_step_function(step)] = replacement
        return fake

    async def crash_everywhere(
        self,
        automation: Automation | str,
        /,
        *args: Any,
        options: CrashOptions | None = None,
        **kwargs: Any,
    ) -> CrashReport:
        """Run an automation, kill its process at each crash point, let another process continue, and compare the ends.

        Each life has a store and a working folder of its own; those of this lab are not used. `assert report.ok, report`.

        Raises:
            CrashTestError: another process cannot import the code, or the run does not end without a kill.
            OptionError: no crash point has this text.
        """
        options = options or CrashOptions()
        return await asyncio.to_thread(crash_everywhere, automation, args, kwargs, options, **self._crash_settings)

    async def _read(self, read: Callable[[App], T]) -> T:
        return await self.do(lambda app: asyncio.to_thread(read, app))

    async def _act(self, call: Callable[[App], Coroutine[Any, Any, T]]) -> T:
        return await asyncio.wrap_future(self._thread.call(lambda: call(self._thread.app), until_idle=True))

    async def do(self, call: Callable[[App], Coroutine[Any, Any, T]]) -> T:
        """Call any method of the app of this lab: `await lab.do(lambda app: app.schedules.list())`.

        A handle that it returns belongs to the lab's own loop: use `lab.run(handle.id)` in the test.
        """
        return await asyncio.wrap_future(self._thread.call(lambda: call(self._thread.app)))


def _load(files: tuple[str | Path, ...]) -> Registry:
    registry = Registry.load(files)
    if registry.problems:
        problem = registry.problems[0]
        raise ConfigError(f"{problem.where}: {problem.what}", hint=problem.how)
    return registry
