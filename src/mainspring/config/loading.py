"""From layers to Settings: flags over variables over the file over the defaults, each value with its source.

Invariant: no environment but production ever gets a place (store, spool, backups, databases, brokers, channels) that was named for all of
them.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from mainspring.config import places
from mainspring.config.keys import VALUES, KeyPath, known_form
from mainspring.config.layers import (
    DUE,
    ENVIRONMENT,
    PREFIX,
    FileLayers,
    Given,
    Layer,
    Layers,
    is_for_others,
    variable,
)
from mainspring.config.notify_settings import NotifySettings
from mainspring.config.settings import SECTIONS, BrokerSettings, DatabaseSettings, SecretsSettings, Settings
from mainspring.domain.channel import check_channel_name
from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.domain.queue_name import check_broker_name
from mainspring.domain.route import check_routes
from mainspring.domain.secret_name import SECRET_NAME
from mainspring.domain.text import escape
from mainspring.resources.withheld import STORE_WITHHELD

STORE_URL = ("store", "url")
BACKUP_TO = ("store", "backup", "to")
SPOOL = ("exec", "spool")
DATABASES = "databases"
BROKERS = "brokers"
NOTIFY = "notify"
ADDRESSED = {(NOTIFY, "channels"), (NOTIFY, "route")}
DEFAULT = "default"
UNCLAIMED = "unclaimed-"
"""How the folders begin that hold records of which no one knows the store."""
_PLACES = frozenset({STORE_URL, SPOOL, ENVIRONMENT})
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
    file = places.find_file(around, config)
    merged = _merge(around, flags, file)
    sections = {name: _build(section, (name,), merged) for name, section in SECTIONS.items()}
    _check_databases(sections["databases"], sections["store"].url, merged)
    _check_brokers(sections["brokers"], merged)
    _check_notify(sections[NOTIFY], merged)
    _check_due(sections["secrets"], merged)
    sources = {".".join(path): given.source for path, given in merged.items() if known_form(path) in VALUES}
    spare = None
    with suppress(ConfigError):  # no home folder
        spare = places.spare_spool(around, sections["store"].url)
    return Settings(
        **sections,
        file=file,
        folder=file.parent if file else cwd,
        spare_spool=None if spare == sections["exec"].spool else spare,
        sources=sources,
    )


def spool_without_settings(
    *, env: Mapping[str, str], cwd: Path, uid: int, flags: Mapping[str, Any], config: Path | None
) -> tuple[Path, bool]:
    """Return where records go when the settings cannot be read, and whether that is the spool of a store that is named.

    The store is known although something else is wrong. Where it is not, the folder belongs to this broken configuration alone, and no
    store ever takes it in by itself: it might be another project's.

    Raises:
        ConfigError: the user has no home folder.
    """
    of_places = {variable(path) for path in _PLACES}
    known = {name: text for name, text in env.items() if not name.startswith(PREFIX) or name in of_places}
    around = places.Surroundings(known, cwd, uid)
    file: Path | None = None
    with suppress(ConfigError, OSError):
        file = places.find_file(places.Surroundings(env, cwd, uid), config)
        named = {path: value for path, value in flags.items() if tuple(path.split(".")) in _PLACES}
        merged = _merge(around, named, file, only=_PLACES)
        if merged[STORE_URL].source != DEFAULT:
            return merged[SPOOL].value, True
    ours = (
        f"{name}={text}" for name, text in sorted(env.items()) if name.startswith(PREFIX) and not is_for_others(name)
    )
    what = "\x1f".join((str(flags.get("store.url")), str(config), str(file), *ours))
    mark = hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return places.state_folder(around) / f"{UNCLAIMED}{mark}", False


def _merge(
    around: places.Surroundings, flags: Mapping[str, Any], file: Path | None, only: frozenset[KeyPath] | None = None
) -> Layer:
    """Return every value that is set, with the places filled in; with `only`, nothing but these is read of the file."""
    layers = Layers(around)
    written = layers.of_file(file, only) if file else FileLayers({}, {})
    above = {**layers.of_env(), **layers.of_flags(flags)}
    stated = above.get(ENVIRONMENT) or written.base.get(ENVIRONMENT)
    environment = str(stated.value) if stated else places.PRODUCTION
    own = {**written.environments.get(environment, {}), **above}
    shared = written.base if environment == places.PRODUCTION else _apart(written.base, environment)
    return _with_places({**shared, **own}, around, environment)


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
    """Add the default store, and the spool: beside a file; else, and in a folder that was named, one for each store."""
    if STORE_URL not in layer:
        if STORE_WITHHELD in around.env:
            raise ConfigError(_WITHHELD, hint=_WITHHELD_HINT)
        layer[STORE_URL] = Given(places.store_url(places.default_store(around, environment)), DEFAULT)
    url = layer[STORE_URL].value
    if SPOOL in layer:
        given = layer[SPOOL]
        layer[SPOOL] = Given(given.value / places.store_mark(url, around.env), given.source)
    elif places.is_server_url(url):
        layer[SPOOL] = Given(places.spare_spool(around, url), DEFAULT)
    else:
        layer[SPOOL] = Given(places.default_spool(places.store_path(url)), DEFAULT)
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
