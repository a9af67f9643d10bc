"""From layers to Settings: flags over variables over the file over the defaults, each value with its source.

Invariant: no environment but production ever gets a place (store, spool, backups) that was named for all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from mainspring.config import places
from mainspring.config.keys import VALUES, known_form
from mainspring.config.layers import ENVIRONMENT, FileLayers, Given, Layer, Layers
from mainspring.config.settings import SECTIONS, Settings

STORE_URL = ("store", "url")
BACKUP_TO = ("store", "backup", "to")
SPOOL = ("exec", "spool")
DEFAULT = "default"


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
    sources = {".".join(path): given.source for path, given in merged.items() if known_form(path) in VALUES}
    return Settings(**sections, file=file, folder=file.parent if file else cwd, sources=sources)


def _apart(base: Layer, environment: str) -> Layer:
    """Give `environment` its own names for the places that the file names for all."""
    own = dict(base)
    for path in (STORE_URL, BACKUP_TO, SPOOL):
        if path in base:
            given = base[path]
            source = f"{given.source} (named for {environment})"
            if path == STORE_URL:
                store = places.store_path(given.value)
                own[path] = Given(places.store_url(places.store_for(store, environment)), source)
            else:
                own[path] = Given(places.store_for(given.value, environment), source)
    return own


def _with_places(layer: Layer, around: places.Surroundings, environment: str) -> Layer:
    """Add the default store, and the spool beside whichever store it is."""
    if STORE_URL not in layer:
        layer[STORE_URL] = Given(places.store_url(places.default_store(around, environment)), DEFAULT)
    if SPOOL not in layer:
        layer[SPOOL] = Given(places.default_spool(places.store_path(layer[STORE_URL].value)), DEFAULT)
    return layer


def _build(section: type[Struct], path: tuple[str, ...], layer: Layer) -> Any:
    values: dict[str, Any] = {}
    for one in fields(section):
        at = (*path, one.name)
        if isinstance(one.type, type) and issubclass(one.type, Struct):
            values[one.name] = _build(one.type, at, layer)
        elif get_origin(one.type) is dict:
            names = dict.fromkeys(key[len(at)] for key in layer if len(key) > len(at) and key[: len(at)] == at)
            if names:
                entry = get_args(one.type)[1]
                values[one.name] = {name: _build(entry, (*at, name), layer) for name in names}
        elif at in layer:
            values[one.name] = layer[at].value
    return section(**values)
