"""One value: from what was written (TOML, or text of a variable or flag) to its type, or an OptionError that says what is wrong with it.

Who calls adds which key it was and where it stands.
"""

import re
import tomllib
from collections.abc import Callable
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from mainspring.config.places import Surroundings, resolve_store_url
from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.rate import Rate, parse_rate
from mainspring.domain.size import parse_size

_SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_SECRETISH = re.compile(r"token|password|passwd|secret|api_?key", re.IGNORECASE)
_REFERENCE = "secret:"
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Reader:
    """Reads values; relative paths count from the folder that is given with each."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._special: dict[str, Callable[[Any, Path], Any]] = {
            "size": lambda value, _: parse_size(value),
            "span": lambda value, _: parse_duration(value),
            "positive span": lambda value, _: _positive(parse_duration(value)),
            "time zone": lambda value, _: _zone(value),
            "store url": lambda value, folder: resolve_store_url(around, _text(value), folder),
            "automations": lambda value, folder: self._automations(_text(value), folder),
        }

    def read(self, annotation: Any, value: Any, folder: Path) -> Any:
        """Return `value` as `annotation` wants it. Raises OptionError."""
        kind = _without_none(annotation)
        special = self._special.get(_title(kind))
        if special is not None:
            return special(value, folder)
        if get_origin(kind) is tuple:
            if not isinstance(value, list | tuple):
                raise OptionError(f"expected a list, got {value!r}")
            return tuple(self.read(get_args(kind)[0], item, folder) for item in value)
        if get_origin(kind) is Literal:
            return _choice(get_args(kind), value)
        if kind is Rate:
            return parse_rate(value)
        if kind is Path:
            return self._around.resolve(_text(value), folder)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise OptionError(f"{error}".replace("Expected", "expected", 1).replace("`", "")) from None

    def _automations(self, text: str, folder: Path) -> str:
        """Modules stay as they are; files and patterns become absolute."""
        is_module = _MODULE.fullmatch(text) and not text.endswith((".py", ".toml"))
        return text if is_module else str(self._around.resolve(text, folder))


def from_text(annotation: Any, text: str) -> Any:
    """Return the value that `text`, of a variable or flag, would be in a file: numbers, switches and lists are read. Raises OptionError."""
    kind = _without_none(annotation)
    if get_origin(kind) is tuple:
        return (
            toml_value(text)
            if text.lstrip().startswith("[")
            else [part.strip() for part in text.split(",") if part.strip()]
        )
    if kind is bool:
        if text.strip().lower() not in _SWITCH:
            raise OptionError(f"expected true or false, got {text!r}")
        return _SWITCH[text.strip().lower()]
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if base is int and _title(kind) != "size":
        try:
            return int(text)
        except ValueError:
            raise OptionError(f"expected a whole number, got {text!r}") from None
    return text


def toml_value(text: str) -> Any:
    """Return the value that `text` is in TOML. Raises OptionError."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise OptionError(f"{text!r} is neither a list nor a table of TOML") from None


def is_literal_secret(key: str, value: Any) -> bool:
    """Tell whether `key = value` writes a secret down; `secret:NAME` only refers to one."""
    return isinstance(value, str) and bool(_SECRETISH.search(key)) and not value.startswith(_REFERENCE)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(one for one in get_args(annotation) if one is not type(None))
    return annotation


def _title(kind: Any) -> str:
    return next((one.title or "" for one in getattr(kind, "__metadata__", ()) if isinstance(one, msgspec.Meta)), "")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"expected text, got {value!r}")
    return value


def _choice(choices: tuple[str, ...], value: Any) -> str:
    if value in choices:
        return str(value)
    close = get_close_matches(str(value), choices, n=1)
    raise OptionError(
        f"expected one of {', '.join(choices)}, got {value!r}", hint=f"Did you mean {close[0]!r}?" if close else None
    )


def _positive(span: timedelta) -> timedelta:
    if not span:
        raise OptionError("expected a span above zero")
    return span


def _zone(value: Any) -> str:
    name = _text(value)
    try:
        return ZoneInfo(name).key
    except (KeyError, OSError, ValueError):  # not found; a folder of zones; no name at all
        close = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Write a name such as Europe/Berlin."
        raise OptionError(f"there is no time zone {name!r}", hint=hint) from None
