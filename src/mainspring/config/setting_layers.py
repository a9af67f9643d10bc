"""The setting layers: the file, the environment's variables, the flags. Each becomes {key path: value with its source}.

Every key is checked and every value typed here, so that an error is reported with its place, and merging is a plain `dict.update`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from mainspring.config import known_keys
from mainspring.config.locations import ProcessSurroundings
from mainspring.config.settings import MONITORS_SECTION, SECTION_NAMES
from mainspring.config.value_reader import ValueReader, is_literal_secret, parse_text, parse_toml_value
from mainspring.domain.errors import ConfigError, OptionError, UnknownNameError
from mainspring.resources.secret_variables import STORE_WITHHELD_VARIABLE

VARIABLE_PREFIX = "MAINSPRING_"
_PREFIX_WORD = "MAINSPRING"
# Other parts read them, before or in place of the settings.
NOT_SETTINGS = frozenset(
    {
        *("MAINSPRING_CONFIG", "MAINSPRING_FAILPOINT"),
        # Variables for a command that we run: it may call us again.
        *(
            "MAINSPRING_RUN_ID",
            "MAINSPRING_ATTEMPT",
            "MAINSPRING_IDEMPOTENCY_KEY",
            "MAINSPRING_SLOT",
            "MAINSPRING_HEADERS",
            STORE_WITHHELD_VARIABLE,
        ),
    }
)
NOT_SETTINGS_PREFIX = "MAINSPRING_SECRET_"
ENVIRONMENT_KEY = ("project", "environment")
DUE_KEY = ("secrets", "due")
_USER_NAMED_TABLES = (DUE_KEY, ("web", "oidc", "roles"))
"""Tables in which a user's name is beside a day or a role: the name does not show what the value is."""


class SettingValue(Struct, frozen=True):
    """A typed value, and its source."""

    value: Any
    source: str


SettingLayer = dict[known_keys.KeyPath, SettingValue]


class LayerOrigin(Struct, frozen=True):
    """The origin of one layer's values: how a source is named, and from which folder relative paths count."""

    locate: Callable[[known_keys.KeyPath], str]
    folder: Path
    is_text: bool = False
    spell: Callable[[known_keys.KeyPath], str] = ".".join


class FileLayers(Struct, frozen=True):
    """The settings of one file: for every environment, and for each named one."""

    base: SettingLayer
    environments: dict[str, SettingLayer]


class LayerReader:
    """Reads the three layers. Every method raises ConfigError with key, place and the nearest known key."""

    def __init__(self, around: ProcessSurroundings) -> None:
        self._around = around
        self._reader = ValueReader(around)

    def of_file(self, path: Path, only: frozenset[known_keys.KeyPath] | None = None) -> FileLayers:
        """Read the TOML file `path`; with `only`, nothing but these values of it."""
        import tomllib

        from mainspring.domain.text.toml_lines import locate_keys

        text = _read_text(path)
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the configuration file is not valid TOML: {error}\nin {path}") from None
        lines = locate_keys(text)
        base: SettingLayer = {}
        environments = tree.pop("environments", {})
        self._take_all(base, _select_values(tree, only), _file_origin(path, lines, ()))
        named: dict[str, SettingLayer] = {}
        for name, inner in _list_environments(environments, path):
            origin = _file_origin(path, lines, ("environments", name))
            named[name] = {}
            self._take_all(named[name], _select_values(inner, only), origin)
            if ENVIRONMENT_KEY in named[name]:
                raise _setting_error(ENVIRONMENT_KEY, origin, "an environment cannot choose another environment")
        return FileLayers(base, named)

    def of_env(self) -> SettingLayer:
        """Read the variables `MAINSPRING_<SECTION>_<KEY>`, nested keys after `__`; an empty one is not set."""
        layer: SettingLayer = {}
        for name, text in sorted(self._around.env.items()):
            if not name.startswith(VARIABLE_PREFIX) or is_other_variable(name) or not text:
                continue
            path = _parse_variable_name(name.removeprefix(VARIABLE_PREFIX))
            source = f"env {name}"
            origin = LayerOrigin(lambda _, source=source: source, self._around.cwd, is_text=True, spell=variable_name)  # type: ignore[misc]
            self._take(layer, path, text, origin)
        return layer

    def of_flags(self, flags: Mapping[str, Any]) -> SettingLayer:
        """Read `{"store.url": value}`; None is not set, text is read like that of a variable."""
        layer: SettingLayer = {}
        for name, value in flags.items():
            if value is not None:
                origin = LayerOrigin(lambda _: "flag", self._around.cwd, is_text=isinstance(value, str))
                self._take(layer, tuple(name.split(".")), value, origin)
        return layer

    def _take_all(self, layer: SettingLayer, tree: Mapping[str, Any], origin: LayerOrigin) -> None:
        for key, value in tree.items():
            self._take(layer, (key,), value, origin)

    def _take(self, layer: SettingLayer, path: known_keys.KeyPath, value: Any, origin: LayerOrigin) -> None:
        form = known_keys.find_known_key(path)
        if path[:-1] not in _USER_NAMED_TABLES and is_literal_secret(path[-1], value):
            raise _setting_error(
                path, origin, "a configuration must not contain a secret", 'Refer to it: "secret:NAME".'
            )
        if form is None:
            raise _unknown_key_error(path, origin)
        try:
            annotation = known_keys.find_value_type(form)
            if annotation is not None:
                plain = parse_text(annotation, value) if origin.is_text and isinstance(value, str) else value
                layer[path] = SettingValue(self._reader.read(annotation, plain, origin.folder), origin.locate(path))
                return
            if origin.is_text and isinstance(value, str) and value.lstrip().startswith("{"):
                value = parse_toml_value(value)
        except (OptionError, UnknownNameError) as error:
            raise _setting_error(path, origin, error.message, error.hint) from None
        self._take_table(layer, path, value, origin, form)

    def _take_table(
        self, layer: SettingLayer, path: known_keys.KeyPath, value: Any, origin: LayerOrigin, form: known_keys.KeyPath
    ) -> None:
        if isinstance(value, Mapping):
            # A table whose name the user chose exists even if nothing is set in it.
            if form[-1] == "*":
                layer[path] = SettingValue(None, origin.locate(path))
            for key, inner in value.items():
                self._take(layer, (*path, str(key)), inner, origin)
        elif (shorthand := known_keys.find_shorthand(form)) is not None:
            self._take(layer, (*path, shorthand), value, origin)
        else:
            known_names = known_keys.list_names_in_table((*path, "*"))
            hint = (
                f"Known in it: {', '.join(known_names)}."
                if known_names
                else f"Write {origin.spell((*path, 'NAME'))} = ..."
            )
            raise _setting_error(path, origin, f"expected a table, got {value!r}", hint)


def is_other_variable(name: str) -> bool:
    """Return whether other parts read this variable of ours, before or in place of the settings."""
    return name in NOT_SETTINGS or name.startswith(NOT_SETTINGS_PREFIX)


def variable_name(path: known_keys.KeyPath) -> str:
    """Return the name of the variable that sets `path`: `MAINSPRING_STORE_RETENTION__FAILED`."""
    return VARIABLE_PREFIX + "_".join([path[0], "__".join(path[1:])]).strip("_").upper()


def misspelt_variables(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return variables that nothing reads and that were meant for us, each with its correct name: MAINSPIRNG_STORE_URL."""
    misspelt = []
    for name in sorted(env):
        word, _, rest = name.partition("_")
        if name.startswith(VARIABLE_PREFIX) or not rest or abs(len(word) - len(_PREFIX_WORD)) > 1:
            continue
        found_letters, expected_letters = Counter(word.upper()), Counter(_PREFIX_WORD)
        if (found_letters - expected_letters).total() + (
            expected_letters - found_letters
        ).total() > 2:  # two letters changed place, or one is wrong
            continue
        path = _parse_variable_name(rest)
        near = path if known_keys.find_known_key(path) else known_keys.suggest_key(path)
        if near is not None:
            misspelt.append((name, variable_name(near if isinstance(near, tuple) else tuple(near.split(".")))))
    return misspelt


def _parse_variable_name(rest: str) -> known_keys.KeyPath:
    """Return the key of a variable's name, without its prefix."""
    section, _, inner = rest.lower().partition("_")
    return (section, *inner.split("__")) if inner else (section,)


def _select_values(tree: Mapping[str, Any], only: frozenset[known_keys.KeyPath] | None) -> Mapping[str, Any]:
    """Return the tree with nothing but the requested values, each in a section."""
    if only is None:
        return tree
    sections = ((section, key) for section, key in only if isinstance(tree.get(section), Mapping))
    picked: dict[str, dict[str, Any]] = {}
    for section, key in sections:
        if key in tree[section]:
            picked.setdefault(section, {})[key] = tree[section][key]
    return picked


def _file_origin(path: Path, lines: Mapping[known_keys.KeyPath, int], prefix: known_keys.KeyPath) -> LayerOrigin:
    def locate(key: known_keys.KeyPath) -> str:
        whole = (*prefix, *key)
        known = (lines[whole[:depth]] for depth in range(len(whole), 0, -1) if whole[:depth] in lines)
        line = next(known, None)
        return f"{path}:{line}" if line else str(path)

    return LayerOrigin(locate, path.parent, spell=lambda key: ".".join((*prefix, *key)))


def _list_environments(environments: Any, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(environments, Mapping) or not all(isinstance(table, Mapping) for table in environments.values()):
        raise ConfigError(
            f"`environments` must have a table for each environment\nin {path}",
            hint="Write [environments.development.store] and the keys below it.",
        )
    return list(environments.items())


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"the configuration file cannot be read: {error.strerror}\n{path}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the configuration file is not UTF-8: {error.reason} at byte {error.start}\nin {path}"
        ) from None


def _setting_error(path: known_keys.KeyPath, origin: LayerOrigin, problem: str, hint: str | None = None) -> ConfigError:
    return ConfigError(f"`{'.'.join(path)}`: {problem}\nset by {origin.locate(path)}", hint=hint)


def _unknown_key_error(path: known_keys.KeyPath, origin: LayerOrigin) -> ConfigError:
    return ConfigError(
        f"unknown setting `{origin.spell(path)}`\nset by {origin.locate(path)}", hint=_suggest_correction(path, origin)
    )


def _suggest_correction(path: known_keys.KeyPath, origin: LayerOrigin) -> str:
    if path[0] in ("script", "scripts"):
        return (
            "Scripts belong in their own file, scripts.toml. Name it in this file: [project] automations = "
            '["scripts.toml"].'
        )
    if path[0] == MONITORS_SECTION and len(path) > 1 and (reason := _explain_fixed_monitor(path[1])):
        return reason
    if path[:2] == (MONITORS_SECTION, "of") and len(path) > 3 and known_keys.find_known_key((path[0], path[3])):
        known_names = known_keys.list_names_in_table(path[:4])
        if path[3] not in known_names:  # no slip in a name
            general = origin.spell((path[0], path[3]))
            return f"It can only be set for all automations: {general}. Known there: {', '.join(known_names)}."
    near = known_keys.suggest_key(path)
    if near:
        return f"Did you mean {origin.spell(tuple(near.split('.')))}?"
    known_names = known_keys.list_names_in_table(path)
    return f"Known there: {', '.join(known_names)}." if known_names else f"Sections: {', '.join(SECTION_NAMES)}."


def _explain_fixed_monitor(name: str) -> str | None:
    """Return why a monitor cannot be changed; None if it can."""
    from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS

    return next((monitor.why for kind, monitor in FIXED_MONITORS.items() if kind == name), None)
