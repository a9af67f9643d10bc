"""Loading: from layers to Settings. Flags win over variables, these over the file, that over the defaults; each value has its source.

Invariant: no environment but production ever gets a place (store, spool, backups, databases, brokers, channels) that was named
for all of them.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields, replace

from mainspring.config import locations
from mainspring.config.known_keys import KeyPath, find_known_key, find_value_type
from mainspring.config.setting_layers import (
    DUE_KEY,
    ENVIRONMENT_KEY,
    VARIABLE_PREFIX,
    FileLayers,
    LayerReader,
    SettingLayer,
    SettingValue,
    is_other_variable,
    variable_name,
)
from mainspring.config.settings import (
    MONITORS_SECTION,
    SECTION_NAMES,
    BrokerSettings,
    DatabaseSettings,
    HttpTargetSettings,
    LockBackendSettings,
    NotifySettings,
    SecretsSettings,
    Settings,
    section_type,
)
from mainspring.config.value_reader import read_host_name
from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.domain.notifications.channel_name import check_channel_name
from mainspring.domain.notifications.routing import check_routes
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.escaping import escape
from mainspring.resources.action_hosts import ANY_HOST
from mainspring.resources.secret_variables import STORE_WITHHELD_VARIABLE

STORE_URL_KEY = ("store", "url")
BACKUP_FOLDER_KEY = ("store", "backup", "to")
SPOOL_KEY = ("exec", "spool")
DATABASES_SECTION = "databases"
BROKERS_SECTION = "brokers"
LOCKS_SECTION = "locks"
NOTIFY_SECTION = "notify"
ADDRESS_KEYS = {(NOTIFY_SECTION, "channels"), (NOTIFY_SECTION, "route")}
DEFAULT_SOURCE = "default"
UNCLAIMED_SPOOL_PREFIX = "unclaimed-"
"""The prefix of folders with records whose store is unknown."""
_LOCATION_KEYS = frozenset({STORE_URL_KEY, SPOOL_KEY, ENVIRONMENT_KEY})
_WITHHELD = """Mainspring started this command without the address of its store (MAINSPRING_STORE_URL),
and no configuration names a store"""
_WITHHELD_HINT = (
    'Allow it: secrets.pass_env = ["MAINSPRING_STORE_URL"] (and "PGPASSWORD"), or exec --pass-env MAINSPRING_STORE_URL.'
)


class FoundSpool(Struct, frozen=True):
    """The spool without settings, its spare folder and the store's folder.

    `is_of_store` = it is that of a named store; otherwise `config` = the configuration file, which is invalid.
    """

    folder: Path
    spare: Path | None = None
    store_folder: Path | None = None
    is_of_store: bool = True
    config: Path | None = None


def load(
    *,
    env: Mapping[str, str],
    cwd: Path,
    uid: int,
    flags: Mapping[str, Any] = MappingProxyType({}),
    config: Path | None = None,
) -> Settings:
    """Return the settings of this process: only files are read, and nothing is created.

    `flags` maps dotted keys to values (None = not given), `config` is `--config`.

    Raises:
        ConfigError: a named file is missing or unreadable, a key is unknown, a value is invalid.
    """
    around = locations.ProcessSurroundings(env, cwd, uid)
    file = locations.find_file(around, config)
    merged = _merge(around, flags, file)
    stated = {path[0] for path in merged}
    sections = {name: _build_struct(section_type(name), (name,), merged) for name in SECTION_NAMES if name in stated}
    sections["stated_monitors"] = sections.pop(MONITORS_SECTION, None)
    settings = Settings(**sections, file=file, folder=file.parent if file else cwd)
    _check_databases(settings.databases, settings.store.url, merged)
    if settings.brokers:
        from mainspring.integrations.brokers import check_broker_name

        _check_servers(BROKERS_SECTION, settings.brokers, check_broker_name, "nats://HOST:4222/STREAM", merged)
    if settings.locks:
        from mainspring.integrations.lock_backends import check_backend_name

        _check_servers(LOCKS_SECTION, settings.locks, check_backend_name, "redis://HOST:6379/0", merged)
    if settings.actions.http.targets:
        _check_targets(settings.actions.http.targets, merged)
    _check_notify(settings.notify, merged)
    _check_due(settings.secrets, merged)
    spare = unclaimed = None
    with suppress(ConfigError):  # no home folder
        spare = locations.fallback_spool_path(around, settings.store.url)
        unclaimed = _unclaimed_spool_path(around, flags, config, file)
    return replace(
        settings,
        spare_spool=None if spare == settings.exec.spool else spare,
        unclaimed_spool=unclaimed,
        sources={".".join(path): given.source for path, given in merged.items() if _is_value(path)},
    )


def find_spool_without_settings(
    *, env: Mapping[str, str], cwd: Path, uid: int, flags: Mapping[str, Any], config: Path | None
) -> FoundSpool:
    """Return the folder of records when the settings cannot be read.

    The store may be known although another setting is invalid. If it is not, the folder belongs to this broken configuration alone: the
    next command with the same flags, variables and file imports it, once they are valid.

    Raises:
        ConfigError: the user has no home folder.
    """
    location_variables = {variable_name(path) for path in _LOCATION_KEYS}
    known = {
        name: text for name, text in env.items() if not name.startswith(VARIABLE_PREFIX) or name in location_variables
    }
    around = locations.ProcessSurroundings(known, cwd, uid)
    file: Path | None = None
    with suppress(ConfigError, OSError):
        file = locations.find_file(locations.ProcessSurroundings(env, cwd, uid), config)
        named = {path: value for path, value in flags.items() if tuple(path.split(".")) in _LOCATION_KEYS}
        merged = _merge(around, named, file, only=_LOCATION_KEYS)
        if merged[STORE_URL_KEY].source != DEFAULT_SOURCE:
            url, spool = merged[STORE_URL_KEY].value, merged[SPOOL_KEY].value
            folder = None if locations.is_server_url(url) else locations.store_path(url).parent
            with suppress(ConfigError):  # no home folder
                return FoundSpool(spool, locations.fallback_spool_path(around, url), folder)
            return FoundSpool(spool, None, folder)
    folder = _unclaimed_spool_path(locations.ProcessSurroundings(env, cwd, uid), flags, config, file)
    return FoundSpool(folder, is_of_store=False, config=file)


def _unclaimed_spool_path(
    around: locations.ProcessSurroundings, flags: Mapping[str, Any], config: Path | None, file: Path | None
) -> Path:
    """Return the folder of records whose store is unknown: one for each set of flags, variables and file."""
    variables = (
        f"{name}={text}"
        for name, text in sorted(around.env.items())
        if text and name.startswith(VARIABLE_PREFIX) and not is_other_variable(name)
    )
    identity = "\x1f".join((str(flags.get("store.url")), str(config), str(file), *variables))
    mark = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return locations.state_folder(around) / f"{UNCLAIMED_SPOOL_PREFIX}{mark}"


def _merge(
    around: locations.ProcessSurroundings,
    flags: Mapping[str, Any],
    file: Path | None,
    only: frozenset[KeyPath] | None = None,
) -> SettingLayer:
    """Return every value that is set, with the locations filled in; with `only`, nothing but these is read of the file."""
    layers = LayerReader(around)
    file_layers = layers.of_file(file, only) if file else FileLayers({}, {})
    above = {**layers.of_env(), **layers.of_flags(flags)}
    stated = above.get(ENVIRONMENT_KEY) or file_layers.base.get(ENVIRONMENT_KEY)
    environment = str(stated.value) if stated else locations.PRODUCTION
    own = {**file_layers.environments.get(environment, {}), **above}
    shared = (
        file_layers.base
        if environment == locations.PRODUCTION
        else _separate_environment(file_layers.base, environment)
    )
    return _add_locations({**shared, **own}, around, environment)


def _separate_environment(base: SettingLayer, environment: str) -> SettingLayer:
    """Give `environment` its own names for the places that the file names for all."""
    # A message to a broker, or a notification, cannot be recalled. A lock would keep production waiting.
    outside = (BROKERS_SECTION, LOCKS_SECTION)
    own = {path: given for path, given in base.items() if path[0] not in outside and path[:2] not in ADDRESS_KEYS}
    databases = (path for path in base if path[0] == DATABASES_SECTION and path[-1] == "url" and len(path) == 3)
    for path in (STORE_URL_KEY, BACKUP_FOLDER_KEY, SPOOL_KEY, *databases):
        if path in base:
            given = base[path]
            source = f"{given.source} (named for {environment})"
            if path == STORE_URL_KEY or path[0] == DATABASES_SECTION:
                schema = "public" if path[0] == DATABASES_SECTION else "mainspring"
                own[path] = SettingValue(
                    locations.store_url_for_environment(given.value, environment, schema=schema), source
                )
            else:
                own[path] = SettingValue(locations.store_path_for_environment(given.value, environment), source)
    return own


def _add_locations(layer: SettingLayer, around: locations.ProcessSurroundings, environment: str) -> SettingLayer:
    """Add the default store, and the spool: beside a file; else, and in a named folder, one for each store."""
    if STORE_URL_KEY not in layer:
        if STORE_WITHHELD_VARIABLE in around.env:
            raise ConfigError(_WITHHELD, hint=_WITHHELD_HINT)
        layer[STORE_URL_KEY] = SettingValue(
            locations.store_url(locations.default_store_path(around, environment)), DEFAULT_SOURCE
        )
    url = layer[STORE_URL_KEY].value
    if SPOOL_KEY in layer:
        given = layer[SPOOL_KEY]
        layer[SPOOL_KEY] = SettingValue(given.value / locations.hash_store_url(url, around.env), given.source)
    elif locations.is_server_url(url):
        layer[SPOOL_KEY] = SettingValue(locations.fallback_spool_path(around, url), DEFAULT_SOURCE)
    else:
        layer[SPOOL_KEY] = SettingValue(locations.default_spool_path(locations.store_path(url)), DEFAULT_SOURCE)
    return layer


def _check_databases(databases: Mapping[str, DatabaseSettings], store: str, layer: SettingLayer) -> None:
    """Raise ConfigError for a database without a place, or one in the place of the store, which no one else may use."""
    for name, database in databases.items():
        if database.url and database.url != store:
            continue
        given = layer.get((DATABASES_SECTION, name, "url")) or layer[DATABASES_SECTION, name]
        problem = "this is the store of Mainspring itself" if database.url else "it names no database"
        hint = "Name one of your own: sqlite:///relative.db, sqlite:////absolute.db or postgresql://USER@HOST:PORT/DATABASE."
        raise ConfigError(f"`{DATABASES_SECTION}.{name}.url`: {problem}\nset by {given.source}", hint=hint)


def _check_servers(
    section: str,
    servers: Mapping[str, BrokerSettings] | Mapping[str, LockBackendSettings],
    check_name: Callable[[str], None],
    example: str,
    layer: SettingLayer,
) -> None:
    """Raise ConfigError for a server that nothing could name, or without an address."""
    for name, server in servers.items():
        try:
            check_name(name)
            if not server.url:
                raise OptionError("it has no address", hint=f'Write url = "{example}".')
        except OptionError as error:
            given = layer.get((section, name, "url")) or layer[section, name]
            raise ConfigError(f"`{section}.{name}`: {error.message}\nset by {given.source}", hint=error.hint) from None


def _check_targets(targets: Mapping[str, HttpTargetSettings], layer: SettingLayer) -> None:
    """Raise ConfigError for a target that no request could match, or without a limit."""
    for name, target in targets.items():
        path = ("actions", "http", "targets", name)
        try:
            if name != ANY_HOST and read_host_name(name) != name:
                raise OptionError("a host is written in small letters", hint=f'Write "{name.lower()}".')
            if target.rate is None and target.break_after is None:
                raise OptionError("it has no limit", hint='Write rate = "60/m", or break_after = 5.')
        except OptionError as error:
            given = next(given for key, given in layer.items() if key[: len(path)] == path)
            raise ConfigError(f"`{'.'.join(path)}`: {error.message}\nset by {given.source}", hint=error.hint) from None


def _check_notify(notify: NotifySettings, layer: SettingLayer) -> None:
    """Raise ConfigError for a channel with an invalid name, or a route that leads to no channel."""
    path: tuple[str, ...] = (NOTIFY_SECTION,)
    try:
        for name in notify.channels:
            path = (NOTIFY_SECTION, "channels", name)
            check_channel_name(name)
        path = (NOTIFY_SECTION, "route")
        check_routes(notify.route, notify.channels)
    except (OptionError, UnknownNameError) as error:
        problem = f"`{'.'.join(path)}`: {error.message}\nset by {layer[path].source}"
        raise ConfigError(problem, hint=error.hint) from None


def _check_due(secrets: SecretsSettings, layer: SettingLayer) -> None:
    """Raise ConfigError for the date of a secret with an invalid name."""
    for name in secrets.due:
        if not SECRET_NAME.fullmatch(name):
            problem = (
                f"`{'.'.join(DUE_KEY)}.{escape(name, 60)}`: this is not a valid name of a secret\nset by "
                f"{layer[(*DUE_KEY, name)].source}"
            )
            raise ConfigError(problem, hint="Use a letter, then letters, digits and _ . -, such as GITHUB_HOOK.")


def _is_value(path: KeyPath) -> bool:
    return find_value_type(find_known_key(path)) is not None


def _build_struct(kind: Any, path: tuple[str, ...], layer: SettingLayer) -> Any:
    if _is_value(path):
        return layer[path].value
    if get_origin(kind) is dict:
        names = dict.fromkeys(key[len(path)] for key in layer if len(key) > len(path) and key[: len(path)] == path)
        return {name: _build_struct(get_args(kind)[1], (*path, name), layer) for name in names}
    values: dict[str, Any] = {}
    for field in fields(kind):
        at = (*path, field.name)
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            values[field.name] = _build_struct(field.type, at, layer)
        elif get_origin(field.type) is dict:
            if named := _build_struct(field.type, at, layer):  # none: the field's own default
                values[field.name] = named
        elif at in layer:
            values[field.name] = layer[at].value
    return kind(**values)
