"""Settings of `mainspring.toml`, as frozen values: one Struct a section, one field a key with its default.

Invariant: these Structs, with those of `monitor_settings`, are the only list of keys. Reading, the environment's variables,
`doctor --config` and the check of the reference page all walk them, so a new setting is one field here and one row there. `None` means
"not set": the user of the value has its own default.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta, Struct, defstruct, field, to_builtins
from msgspec.structs import fields

from mainspring.config.locations import is_server_url, store_path
from mainspring.config.web_settings import HooksSettings, Network, WebSettings
from mainspring.domain.definitions.options import OPTIONS
from mainspring.domain.duration import format_duration, to_milliseconds
from mainspring.domain.notifications.digest_schedule import DEFAULT_DIGEST
from mainspring.domain.notifications.maintenance_window import MaintenanceWindow
from mainspring.domain.notifications.routing import NotificationRoute
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES
from mainspring.domain.text.byte_size import format_size
from mainspring.domain.text.server_url import redact_url
from mainspring.domain.time.rate import Rate
from mainspring.domain.values.codec import DEFAULT_LIMIT, DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from mainspring.domain.effects.target_limits import TargetLimits

Count = Annotated[int, Meta(ge=1)]
PoolSize = Annotated[int, Meta(ge=1, le=1_000)]
"""Threads or processes: more than any machine can use is a typing error."""
Size = Annotated[int, Meta(title="size")]
PayloadSize = Annotated[int, Meta(title="payload size")]
CodecName = Annotated[str, Meta(title="codec")]
FlagProviderName = Annotated[str, Meta(title="flag provider")]
RuleName = Annotated[str, Meta(title="rule")]
Span = Annotated[timedelta, Meta(title="span")]
RoleName = Annotated[str, Meta(title="role")]
PositiveSpan = Annotated[timedelta, Meta(title="positive span")]
Lease = Annotated[timedelta, Meta(title="lease")]
BrokerUrl = Annotated[str, Meta(title="broker url")]
LockUrl = Annotated[str, Meta(title="lock url")]
StoreUrl = Annotated[str, Meta(title="store url")]
DatabaseUrl = Annotated[str, Meta(title="database url")]
AutomationSource = Annotated[str, Meta(title="automations")]
Zone = Annotated[str, Meta(title="option tz")]
WeekdayName = Annotated[str, Meta(title="weekday")]
HolidayCode = Annotated[str, Meta(title="holidays")]
DayRange = Annotated[str, Meta(title="days")]
VariableName = Annotated[str, Meta(title="variable")]
DueDay = Annotated[str, Meta(title="due day")]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
EnvironmentName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]

MIB = 1024 * 1024

OtlpEndpoint = Annotated[str, Meta(title="otlp endpoint")]
SecretName = Annotated[str, Meta(title="secret")]
SecretProviderAddress = Annotated[str, Meta(title="secret provider")]
ExportInterval = Annotated[timedelta, Meta(title="sending span")]
ServiceName = Annotated[str, Meta(min_length=1, max_length=100)]

HostOrNetwork = Annotated[str, Meta(title="host or network")]
ChannelAddress = Annotated[str, Meta(title="channel")]
RouteTable = Annotated[NotificationRoute, Meta(title="route")]
MaintenanceTable = Annotated[MaintenanceWindow, Meta(title="maintenance")]
DigestTime = Annotated[str, Meta(title="digest")]
WatchdogUrl = Annotated[str, Meta(title="pulse url")]


class NotifySettings(Struct, frozen=True, kw_only=True):
    """`[notify]`: the channels by name, the routes that lead to them, and the times that all of them share.

    `channels` empty = the terminal; `route` empty = everything to every channel. `watchdog` = an outside service that gets a regular
    ping, and alarms if it stops. `store_lost_after` = how long the store may be lost before a notification; a shorter loss sends none.
    """

    channels: dict[str, ChannelAddress] = field(default_factory=dict)
    route: tuple[RouteTable, ...] = ()
    maintenance: tuple[MaintenanceTable, ...] = ()
    group_wait: Span = timedelta(seconds=30)
    repeat: PositiveSpan = timedelta(hours=4)
    escalate_after: PositiveSpan = timedelta(minutes=15)
    digest: DigestTime = DEFAULT_DIGEST
    watchdog: WatchdogUrl | None = None
    store_lost_after: Span = timedelta(minutes=1)


class LogsSettings(Struct, frozen=True, kw_only=True):
    """`auto` = JSON unless a terminal reads it. `max_lines` = stored lines of a run; 0 = none, and nothing is captured.

    `values` = lines of the engine itself show the start of inputs and outputs.
    """

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    retention: Annotated[timedelta, Meta(title="positive span")] = timedelta(days=14)
    max_lines: Annotated[int, Meta(ge=0, le=1_000_000)] = DEFAULT_MAX_LINES
    values: bool = True


class OtelSettings(Struct, frozen=True, kw_only=True):
    """`[otel]`: no traces until `endpoint` names a collector, without `/v1/traces`. `headers_secret` = `secret:NAME`.

    `metrics_every` = how often watchers send all metrics there too, a second at least; None = never.
    """

    endpoint: OtlpEndpoint | None = None
    headers_secret: SecretName | None = None
    service: ServiceName = "mainspring"
    metrics_every: ExportInterval | None = None


class ProjectSettings(Struct, frozen=True, kw_only=True):
    """`[project]`: its name and where its automations are.

    `allowed_networks` = non-public ones that notifications, the watchdog and the sign-in may call all the same.
    """

    name: Name | None = None
    automations: tuple[AutomationSource, ...] = ()
    classify: tuple[RuleName, ...] = ()
    timezone: Zone = "UTC"
    environment: EnvironmentName = "production"
    allowed_networks: tuple[Network, ...] = ()


class HttpTargetSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[actions.http.targets]`, by its host or "*"; bare text there is `rate`. All processes on the store share the limits."""

    rate: Rate | None = None
    break_after: Count | None = None

    @property
    def limits(self) -> "TargetLimits":
        """The limits as the store compares them."""
        from mainspring.domain.effects.target_limits import TargetLimits

        count, per = (0, timedelta(0)) if self.rate is None else (self.rate.count, self.rate.per)
        return TargetLimits(count, to_milliseconds(per), self.break_after or 0)


class HttpActionsSettings(Struct, frozen=True, kw_only=True):
    """`[actions.http]`: `allow` = hosts and networks that are not public and that HTTP actions may call all the same."""

    allow: tuple[HostOrNetwork, ...] = ()
    targets: dict[str, HttpTargetSettings] = field(default_factory=dict)


class ActionsSettings(Struct, frozen=True, kw_only=True):
    """`[actions]`: the settings of each family of actions."""

    http: HttpActionsSettings = HttpActionsSettings()


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """`[store.retention]`: how long finished runs and events are stored."""

    succeeded: Span = timedelta(days=30)
    failed: Span = timedelta(days=180)
    cancelled: Span = timedelta(days=30)
    events: Span = timedelta(days=7)


class BackupSettings(Struct, frozen=True, kw_only=True):
    """`[store.backup]`: off until `to` names a folder."""

    to: Path | None = None
    every: PositiveSpan = timedelta(days=1)
    keep: Count = 7


class BlobSettings(Struct, frozen=True, kw_only=True):
    """`[store.blobs]`: which values are stored by reference, and how long their bytes stay without one."""

    above: PayloadSize = DEFAULT_THRESHOLD
    grace: PositiveSpan = timedelta(days=1)


class StoreSettings(Struct, frozen=True, kw_only=True):
    """`[store]`: once loaded, `url` is `sqlite:////absolute/path`; its default depends on the user and the environment.

    `stream_records` and `stream_bytes` = how much of one stream of a run is stored, as `domain.runs.stream` has it.
    """

    url: StoreUrl = ""
    payload_max: PayloadSize = DEFAULT_LIMIT
    codec: CodecName | None = None
    retention: RetentionSettings = RetentionSettings()
    backup: BackupSettings = BackupSettings()
    blobs: BlobSettings = BlobSettings()
    stream_records: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    stream_bytes: Size = 16 * MIB

    @property
    def path(self) -> Path:
        """The store's file. Raises ConfigError if it is on a server."""
        return store_path(self.url)

    @property
    def folder(self) -> Path | None:
        """The folder of the store's file; None if it is on a server."""
        return None if self.is_remote else self.path.parent

    @property
    def is_remote(self) -> bool:
        """Whether the store is on a database server."""
        return is_server_url(self.url)

    @property
    def location(self) -> str:
        """The location of the store, for people: without a password."""
        return redact_url(self.url) if self.is_remote else str(self.path)


class QueueSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[worker.queues]`; a bare number there is `concurrency`."""

    concurrency: Count | None = None
    rate: Rate | None = None
    max_backlog: Count | None = None


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """`[worker]`: what it claims, how much runs at once, and how long a silent or stopping worker is tolerated."""

    queues: dict[str, QueueSettings] = field(default_factory=lambda: {"default": QueueSettings()})
    tags: tuple[Name, ...] = ()
    concurrency: Count = 64
    threads: PoolSize = 32
    processes: PoolSize | None = None
    """None = as many as `threads`: a time-out moves a `def` step from a thread to a process."""
    stalled_after: PositiveSpan = timedelta(hours=1)
    stall_limit: PositiveSpan = timedelta(minutes=5)
    lease: Lease = timedelta(seconds=10)
    drain: Span = timedelta(seconds=25)
    park_bytes: Size = 64 * MIB


class UpSettings(Struct, frozen=True, kw_only=True):
    """`[up]`: which processes `mainspring up` keeps on this machine, and the queues of its workers."""

    roles: tuple[RoleName, ...] = tuple(role.value for role in ProcessRole)
    processes: PoolSize = 1
    queues: tuple[Name, ...] = ()


class SecretsSettings(Struct, frozen=True, kw_only=True):
    """`[secrets]`: where secrets come from, who may read them, the day by which each is to be renewed, and inherited variables.

    `providers` empty = variables, the files in `dir`, the encrypted file of the project. `key_file` = the key of encrypted files, None =
    beside each. `access` "listed" = an automation may read only what its option secrets= lists. `cache_for` and `outage_limit` = how long
    the answer of a provider on a server counts while that server answers, and while it does not. `pass_env` = variables that hold secrets
    and that commands and steps get all the same.
    """

    providers: tuple[SecretProviderAddress, ...] = ()
    dir: Path | None = None
    key_file: Path | None = None
    access: Literal["all", "listed"] = "all"
    cache_for: Span = timedelta(minutes=5)
    outage_limit: Span = timedelta(hours=24)
    pass_env: tuple[VariableName, ...] = ()
    due: dict[str, DueDay] = field(default_factory=dict)


class FlagsSettings(Struct, frozen=True, kw_only=True):
    """`[flags]`: `max_age` = how long the last flags count in a program that cannot reach the store.

    `provider` = an object of the project's code, "module:name": a provider of OpenFeature, or a function that returns one. It answers all
    questions in place of the store, each within `timeout`.
    """

    max_age: Span = timedelta(minutes=5)
    provider: FlagProviderName | None = None
    timeout: PositiveSpan = timedelta(seconds=1)


class DatabaseSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[databases]`; bare text there is `url`, which is `sqlite:////absolute/path` or `postgresql://...` once loaded."""

    url: DatabaseUrl = ""

    @property
    def path(self) -> Path:
        """The database's file. Raises ConfigError if it is on a server."""
        return store_path(self.url)


class BrokerSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[brokers]`; bare text there is `url`: the address of the broker, without a queue and without a password."""

    url: BrokerUrl = ""


class LockBackendSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[locks]`; bare text there is `url`: the address of a server whose locks other programs share, without a password."""

    url: LockUrl = ""
    lease: Lease = timedelta(seconds=10)


class CalendarSettings(Struct, frozen=True, kw_only=True):
    """One entry of `[calendars]`: which days are open, and what happens to a start on a closed one."""

    weekdays: tuple[WeekdayName, ...] = ("MON-FRI",)
    holidays: tuple[HolidayCode, ...] = ()
    include: tuple[DayRange, ...] = ()
    exclude: tuple[DayRange, ...] = ()
    on_closed: Literal["skip", "next"] = "skip"


# `[defaults]`: the options that all definitions may share. These belong to one definition only.
_INDIVIDUAL_OPTIONS = {
    "name",
    "title",
    "was",
    "cron",
    "every",
    "at",
    "partition",
    "concurrency",
    "per",
    "cancel_in_progress",
    "rate",
    "throttle",
    "debounce",
    "debounce_within",
    "item",
    "version",
    "rollout",
    "rollout_by",
    "tag",
    "key",
    "undo",
    "produces",
    "expect",
    "gone",
    "overlap_attempts",
}
DefaultSettings = defstruct(
    "DefaultSettings",
    [(name, Annotated[Any, Meta(title=f"option {name}")], None) for name in OPTIONS if name not in _INDIVIDUAL_OPTIONS],
    frozen=True,
    kw_only=True,
    module=__name__,
)


class ExecSettings(Struct, frozen=True, kw_only=True):
    """`[exec]`: how `mainspring exec` behaves if the store is unavailable; `spool` is always absolute once loaded."""

    spool: Path = Path()
    fail_open: bool = True


class Settings(Struct, frozen=True, kw_only=True):
    """All settings, read once. `file` is None if no file was found; `sources` names the source of each value."""

    project: ProjectSettings = ProjectSettings()
    store: StoreSettings = StoreSettings()
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    up: UpSettings = UpSettings()
    web: WebSettings = WebSettings()
    hooks: HooksSettings = HooksSettings()
    actions: ActionsSettings = ActionsSettings()
    secrets: SecretsSettings = SecretsSettings()
    flags: FlagsSettings = FlagsSettings()
    logs: LogsSettings = LogsSettings()
    databases: dict[str, DatabaseSettings] = field(default_factory=dict)
    brokers: dict[str, BrokerSettings] = field(default_factory=dict)
    locks: dict[str, LockBackendSettings] = field(default_factory=dict)
    calendars: dict[str, CalendarSettings] = field(default_factory=dict)
    notify: NotifySettings = field(default_factory=NotifySettings)
    otel: OtelSettings = OtelSettings()
    defaults: Struct = DefaultSettings()
    exec: ExecSettings = ExecSettings()
    stated_monitors: Struct | None = None
    """`[monitors]`; None = no layer sets a key of it. See `monitors`."""
    file: Path | None = None
    folder: Path = Path("/")
    spare_spool: Path | None = None
    """The spool of this store if nothing can be created beside it; None if that is `exec.spool` itself."""
    unclaimed_spool: Path | None = None
    """The spool of this configuration while it is invalid and its store is unknown."""
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def monitors(self) -> Struct:
        """`[monitors]`, with the defaults where nothing is stated: only then are the monitors imported."""
        return section_type(MONITORS_SECTION)() if self.stated_monitors is None else self.stated_monitors

    @property
    def default_options(self) -> dict[str, Any]:
        """The canonical options (see `definitions.options`) of a definition that states none of its own."""
        stated = ((name, getattr(self.defaults, name)) for name in self.defaults.__struct_fields__)
        return {"tz": self.project.timezone} | {name: value for name, value in stated if value is not None}

    def describe(self) -> list[tuple[str, Any, str]]:
        """Return (path, value as it is written in a file, source) of every setting, in the order of the sections."""
        entries = (
            entry
            for section in SECTION_NAMES
            for entry in _walk_settings(getattr(self, section), section, section_type(section))
        )
        # A setting for some automations that is left out has no default: the general one is in force.
        stated = ((path, value) for path, value in entries if value is not None or not path.startswith("monitors.of."))
        return [(path, value, self.sources.get(path, "default")) for path, value in stated]


MONITORS_SECTION = "monitors"
_SECTION_TYPES: dict[str, Any] = {
    "project": ProjectSettings,
    "store": StoreSettings,
    "worker": WorkerSettings,
    "up": UpSettings,
    "web": WebSettings,
    "hooks": HooksSettings,
    "actions": ActionsSettings,
    "secrets": SecretsSettings,
    "flags": FlagsSettings,
    "logs": LogsSettings,
    "databases": dict[str, DatabaseSettings],
    "brokers": dict[str, BrokerSettings],
    "locks": dict[str, LockBackendSettings],
    "calendars": dict[str, CalendarSettings],
    "notify": NotifySettings,
    "otel": OtelSettings,
    "defaults": DefaultSettings,
    "exec": ExecSettings,
}
SECTION_NAMES = (*_SECTION_TYPES, MONITORS_SECTION)


def section_type(name: str) -> Any:
    """Return the type of a section. That of the monitors is made of their table, which imports all of them: only when it is needed."""
    if name == MONITORS_SECTION:
        from mainspring.config.monitor_settings import MonitorsSettings

        return MonitorsSettings
    return _SECTION_TYPES[name]


def _walk_settings(value: Any, path: str, annotation: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Struct):
        for setting in fields(value):
            yield from _walk_settings(getattr(value, setting.name), f"{path}.{setting.name}", setting.type)
    elif get_origin(annotation) is dict:
        for key, entry in value.items():
            yield from _walk_settings(entry, f"{path}.{key}", get_args(annotation)[1])
    else:
        visible = redact_url(value) if annotation in (StoreUrl, DatabaseUrl) else value
        yield path, _format_setting(visible, is_size=annotation in (Size, PayloadSize))


def _format_setting(value: Any, *, is_size: bool) -> Any:
    """Return a setting as in a file: spans, sizes, rates and paths are text."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Rate | Path):
        return str(value)
    if is_size:
        return format_size(value)
    return [to_builtins(item) for item in value] if isinstance(value, tuple) else value
