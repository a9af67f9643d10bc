"""One project as a process uses it: its settings, its store, its automations."""

import os
import socket
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring.app.setup.codec import make_sealing
from mainspring.app.setup.failure_rules import make_classifier
from mainspring.app.setup.process_log import process_name
from mainspring.app.setup.process_policy import apply_process_policy
from mainspring.app.setup.secrets import make_secret_store
from mainspring.app.stores.store_factory import make_store
from mainspring.config import Settings, load
from mainspring.domain.clock import SystemClock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.runs.log_line import Level
from mainspring.domain.runs.stream import StreamLimits
from mainspring.domain.values.sealing import Sealing
from mainspring.resources.project_source import PROJECT_SOURCES, ProjectSource
from mainspring.resources.secret_store import SecretStore
from mainspring.resources.secret_variables import SECRET_VARIABLES
from mainspring.service.actor import Actor, user_name
from mainspring.store import failpoints
from mainspring.store.commands.automations import SetQueue
from mainspring.store.process_store import ProcessStore

if TYPE_CHECKING:
    from mainspring.app.setup.tracing import Tracing
    from mainspring.app.workers.upkeep import Upkeep
    from mainspring.app.workers.worker_runtime import WorkerRuntime
    from mainspring.engine.definitions.registry import Registry
    from mainspring.resources.flag_provider import FlagProvider

FAILPOINT = "MAINSPRING_FAILPOINT"


class Project:
    """Settings that were read once; everything else is created from them on demand."""

    _newest: ClassVar["Project | None"] = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        apply_process_policy(settings)
        self.clock = SystemClock()
        Project._newest = self
        # Child processes do not get the address of the store: it may contain a password.
        flags = {"project.environment": settings.project.environment, "store.url": settings.store.location}
        PROJECT_SOURCES.own = ProjectSource(None if settings.file is None else str(settings.file), flags)

    @classmethod
    def find(cls, *, flags: Mapping[str, Any] | None = None, config: Path | None = None) -> "Project":
        """Read the settings of this process from flags, environment and file.

        Raises:
            ConfigError: a key or value cannot be used.
        """
        project = cls(
            load(
                env=SECRET_VARIABLES.own(os.environ), cwd=Path.cwd(), uid=os.getuid(), flags=flags or {}, config=config
            )
        )
        project.install_failpoints()
        return project

    @classmethod
    def current(cls) -> "Project":
        """Return the newest project of this process, that of its worker in a child process, or the one that the environment names.

        Raises:
            ConfigError: a key or value cannot be used.
        """
        if cls._newest is not None:
            return cls._newest
        source = PROJECT_SOURCES.worker
        if source is None:
            return cls.find()
        return cls.find(flags=source.flags, config=None if source.file is None else Path(source.file))

    @staticmethod
    def install_failpoints() -> None:
        """Install the crashes that the environment orders (for tests)."""
        order = os.environ.get(FAILPOINT)
        if order:
            failpoints.install(failpoints.parse(order))

    def actor(self) -> Actor:
        """Return the actor of the command line of this process."""
        return Actor.cli(user_name(), socket.gethostname())

    def open_store(self) -> ProcessStore:
        """Open the store for reads and operations of a person; no session.

        Raises:
            StoreError: it cannot be used.
        """
        store = make_store(self.settings.store.url, lease_ms=self.lease_ms, clock=self.clock)
        store.open()
        return store

    @property
    def lease_ms(self) -> int:
        """How long a process of this project may be out of the server's reach before others claim its runs."""
        return to_milliseconds(self.settings.worker.lease)

    def load_registry(self, more: tuple[str, ...] = ()) -> "Registry":
        """Load the automations of the project, and of `more` modules or files; `problems` has what fails."""
        from mainspring.app.setup.calendars import make_calendars
        from mainspring.engine.definitions.calendars import use_calendars
        from mainspring.engine.definitions.default_options import use_default_options
        from mainspring.engine.definitions.registry import Registry

        targets = [*self.settings.project.automations, *more]
        calendars = make_calendars(self.settings.calendars, self.clock.now())
        with use_default_options(self.settings.default_options), use_calendars(calendars):
            registry = Registry.load(targets, self.settings.folder)
        backup = self.settings.store.backup
        if backup.to is not None:
            from mainspring.app.setup.builtin_automations import declare_backup

            url = self.settings.store.url
            declare_backup(registry, url, self.clock, to=backup.to, every=backup.every, keep=backup.keep)
        return registry

    @cached_property
    def sealing(self) -> Sealing:
        """How values are saved: the configured codec, which is imported here, and the largest value.

        Raises:
            ConfigError: the codec cannot be imported, or is none.
        """
        return make_sealing(self.settings.store, self.settings.folder)

    @cached_property
    def classifier(self) -> Classifier | None:
        """The configured rules for failures, which are imported here.

        Raises:
            ConfigError: one cannot be imported.
        """
        return make_classifier(self.settings.project.classify, self.settings.folder)

    @cached_property
    def flag_provider(self) -> "FlagProvider | None":
        """The provider that answers for flags in place of the store, if one is configured; it is imported here.

        Raises:
            ConfigError: it cannot be used.
        """
        from mainspring.app.setup.flags import make_flag_provider

        return make_flag_provider(self.settings.flags, self.settings.folder)

    @cached_property
    def secrets(self) -> SecretStore:
        """The secrets of the configured providers, with one cache.

        Raises:
            ConfigError: a provider cannot be used here.
        """
        return make_secret_store(self.settings, clock=self.clock)

    @property
    def brokers(self) -> dict[str, str]:
        """The addresses of the configured brokers, by name."""
        return {name: broker.url for name, broker in self.settings.brokers.items()}

    def make_runtime(
        self, registry: "Registry", *, role: str = "worker", survive_ms: int = 2_000, schedules: bool = True
    ) -> "WorkerRuntime":
        """Return a worker runtime on this project's store, not yet open. Role "run" = it works on one run only."""
        from mainspring.app.workers.worker_runtime import WorkerRuntime
        from mainspring.engine.worker.worker_options import WorkerOptions

        worker = self.settings.worker
        probation = role == "probation"
        settings = WorkerOptions(
            concurrency=worker.concurrency,
            threads=worker.threads,
            park_bytes=worker.park_bytes,
            queues=self._queues_of(role),
            tags=worker.tags,
            stalled_ms=to_milliseconds(worker.stalled_after),
            probation=probation,
            one_run=role == "run",
            survive_ms=survive_ms,
            flag_provider=self.flag_provider,
            environment=self.settings.project.environment,
            name=process_name(),
            max_lines=self.settings.logs.max_lines,
            stream_limits=StreamLimits(self.settings.store.stream_records, self.settings.store.stream_bytes),
            values=self.settings.logs.values,
            log_level=Level(self.settings.logs.level).number,
            secrets_listed_only=self.settings.secrets.access == "listed",
        )
        return WorkerRuntime(
            self.settings.store.url,
            registry,
            clock=self.clock,
            sealing=self.sealing,
            classifier=self.classifier,
            settings=settings,
            role=role,
            processes=worker.processes,
            databases={name: database.url for name, database in self.settings.databases.items()},
            queues=self.queues(),
            upkeep=None if probation else self.upkeep(registry if role in ("worker", "app") else None),
            schedules=schedules and not probation,
            stall_limit=worker.stall_limit.total_seconds(),
            secrets=self.secrets,
            brokers=self.brokers,
            lease_ms=self.lease_ms,
            tracing=self._tracing(),
        )

    def _tracing(self) -> "Tracing | None":
        if self.settings.otel.endpoint is None:
            return None
        from mainspring.app.setup.tracing import make_tracing

        return make_tracing(self.settings, self.secrets, self.clock)

    def upkeep(self, registry: "Registry | None" = None) -> "Upkeep":
        """Return the upkeep of this project, not yet started. `registry` = of a worker, whose code can ask the targets of effects."""
        from mainspring.app.exec.project_spool import make_project_spool
        from mainspring.app.workers.secret_upkeep import SecretUpkeep
        from mainspring.app.workers.spool_import import make_spool_importer
        from mainspring.app.workers.upkeep import Retention, Upkeep

        listed_only = self.settings.secrets.access == "listed"
        extra = {
            "spool": make_spool_importer(make_project_spool(self.settings)),
            "secrets": SecretUpkeep(lambda: self.secrets, self.clock, is_listed_only=listed_only).run,
        }
        if registry is not None:
            from mainspring.app.reconciliation import DailyReconciliation

            extra["effects"] = DailyReconciliation(registry, self.sealing, self.clock).run_if_due
        if self.sealing.large is not None:
            from mainspring.app.workers.blob_sweep import BlobSweep

            sweep = BlobSweep(self.sealing.large.contents, self.clock, self.settings.store.blobs.grace)
            extra["large values"] = sweep.run_if_due
        retention = self.settings.store.retention
        return Upkeep(
            Retention(
                retention.succeeded,
                retention.failed,
                retention.cancelled,
                retention.events,
                logs=self.settings.logs.retention,
            ),
            extra=extra,
        )

    def _queues_of(self, role: str) -> tuple[str, ...] | None:
        """Return the queues that a worker takes runs from; None = all. A process for one run takes it from any queue."""
        if role == "run":
            return None
        if self.settings.up.queues:
            return self.settings.up.queues
        named = self.settings.worker.queues
        return tuple(named) if set(named) != {"default"} else None

    def queues(self) -> tuple[SetQueue, ...]:
        """Return the commands that set the limits of the configured queues."""
        commands = []
        for name, queue in self.settings.worker.queues.items():
            rate = queue.rate
            count, per_ms = (rate.count, to_milliseconds(rate.per)) if rate is not None else (None, None)
            commands.append(SetQueue(name, queue.concurrency, count, per_ms, queue.max_backlog))
        return tuple(commands)
