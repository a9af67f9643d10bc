"""What can be set in `mainspring.toml`, as frozen values: one Struct a section, one field a key, the default beside it.

Invariant: these Structs are the only list of keys. Reading, the environment's variables, `doctor --config` and the check
of the reference page all walk them, so a new setting is one field here and one row there. `None` means "not set": whoever
uses the value has its own default.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import fields

from mainspring.config.places import store_path
from mainspring.domain.duration import format_duration
from mainspring.domain.rate import Rate
from mainspring.domain.size import format_size

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(title="size")]
Span = Annotated[timedelta, Meta(title="span")]
PositiveSpan = Annotated[timedelta, Meta(title="positive span")]
StoreUrl = Annotated[str, Meta(title="store url")]
AutomationSource = Annotated[str, Meta(title="automations")]
Zone = Annotated[str, Meta(title="time zone")]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
EnvironmentName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]

KIB = 1024
MIB = 1024 * KIB


class ProjectSettings(Struct, frozen=True, kw_only=True):
    """`[project]`: what this is and where its automations are."""

    name: Name | None = None
    automations: tuple[AutomationSource, ...] = ()
    timezone: Zone = "UTC"
    environment: EnvironmentName = "production"


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """`[store.retention]`: how long finished runs and events are kept, and how large one value may be."""

    succeeded: Span = timedelta(days=30)
    failed: Span = timedelta(days=180)
    cancelled: Span = timedelta(days=30)
    events: Span = timedelta(days=7)
    payload_max: Size = 256 * KIB


class BackupSettings(Struct, frozen=True, kw_only=True):
    """`[store.backup]`: off until `to` names a folder."""

    to: Path | None = None
    every: PositiveSpan = timedelta(days=1)
    keep: Count = 7


class StoreSettings(Struct, frozen=True, kw_only=True):
    """`[store]`: once loaded, `url` is `sqlite:////absolute/path`; its default depends on the user and the environment."""

    url: StoreUrl = ""
    busy_timeout: Span = timedelta(seconds=5)
    retention: RetentionSettings = RetentionSettings()
    backup: BackupSettings = BackupSettings()

    @property
    def path(self) -> Path:
        """The store's file."""
        return store_path(self.url)


class QueueSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[worker.queues]`; a bare number there is `concurrency`."""

    concurrency: Count | None = None
    rate: Rate | None = None
    max_backlog: Count | None = None


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """`[worker]`: how much runs at once, and how long a silent or stopping worker is borne."""

    queues: dict[str, QueueSettings] = field(default_factory=lambda: {"default": QueueSettings()})
    concurrency: Count = 64
    threads: Count = 32
    processes: Count = 4
    stalled_after: PositiveSpan = timedelta(hours=1)
    stall_limit: PositiveSpan = timedelta(minutes=5)
    drain: Span = timedelta(seconds=25)
    lease: PositiveSpan = timedelta(seconds=10)
    park_bytes: Size = 64 * MIB


class RetrySettings(Struct, frozen=True, kw_only=True):
    """`[defaults.retry]`; a bare number there is `attempts`."""

    attempts: Count | None = None
    initial: Span | None = None
    max: Span | None = None
    jitter: Literal["full", "none"] | None = None


class DefaultSettings(Struct, frozen=True, kw_only=True):
    """`[defaults]`: options of a definition for all definitions that do not state their own."""

    silence: str | None = None
    grace: Span | None = None
    overlap: Literal["skip", "queue", "replace", "allow"] | None = None
    misfire: Literal["none", "last", "all"] | None = None
    jitter: Span | None = None
    tz: Zone | None = None
    tier: Literal["page", "notify", "digest"] | None = None
    owner: Name | None = None
    team: Name | None = None
    runbook: str | None = None
    tags: tuple[str, ...] | None = None
    queue: Name | None = None
    priority: int | None = None
    timeout: PositiveSpan | None = None
    deadline: PositiveSpan | None = None
    delivery: Literal["at_least_once", "at_most_once", "transactional"] | None = None
    isolate: Literal["thread", "process"] | None = None
    retry: RetrySettings = RetrySettings()


class ExecSettings(Struct, frozen=True, kw_only=True):
    """`[exec]`: how `mainspring exec` behaves when the store is away; `spool` is always absolute once loaded."""

    spool: Path = Path()
    fail_open: bool = True


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that was set, read once. `file` is None when no file was found; `sources` names where each value came from."""

    project: ProjectSettings = ProjectSettings()
    store: StoreSettings = StoreSettings()
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    defaults: DefaultSettings = DefaultSettings()
    exec: ExecSettings = ExecSettings()
    file: Path | None = None
    folder: Path = Path("/")
    sources: dict[str, str] = field(default_factory=dict)

    def describe(self) -> list[tuple[str, Any, str]]:
        """Return (path, value as it is written in a file, source) of every setting, in the order of the sections."""
        found = (entry for section in SECTIONS for entry in _walk(getattr(self, section), section))
        return [(path, value, self.sources.get(path, "default")) for path, value in found]


SECTIONS: dict[str, type[Struct]] = {
    "project": ProjectSettings,
    "store": StoreSettings,
    "worker": WorkerSettings,
    "defaults": DefaultSettings,
    "exec": ExecSettings,
}


def _walk(table: Struct, path: str) -> Iterator[tuple[str, Any]]:
    for one in fields(table):
        value, at = getattr(table, one.name), f"{path}.{one.name}"
        if isinstance(value, Struct):
            yield from _walk(value, at)
        elif isinstance(value, dict):
            for key, entry in value.items():
                yield from _walk(entry, f"{at}.{key}")
        else:
            yield at, _as_written(value, is_size=one.type == Size)


def _as_written(value: Any, *, is_size: bool) -> Any:
    """Spans, sizes, rates and paths are text."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Rate | Path):
        return str(value)
    if is_size:
        return format_size(value)
    return list(value) if isinstance(value, tuple) else value
