"""The layers that say what is set: the file, the environment's variables, the flags. Each becomes {key path: value with its source}.

Every key is checked and every value typed here, so that a mistake is reported with the place where it was made, and
merging is a plain `dict.update`.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainspring.config import keys
from mainspring.config.places import Surroundings
from mainspring.config.settings import SECTIONS
from mainspring.config.values import Reader, from_text, is_literal_secret, toml_value
from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.domain.incident import IncidentKind
from mainspring.domain.monitors.always import ALWAYS
from mainspring.domain.toml_lines import key_lines
from mainspring.resources.withheld import STORE_WITHHELD

PREFIX = "MAINSPRING_"
_OWN_WORD = "MAINSPRING"
# Read by other parts, before or beside the settings.
NOT_SETTINGS = frozenset(
    {
        *("MAINSPRING_CONFIG", "MAINSPRING_FAILPOINT"),
        # What a command gets that we run: it may call us again.
        *("MAINSPRING_RUN_ID", "MAINSPRING_ATTEMPT", "MAINSPRING_IDEMPOTENCY_KEY", "MAINSPRING_SLOT", STORE_WITHHELD),
    }
)
NOT_SETTINGS_PREFIX = "MAINSPRING_SECRET_"
ENVIRONMENT = ("project", "environment")
DUE = ("secrets", "due")
_OWN_NAMES = (DUE, ("web", "oidc", "roles"))
"""Tables in which a name of the user's stands beside a day or a role: it says nothing of what stands there."""


@dataclass(frozen=True, slots=True)
class Given:
    """A typed value, and where it was set."""

    value: Any
    source: str


Layer = dict[keys.KeyPath, Given]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the values of one layer come from: how a place is told, from which folder relative paths count."""

    tell: Callable[[keys.KeyPath], str]
    folder: Path
    is_text: bool = False
    spell: Callable[[keys.KeyPath], str] = ".".join


@dataclass(frozen=True, slots=True)
class FileLayers:
    """What one file sets: for every environment, and for each named one."""

    base: Layer
    environments: dict[str, Layer]


class Layers:
    """Reads the three layers. Every method raises ConfigError with key, place and the nearest known key."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._reader = Reader(around)

    def of_file(self, path: Path, only: frozenset[keys.KeyPath] | None = None) -> FileLayers:
        """Read the TOML file `path`; with `only`, nothing but these values of it."""
        text = _text_of(path)
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the configuration file is not valid TOML: {error}\nin {path}") from None
        lines = key_lines(text)
        base: Layer = {}
        environments = tree.pop("environments", {})
        self._take_all(base, _picked(tree, only), _file_origin(path, lines, ()))
        named: dict[str, Layer] = {}
        for name, inner in _tables(environments, path):
            origin = _file_origin(path, lines, ("environments", name))
            named[name] = {}
            self._take_all(named[name], _picked(inner, only), origin)
            if ENVIRONMENT in named[name]:
                raise _refused(ENVIRONMENT, origin, "an environment cannot name another one")
        return FileLayers(base, named)

    def of_env(self) -> Layer:
        """Read the variables `MAINSPRING_<SECTION>_<KEY>`, nested keys after `__`; an empty one is not set."""
        layer: Layer = {}
        for name, text in sorted(self._around.env.items()):
            if not name.startswith(PREFIX) or is_for_others(name) or not text:
                continue
            path = _path_of(name.removeprefix(PREFIX))
            source = f"env {name}"
            origin = Origin(lambda _, source=source: source, self._around.cwd, is_text=True, spell=variable)  # type: ignore[misc]
            self._take(layer, path, text, origin)
        return layer

    def of_flags(self, flags: Mapping[str, Any]) -> Layer:
        """Read `{"store.url": value}`; None is not set, text is read as a variable's is."""
        layer: Layer = {}
        for name, value in flags.items():
            if value is not None:
                origin = Origin(lambda _: "flag", self._around.cwd, is_text=isinstance(value, str))
                self._take(layer, tuple(name.split(".")), value, origin)
        return layer

    def _take_all(self, layer: Layer, tree: Mapping[str, Any], origin: Origin) -> None:
        for key, value in tree.items():
            self._take(layer, (key,), value, origin)

    def _take(self, layer: Layer, path: keys.KeyPath, value: Any, origin: Origin) -> None:
        form = keys.known_form(path)
        if path[:-1] not in _OWN_NAMES and is_literal_secret(path[-1], value):
            raise _refused(path, origin, "a secret is never written here", 'Refer to it: "secret:NAME".')
        if form is None:
            raise _unknown(path, origin)
        try:
            if form in keys.VALUES:
                annotation = keys.VALUES[form]
                plain = from_text(annotation, value) if origin.is_text and isinstance(value, str) else value
                layer[path] = Given(self._reader.read(annotation, plain, origin.folder), origin.tell(path))
                return
            if origin.is_text and isinstance(value, str) and value.lstrip().startswith("{"):
                value = toml_value(value)
        except (OptionError, UnknownNameError) as error:
            raise _refused(path, origin, error.message, error.hint) from None
        self._take_table(layer, path, value, origin, form)

    def _take_table(self, layer: Layer, path: keys.KeyPath, value: Any, origin: Origin, form: keys.KeyPath) -> None:
        if isinstance(value, Mapping):
            # A table whose name the user chose exists even when nothing is set in it.
            if form[-1] == "*":
                layer[path] = Given(None, origin.tell(path))
            for key, inner in value.items():
                self._take(layer, (*path, str(key)), inner, origin)
        elif form in keys.SHORT_FOR:
            self._take(layer, (*path, keys.SHORT_FOR[form]), value, origin)
        else:
            beside = keys.inside((*path, "*"))
            hint = f"Known in it: {', '.join(beside)}." if beside else f"Write {origin.spell((*path, 'NAME'))} = ..."
            raise _refused(path, origin, f"expected a table, got {value!r}", hint)


def is_for_others(name: str) -> bool:
    """Tell whether a variable of ours is read by other parts, before or beside the settings."""
    return name in NOT_SETTINGS or name.startswith(NOT_SETTINGS_PREFIX)


def variable(path: keys.KeyPath) -> str:
    """Return the name of the variable that sets `path`: `MAINSPRING_STORE_RETENTION__FAILED`."""
    return PREFIX + "_".join([path[0], "__".join(path[1:])]).strip("_").upper()


def misspelt_variables(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return variables that nothing reads and that were meant for us, each with the name that it should have: MAINSPIRNG_STORE_URL."""
    found = []
    for name in sorted(env):
        word, _, rest = name.partition("_")
        if name.startswith(PREFIX) or not rest or abs(len(word) - len(_OWN_WORD)) > 1:
            continue
        have, want = Counter(word.upper()), Counter(_OWN_WORD)
        if (have - want).total() + (want - have).total() > 2:  # two letters changed place, or one is wrong
            continue
        path = _path_of(rest)
        near = path if keys.known_form(path) else keys.nearest(path)
        if near is not None:
            found.append((name, variable(near if isinstance(near, tuple) else tuple(near.split(".")))))
    return found


def _path_of(rest: str) -> keys.KeyPath:
    """Return the key that a variable's name means, without its prefix."""
    section, _, inner = rest.lower().partition("_")
    return (section, *inner.split("__")) if inner else (section,)


def _picked(tree: Mapping[str, Any], only: frozenset[keys.KeyPath] | None) -> Mapping[str, Any]:
    """Return the tree with nothing but the values that are asked for, each in a section."""
    if only is None:
        return tree
    sections = ((section, key) for section, key in only if isinstance(tree.get(section), Mapping))
    picked: dict[str, dict[str, Any]] = {}
    for section, key in sections:
        if key in tree[section]:
            picked.setdefault(section, {})[key] = tree[section][key]
    return picked


def _file_origin(path: Path, lines: Mapping[keys.KeyPath, int], prefix: keys.KeyPath) -> Origin:
    def tell(key: keys.KeyPath) -> str:
        whole = (*prefix, *key)
        known = (lines[whole[:depth]] for depth in range(len(whole), 0, -1) if whole[:depth] in lines)
        line = next(known, None)
        return f"{path}:{line}" if line else str(path)

    return Origin(tell, path.parent, spell=lambda key: ".".join((*prefix, *key)))


def _tables(environments: Any, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(environments, Mapping) or not all(isinstance(one, Mapping) for one in environments.values()):
        raise ConfigError(
            f"`environments` holds a table for each environment\nin {path}",
            hint="Write [environments.development.store] and the keys below it.",
        )
    return list(environments.items())


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"the configuration file cannot be read: {error.strerror}\n{path}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the configuration file is not UTF-8: {error.reason} at byte {error.start}\nin {path}"
        ) from None


def _refused(path: keys.KeyPath, origin: Origin, why: str, hint: str | None = None) -> ConfigError:
    return ConfigError(f"`{'.'.join(path)}`: {why}\nset by {origin.tell(path)}", hint=hint)


def _unknown(path: keys.KeyPath, origin: Origin) -> ConfigError:
    return ConfigError(f"unknown setting `{origin.spell(path)}`\nset by {origin.tell(path)}", hint=_hint(path, origin))


def _hint(path: keys.KeyPath, origin: Origin) -> str:
    if path[0] in ("script", "scripts"):
        return 'A script stands in a file of its own, scripts.toml, which this file names: [project] automations = ["scripts.toml"].'
    if path[0] == "monitors" and len(path) > 1 and path[1] in ALWAYS:
        return ALWAYS[IncidentKind(path[1])].why
    if path[:2] == ("monitors", "of") and len(path) > 3 and keys.known_form(("monitors", path[3])):
        beside = keys.inside(path[:4])
        if path[3] not in beside:  # no slip in a name
            general = origin.spell(("monitors", path[3]))
            return f"It is set for all automations: {general}. Known there: {', '.join(beside)}."
    near = keys.nearest(path)
    if near:
        return f"Did you mean {origin.spell(tuple(near.split('.')))}?"
    beside = keys.inside(path)
    return f"Known there: {', '.join(beside)}." if beside else f"Sections: {', '.join(SECTIONS)}."
