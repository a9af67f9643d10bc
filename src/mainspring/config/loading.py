"""From layers to Settings: flags over variables over the file over the defaults, each value with its source.

Invariant: no environment but production ever gets a place (store, spool, backups, databases, brokers, channels) that was named for all of
them.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from mainspring.config import places
from mainspring.config.keys import VALUES, known_form
from mainspring.config.layers import DUE, ENVIRONMENT, FileLayers, Given, Layer, Layers
from mainspring.config.notify_settings import NotifySettings
from mainspring.config.settings import SECTIONS, BrokerSettings, DatabaseSettings, SecretsSettings, Settings
from mainspring.domain.channel import check_channel_name
from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.domain.queue_name import check_broker_name
from mainspring.domain.route import check_routes
from mainspring.domain.text import escape
from mainspring.domain.verifier import SECRET_NAME
from mainspring.resources.withheld import STORE_WITHHELD

STORE_URL = ("store", "url")
BACKUP_TO = ("store", "backup", "to")
SPOOL = ("exec", "spool")
DATABASES = "databases"
BROKERS = "brokers"
NOTIFY = "notify"
ADDRESSED = {(NOTIFY, "channels"), (NOTIFY, "route")}
DEFAULT = "default"
_WITHHELD = """this command was started by mainspring, which did not hand on the address of its store (MAINSPRING_STORE_URL)
and no configuration names one"""
_WITHHELD_HINT = (
    'Allow it: secrets.pass_env = ["MAINSPRING_STORE_URL"] (and "PGPASSWORD"), or exec --pass-env MAINSPRING_STORE_URL.'
)


def load(
    *,
    env: Mapping[str, str],
    cwd: Path,
    uid: int,
    flags: Mapping[str, Any] = MappingProxyType({}),
    config: Path | None = None,
) -> Settings:
    """Return the settings of this process: nothing but files is read, and nothing is created.

    `flags` maps dotted keys to values (None = not given), `config` is `--config`.

    Raises:
        ConfigError: a named file is missing or unreadable, a key is unknown, a value is wrong.
    """
    around = places.Surroundings(env, cwd, uid)
    layers = Layers(around)
    file = places.find_file(around, config)
    written = layers.of_file(file) if file else FileLayers({}, {})
    above = {**layers.of_env(), **layers.of_flags(flags)}
    stated = above.get(ENVIRONMENT) or written.base.get(ENVIRONMENT)
    environment = str(stated.value) if stated else places.PRODUCTION
    own = {**written.environments.get(environment, {}), **above}
    shared = written.base if environment == places.PRODUCTION else _apart(written.base, environment)
    merged = _with_places({**shared, **own}, around, environment)
    sections = {name: _build(section, (name,), merged) for name, section in SECTIONS.items()}
    _check_databases(sections["databases"], sections["store"].url, merged)
    _check_brokers(sections["brokers"], merged)
    _check_notify(sections[NOTIFY], merged)
    _check_due(sections["secrets"], merged)
    sources = {".".join(path): given.source for path, given in merged.items() if known_form(path) in VALUES}
    return Settings(**sections, file=file, folder=file.parent if file else cwd, sources=sources)


def _apart(base: Layer, environment: str) -> Layer:
    """Give `environment` its own names for the places that the file names for all."""
    # What a broker is sent, or a person is told, cannot be called back.
    own = {path: given for path, given in base.items() if path[0] != BROKERS and path[:2] not in ADDRESSED}
    databases = (path for path in base if path[0] == DATABASES and path[-1] == "url" and len(path) == 3)
    for path in (STORE_URL, BACKUP_TO, SPOOL, *databases):
        if path in base:
            given = base[path]
            source = f"{given.source} (named for {environment})"
            if path == STORE_URL or path[0] == DATABASES:
                schema = "public" if path[0] == DATABASES else "mainspring"
                own[path] = Given(places.url_for(given.value, environment, schema=schema), source)
            else:
                own[path] = Given(places.store_for(given.value, environment), source)
    return own


def _with_places(layer: Layer, around: places.Surroundings, environment: str) -> Layer:
    """Add the default store, and the spool beside whichever store it is."""
    if STORE_URL not in layer:
        if STORE_WITHHELD in around.env:
            raise ConfigError(_WITHHELD, hint=_WITHHELD_HINT)
        layer[STORE_URL] = Given(places.store_url(places.default_store(around, environment)), DEFAULT)
    if SPOOL not in layer:
        url = layer[STORE_URL].value
        store = places.default_store(around, environment) if places.is_server_url(url) else places.store_path(url)
        layer[SPOOL] = Given(places.default_spool(store), DEFAULT)
    return layer


def _check_databases(databases: Mapping[str, DatabaseSettings], store: str, layer: Layer) -> None:
    """Raise ConfigError for a database without a place, or one in the place of the store, which is never lent out."""
    for name, database in databases.items():
        if database.url and database.url != store:
            continue
        given = layer.get((DATABASES, name, "url")) or layer[DATABASES, name]
        why = "this is the engine's own store" if database.url else "it names no database"
        hint = "Name one of your own: sqlite:///relative.db, sqlite:////absolute.db or postgresql://USER@HOST:PORT/DATABASE."
        raise ConfigError(f"`{DATABASES}.{name}.url`: {why}\nset by {given.source}", hint=hint)


def _check_brokers(brokers: Mapping[str, BrokerSettings], layer: Layer) -> None:
    """Raise ConfigError for a broker that no message could name, or without an address."""
    for name, broker in brokers.items():
        try:
            check_broker_name(name)
            if not broker.url:
                raise OptionError("it has no address", hint='Write url = "nats://HOST:4222/STREAM".')
        except OptionError as error:
            given = layer.get((BROKERS, name, "url")) or layer[BROKERS, name]
            raise ConfigError(f"`{BROKERS}.{name}`: {error.message}\nset by {given.source}", hint=error.hint) from None


def _check_notify(notify: NotifySettings, layer: Layer) -> None:
    """Raise ConfigError for a channel with a name that none can have, or a route that leads to no channel."""
    path: tuple[str, ...] = (NOTIFY,)
    try:
        for name in notify.channels:
            path = (NOTIFY, "channels", name)
            check_channel_name(name)
        path = (NOTIFY, "route")
        check_routes(notify.route, notify.channels)
    except (OptionError, UnknownNameError) as error:
        why = f"`{'.'.join(path)}`: {error.message}\nset by {layer[path].source}"
        raise ConfigError(why, hint=error.hint) from None


def _check_due(secrets: SecretsSettings, layer: Layer) -> None:
    """Raise ConfigError for the date of a secret that cannot be called so."""
    for name in secrets.due:
        if not SECRET_NAME.fullmatch(name):
            why = (
                f"`{'.'.join(DUE)}.{escape(name, 60)}`: no secret can be called so\nset by {layer[(*DUE, name)].source}"
            )
            raise ConfigError(why, hint="Use a letter, then letters, digits and _ . -, such as GITHUB_HOOK.")


def _build(kind: Any, path: tuple[str, ...], layer: Layer) -> Any:
    if known_form(path) in VALUES:
        return layer[path].value
    if get_origin(kind) is dict:
        names = dict.fromkeys(key[len(path)] for key in layer if len(key) > len(path) and key[: len(path)] == path)
        return {name: _build(get_args(kind)[1], (*path, name), layer) for name in names}
    values: dict[str, Any] = {}
    for one in fields(kind):
        at = (*path, one.name)
        if isinstance(one.type, type) and issubclass(one.type, Struct):
            values[one.name] = _build(one.type, at, layer)
        elif get_origin(one.type) is dict:
            if named := _build(one.type, at, layer):  # none: the field's own default
                values[one.name] = named
        elif at in layer:
            values[one.name] = layer[at].value
    return kind(**values)
