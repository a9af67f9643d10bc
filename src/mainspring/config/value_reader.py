"""The reader of one value: from TOML, or the text of a variable or flag, to its type, or an error with the problem.

The caller adds the key and its place.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from mainspring.config.locations import ProcessSurroundings, is_server_url, resolve_store_url
from mainspring.domain.access.permissions import read_role as read_access
from mainspring.domain.definitions.options import OPTIONS, Option
from mainspring.domain.duration import format_duration, parse_duration
from mainspring.domain.errors import MainspringError, OptionError
from mainspring.domain.notifications.digest_schedule import read_digest_schedule
from mainspring.domain.notifications.maintenance_window import read_maintenance_window
from mainspring.domain.notifications.routing import read_route
from mainspring.domain.processes.process_role import read_process_role
from mainspring.domain.redaction.secret_name import SECRET_NAME, SECRET_REFERENCE
from mainspring.domain.redaction.secret_url import is_safe_url, read_secret_url
from mainspring.domain.text.byte_size import parse_size
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.time.calendar import read_days, read_holidays, read_weekdays
from mainspring.domain.time.rate import Rate, parse_rate
from mainspring.domain.values.option_readers import read_share
from mainspring.domain.values.sealing import read_payload_limit

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_SECRET_KEY = lazy_pattern(r"token|password|passwd|secret|api_?key", re.IGNORECASE)
_REFERENCE = "secret:"
_SHORTEST_LEASE, _LONGEST_LEASE = timedelta(seconds=2), timedelta(minutes=10)
_SHORTEST_SENDING = timedelta(seconds=1)
_LARGEST_PORT = 65_535
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
_PUBLIC_URL = lazy_pattern(
    r"https?://([A-Za-z0-9.-]{1,250}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?(/[A-Za-z0-9._~-]+)*/?", re.ASCII
)
_VARIABLE = lazy_pattern(r"[A-Za-z_][A-Za-z0-9_]{0,200}", re.ASCII)
_HOST_NAME = lazy_pattern(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,30}", re.ASCII)
_MODULE = lazy_pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class ValueReader:
    """Reads values; relative paths count from the folder that is passed with each."""

    def __init__(self, around: ProcessSurroundings) -> None:
        self._around = around
        self._special: dict[str, Callable[[Any, Path], Any]] = {
            "size": lambda value, _: parse_size(value),
            "payload size": lambda value, _: read_payload_limit(value),
            "flag provider": lambda value, _: _read_object_name(
                _read_text(value), "flag provider", "shop.flags:provider"
            ),
            "codec": lambda value, _: _read_object_name(_read_text(value), "codec", "billing.keys:codec"),
            "rule": lambda value, _: _read_object_name(_read_text(value), "rule", "billing.faults:of_bank"),
            "span": lambda value, _: parse_duration(value),
            "positive span": lambda value, _: _read_positive_span(parse_duration(value)),
            "sending span": lambda value, _: _read_positive_span(parse_duration(value), at_least=_SHORTEST_SENDING),
            "share": lambda value, _: _read_share(value),
            "lease": lambda value, _: _read_lease(parse_duration(value)),
            "role": lambda value, _: read_process_role(_read_text(value)),
            "weekday": lambda value, _: _read_weekdays(value),
            "holidays": lambda value, _: read_holidays(value),
            "days": lambda value, _: _read_days(value),
            "due day": lambda value, _: _read_due_day(value),
            "bind": lambda value, _: _read_bind(_read_text(value)),
            "public url": lambda value, _: _read_public_url(_read_text(value)),
            "network": lambda value, _: _read_network(_read_text(value)),
            "variable": lambda value, _: _read_variable_name(_read_text(value)),
            "host or network": lambda value, _: _read_host_or_network(_read_text(value)),
            "host name": lambda value, _: read_host_name(_read_text(value)),
            "access role": lambda value, _: read_access(_read_text(value)).value,
            "issuer": lambda value, _: _read_issuer(_read_text(value)),
            "broker url": lambda value, _: _read_broker_url(_read_text(value)),
            "lock url": lambda value, _: _read_lock_url(_read_text(value)),
            "channel": lambda value, _: _read_channel(_read_text(value)),
            "route": lambda value, _: read_route(value),
            "maintenance": lambda value, _: read_maintenance_window(value),
            "digest": lambda value, _: read_digest_schedule(value),
            "pulse url": lambda value, _: read_secret_url(_read_text(value)),
            "secret": lambda value, _: _read_secret(_read_text(value)),
            "secret provider": lambda value, _: _read_secret_provider(_read_text(value)),
            "otlp endpoint": lambda value, _: _read_otlp_endpoint(_read_text(value)),
            "database url": lambda value, folder: _read_database_url(around, _read_text(value), folder),
            "store url": lambda value, folder: resolve_store_url(around, _read_text(value), folder),
            "automations": lambda value, folder: self._automations(_read_text(value), folder),
        }

    def read(self, annotation: Any, value: Any, folder: Path) -> Any:
        """Return `value` as `annotation` requires it. Raises OptionError or UnknownNameError."""
        kind = _strip_none(annotation)
        special = self._special.get(_read_title(kind))
        if special is not None:
            return special(value, folder)
        if (option := _find_option(kind)) is not None:
            return option.read(value)
        if get_origin(kind) is tuple:
            if not isinstance(value, list | tuple):
                raise OptionError(f"expected a list, got {value!r}")
            return tuple(self.read(get_args(kind)[0], item, folder) for item in value)
        if kind is Rate:
            return parse_rate(value)
        if kind is Path:
            return self._around.resolve(_read_text(value), folder)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise OptionError(f"{error}".replace("Expected", "expected", 1).replace("`", "")) from None

    def _automations(self, text: str, folder: Path) -> str:
        """Return a module unchanged, a file or pattern as an absolute path."""
        is_module = _MODULE.fullmatch(text) and not text.endswith((".py", ".toml"))
        return text if is_module else str(self._around.resolve(text, folder))


def parse_text(annotation: Any, text: str) -> Any:
    """Return the value that `text`, of a variable or flag, would be in a file: numbers, switches and lists. Raises OptionError."""
    kind = _strip_none(annotation)
    if (option := _find_option(kind)) is not None:
        return _parse_option_text(option, text)
    if get_origin(kind) is tuple:
        return (
            parse_toml_value(text)
            if text.lstrip().startswith("[")
            else [part.strip() for part in text.split(",") if part.strip()]
        )
    if kind is bool:
        if text.strip().lower() not in _BOOLEANS:
            raise OptionError(f"expected true or false, got {text!r}")
        return _BOOLEANS[text.strip().lower()]
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if base is int and _read_title(kind) not in ("size", "payload size"):
        try:
            return int(text)
        except ValueError:
            raise OptionError(f"expected a whole number, got {text!r}") from None
    return text


def parse_toml_value(text: str) -> Any:
    """Return the value of `text` in TOML. Raises OptionError."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise OptionError(f"{text!r} is not a list or table in TOML") from None


def is_literal_secret(key: str, value: Any) -> bool:
    """Return whether `key = value` contains a secret itself; `secret:NAME` only refers to one, and so does the name of its file."""
    is_named = bool(_SECRET_KEY.search(key)) and not key.endswith("_file")
    return isinstance(value, str) and is_named and not value.startswith(_REFERENCE)


def _strip_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(member for member in get_args(annotation) if member is not type(None))
    return annotation


def _read_title(kind: Any) -> str:
    return next(
        (metadata.title or "" for metadata in getattr(kind, "__metadata__", ()) if isinstance(metadata, msgspec.Meta)),
        "",
    )


def _find_option(kind: Any) -> Option | None:
    return OPTIONS.get(_read_title(kind).removeprefix("option ")) if _read_title(kind).startswith("option ") else None


def _parse_option_text(option: Option, text: str) -> Any:
    """Return text unchanged if the option reads it (`20m`), else as TOML (`5`, `{ attempts = 5 }`)."""
    try:
        option.read(text)
    except MainspringError:
        with suppress(OptionError):
            return parse_toml_value(text)
    return text


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"expected text, got {value!r}")
    return value


def _read_object_name(text: str, kind: str, example: str) -> str:
    module, _, name = text.rpartition(":")
    if not _MODULE.fullmatch(module) or not _MODULE.fullmatch(name):
        raise OptionError(f"{text!r} does not name a {kind}", hint=f'Write "module:name", such as "{example}".')
    return text


def _read_lease(span: timedelta) -> timedelta:
    """Return a lease that outlasts a hiccup of the network, and after which a dead machine's runs do not wait for ever."""
    if not _SHORTEST_LEASE <= span <= _LONGEST_LEASE:
        raise OptionError("expected a span from 2s to 10m")
    return span


def _read_bind(text: str) -> str:
    """Return `host:port`; a bare port is one of loopback, an address of IPv6 is in brackets."""
    host, _, port = text.rpartition(":")
    host = host or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > _LARGEST_PORT or (":" in host) != (host[:1] == "["):
        raise OptionError(
            f"{text!r} is not an address to listen on", hint='Write "127.0.0.1:7171", "[::1]:7171" or "7171".'
        )
    return f"{host}:{int(port)}"


def _read_variable_name(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise OptionError(f"{text[:80]!r} is not a name of a variable", hint='Write "PGPASSWORD".')
    return text


def read_host_name(text: str) -> str:
    """Return the name of a host, in small letters; without a port, because the Host header may have any."""
    if not _HOST_NAME.fullmatch(text):
        raise OptionError(f"{text[:80]!r} is not a name of a host", hint='Write "ops.internal", without a port.')
    return text.lower()


def _read_weekdays(value: Any) -> str:
    """Return a weekday, or the first and the last of several in a row."""
    read_weekdays(value)
    return str(value).strip().upper()


def _read_days(value: Any) -> str:
    """Return a date, or the first and the last of several in a row; TOML's own dates are accepted too."""
    first, last = read_days(value)
    return first.isoformat() if first == last else f"{first.isoformat()}..{last.isoformat()}"


def _read_secret_provider(text: str) -> str:
    from mainspring.integrations.secret_providers import check_provider_address

    return check_provider_address(text)


def _read_database_url(around: ProcessSurroundings, text: str, folder: Path) -> str:
    """Return the address of a database in the forms of a store. It may have names of secrets, which are checked as a value would be."""
    if not SECRET_REFERENCE.search(text):
        return resolve_store_url(around, text, folder)
    if not is_server_url(text.strip()):
        raise OptionError("the address of a file has no secret", hint='Write "sqlite:///app.db".')
    resolve_store_url(around, SECRET_REFERENCE.sub("value", text), folder)
    return text.strip()


def _read_secret(text: str) -> str:
    """Return `secret:NAME`; any other text may be the secret itself, and is not repeated."""
    if not text.startswith(_REFERENCE) or not SECRET_NAME.fullmatch(text.removeprefix(_REFERENCE)):
        raise OptionError(
            "it does not refer to a secret", hint='Write "secret:NAME": a letter, then letters, digits and _ . -'
        )
    return text


def _read_due_day(value: Any) -> str:
    """Return a date; any other text may be the secret itself, and is not repeated."""
    day = value
    if isinstance(value, str):
        with suppress(ValueError):
            day = date.fromisoformat(value.strip())
    if not isinstance(day, date) or isinstance(day, datetime):
        raise OptionError(
            "this is not a date", hint='Write 2027-01-31 or "2027-01-31": the day by which you must renew it.'
        )
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise OptionError(f"the year {day.year} is not possible for a secret", hint='Write such as "2027-01-31".')
    return day.isoformat()


def _is_public_url(text: str) -> bool:
    match = _PUBLIC_URL.fullmatch(text)
    return match is not None and int(match["port"] or 0) <= _LARGEST_PORT


def _read_public_url(text: str) -> str:
    """Return `https://host[:port][/prefix]`, without a slash at its end."""
    if not _is_public_url(text):
        raise OptionError(
            f"{text[:80]!r} is not an address that senders could call",
            hint='Write "https://hooks.example.com", with a path only where a proxy adds one.',
        )
    return text.rstrip("/")


def _read_issuer(text: str) -> str:
    """Return the address of a provider exactly as it names itself: a slash at its end is a part of its name."""
    if not _is_public_url(text) or not is_safe_url(text):
        raise OptionError(
            f"{text[:80]!r} is not the address of an identity provider",
            hint='Write "https://login.example.com", exactly as the provider publishes it.',
        )
    return text


def _read_otlp_endpoint(text: str) -> str:
    """Return `http[s]://host[:port][/prefix]`, without the path of the traces and without a slash at its end."""
    if not _is_public_url(text):
        raise OptionError(
            "it is not the address of a collector",
            hint='Write "http://127.0.0.1:4318". Put a key into headers_secret = "secret:NAME".',
        )
    return text.rstrip("/").removesuffix("/v1/traces")


def _read_broker_url(text: str) -> str:
    from mainspring.integrations.brokers import check_broker_url

    check_broker_url(text)
    return text


def _read_lock_url(text: str) -> str:
    from mainspring.integrations.lock_backends import check_backend_url

    check_backend_url(text)
    return text


def _read_network(text: str) -> str:
    from mainspring.domain.text.ip_networks import read_network

    return read_network(text)


def _read_host_or_network(text: str) -> str:
    from mainspring.domain.text.ip_networks import read_host_or_network

    return read_host_or_network(text)


def _read_channel(text: str) -> str:
    from mainspring.integrations.notifiers import read_channel_address

    read_channel_address(text)
    return text


def _read_share(value: Any) -> float:
    """Return a part of one: 0.3, or "30%"; a variable's number is text."""
    if isinstance(value, str):
        with suppress(ValueError):
            return read_share(float(value))
    return read_share(value)


def _read_positive_span(span: timedelta, *, at_least: timedelta = timedelta(0)) -> timedelta:
    if not span or span < at_least:
        raise OptionError(
            f"expected a span of at least {format_duration(at_least)}" if span else "expected a span above zero"
        )
    return span
