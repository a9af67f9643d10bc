"""Headers of runs: short texts by name, such as a tenant or the baggage of a trace. They go from a start through all that follows from it.

Fixed at the start: no code changes the headers of a run. A child, a started run, a fork and a continued run have those of the run that
they come from; so has a run that an event or a message starts.
"""

import contextlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.text.escaping import escape, is_plain_line, unescape
from mainspring.domain.text.lazy_pattern import lazy_pattern

MAX_BYTES: Final = 8 * 1024
"""The most bytes of JSON in the headers of one run."""
MESSAGE_HEADER: Final = "mainspring-headers"
"""The header of a message of a broker that carries the headers of its run, as JSON in ASCII."""
BAGGAGE: Final = "baggage"
"""The header of OpenTelemetry's baggage, as W3C defines it. Messages carry it under its own name, too."""
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

_NAME = lazy_pattern(r"[a-z0-9!#$%&'*+.^_`|~-]{1,200}")
_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_DECODE = msgspec.json.Decoder(dict[str, str]).decode


def encode_headers(headers: Mapping[str, str], subject: str = "headers=") -> bytes | None:
    """Return headers as JSON, with names in lower case; None if there are none. `subject` = what an error calls them.

    Raises:
        OptionError: a name or a value cannot be used, or they are too large together.
    """
    if not isinstance(headers, Mapping):
        raise OptionError(
            f"{subject}: expected names with their texts, got {type(headers).__name__}",
            hint='Write headers={"tenant": "acme"}.',
        )
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower() if isinstance(name, str) else ""
        if not _NAME.fullmatch(lower) or lower == MESSAGE_HEADER:
            raise OptionError(
                f"{subject}: {escape(repr(name), 80)} is not a valid name of a header",
                hint="Use up to 200 letters, digits and hyphens.",
            )
        if not isinstance(value, str) or (value and not is_plain_line(value)):
            raise OptionError(
                f"{subject}: the value of {lower!r} is no text in one line (got {type(value).__name__})",
                hint="Headers are texts: pass structured or large values as input.",
            )
        if lower in checked:
            raise OptionError(f"{subject}: {lower!r} is there twice", hint="Names of headers ignore case.")
        checked[lower] = str.__str__(value)  # of a class of its own, it would have no JSON
    if not checked:
        return None
    try:
        data = _ENCODE(checked)
    except UnicodeEncodeError:
        raise OptionError(f"{subject}: a value is no Unicode text", hint="Remove its surrogates.") from None
    if len(data) > MAX_BYTES:
        raise OptionError(
            f"{subject}: {len(data):,} bytes of JSON, the limit is {MAX_BYTES:,}",
            hint="Pass larger values as input, or a reference to them.",
        )
    return data


def decode_headers(data: bytes | None) -> Mapping[str, str]:
    """Return the headers of JSON, read-only; empty for None."""
    return NO_HEADERS if data is None else MappingProxyType(_DECODE(data))


def make_message_headers(data: bytes, own: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a message from a run with the headers `data` (JSON). Its `own` headers take precedence."""
    headers = _DECODE(data)
    text = data.decode("utf-8", "surrogatepass")
    if not text.isascii():  # brokers carry ASCII
        import json  # noqa: PLC0415 - most headers are ASCII

        text = json.dumps(headers, separators=(",", ":"))
    carried = {MESSAGE_HEADER: text}
    if BAGGAGE in headers and headers[BAGGAGE].isascii():
        carried[BAGGAGE] = headers[BAGGAGE]
    return carried | dict(own)


def read_message_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the run of a received message has; what is no valid header is left out."""
    found: dict[str, str] = {}
    with contextlib.suppress(msgspec.MsgspecError, UnicodeEncodeError):
        found = _DECODE(unescape(headers.get(MESSAGE_HEADER, "{}")).encode())
    if BAGGAGE in headers:
        found.setdefault(BAGGAGE, headers[BAGGAGE])
    return keep_valid(found)


def keep_valid(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers from outside that a run can have: a foreign value must not refuse its start. Too large ones are all left out."""
    valid: dict[str, str] = {}
    for name, value in headers.items():
        try:
            encode_headers({name: value})
        except OptionError:
            continue
        valid[name.lower()] = value
    return valid if len(_ENCODE(valid)) <= MAX_BYTES else {}


def add_header(headers: Mapping[str, str], name: str, value: str) -> Mapping[str, str]:
    """Return headers with one more from outside, or without it, if it is not valid or they would be too large together."""
    added = {**headers, name: value}
    try:
        encode_headers(added)
    except OptionError:
        return headers
    return added


def find_common_headers(sources: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the headers that all sources have with the same value: those of a run that several events start together."""
    common: dict[str, str] | None = None
    for headers in sources:
        shared = headers if common is None else common
        common = {name: value for name, value in shared.items() if headers.get(name) == value}
    return common or {}
