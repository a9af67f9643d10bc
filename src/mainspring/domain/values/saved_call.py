"""Saved calls and results as bytes, and whether a saved call is still the one the code makes today.

Role: between user functions and the journal. A call is the JSON object {parameter: argument} with defaults filled in. Invariants: the
code gets live the values that a replay would read (decode of encode); two calls are the same if both, read by today's annotations and
written again, give the same bytes, so a new parameter or field with a default is no drift.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.errors import ArgumentError, ValueRefusedError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.canonical_json import encode_canonical, join_path
from mainspring.domain.values.codec import DEFAULT_LIMIT, encode_fast, make_read_error, make_size_error
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.sealing import FILE_MARK

_MAX_TEXT_LENGTH = 200
_ABSENT_TEXT = "(absent)"
_MISSING: Any = object()


class CallDifference(NamedTuple):
    """One difference between a saved call and today's: `was` and `now` are JSON text or "(absent)"."""

    path: str
    was: str
    now: str


def encode_call(
    sig: Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    value_name: str = "arguments",
    *,
    limit: int = DEFAULT_LIMIT,
) -> bytes:
    """Return the canonical JSON of a call.

    Raises:
        ArgumentError: the arguments do not fit the function.
        ValueRefusedError: one of them cannot be saved; its path begins with `$.PARAMETER`.
    """
    return _encode_values(sig, sig.bind(args, kwargs, value_name), value_name, limit)


def decode_call(sig: Signature, data: bytes, value_name: str = "arguments") -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return (args, kwargs) of a saved call, typed by today's annotations.

    Raises:
        ValueRefusedError: today's annotations do not fit the saved call.
    """
    try:
        return sig.arguments_of(sig.call_decoder.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise make_read_error(error, value_name, Any) from None


def roundtrip_call(
    sig: Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    value_name: str = "arguments",
    *,
    limit: int = DEFAULT_LIMIT,
) -> tuple[bytes, tuple[Any, ...], dict[str, Any]]:
    """Return the bytes of a call and the (args, kwargs) that a replay would read from them.

    Raises:
        ArgumentError, ValueRefusedError: as `encode_call` and `decode_call`.
    """
    values = sig.bind(args, kwargs, value_name)
    data = _encode_values(sig, values, value_name, limit)
    exact = sig.exact
    for name, value in values.items():
        if value.__class__ not in exact[name]:
            _refuse_bytes_as_text(sig, values, data, value_name)
            return data, *decode_call(sig, data, value_name)
    return data, args, kwargs


def is_same_call(sig: Signature, saved: bytes, now: bytes) -> bool:
    """Return whether both are one call by today's code; False if the saved one cannot be read."""
    if saved == now:
        return True
    try:
        return _normalize(sig, saved) == _normalize(sig, now)
    except (ValueRefusedError, ArgumentError):
        return False


def compare_calls(sig: Signature, saved: bytes, now: bytes) -> list[CallDifference]:
    """Return each place where the calls differ, in the order of the paths; empty if they are the same."""
    try:
        was, is_now = _normalize(sig, saved), _normalize(sig, now)
    except (ValueRefusedError, ArgumentError):
        was, is_now = saved, now
    return compare_values(was, is_now)


def compare_values(was: bytes, now: bytes) -> list[CallDifference]:
    """Return each place where two JSON values differ, in the order of the paths."""
    if FILE_MARK not in was and FILE_MARK not in now:
        return list(_find_differences(msgspec.json.decode(was), msgspec.json.decode(now), "$"))
    from mainspring.domain.values.stored_file import decode_without_keys  # noqa: PLC0415 - few values name a file

    return list(_find_differences(decode_without_keys(was), decode_without_keys(now), "$"))


def encode_result(sig: Signature, value: object, value_name: str = "result", *, limit: int = DEFAULT_LIMIT) -> bytes:
    """Return the canonical JSON of a result.

    Raises:
        ValueRefusedError: it cannot be saved.
    """
    data = encode_fast(value)
    if data is None:
        data = encode_canonical(value, value_name, sig.result_decoder.decode)
    if len(data) > limit:
        raise make_size_error(data, value_name, limit)
    return data


def decode_result(sig: Signature, data: bytes, value_name: str = "result") -> Any:
    """Return a saved result, typed by today's annotation.

    Raises:
        ValueRefusedError: today's annotation does not fit the saved result.
    """
    try:
        return sig.result_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise make_read_error(error, value_name, sig.returns) from None


def roundtrip_result(
    sig: Signature, value: Any, value_name: str = "result", *, limit: int = DEFAULT_LIMIT
) -> tuple[bytes, Any]:
    """Return the bytes of a result and the value that a replay would read from them.

    Raises:
        ValueRefusedError: it cannot be saved, or does not fit its annotation.
    """
    data = encode_result(sig, value, value_name, limit=limit)
    if value.__class__ in sig.exact_result:
        return data, value
    return data, decode_result(sig, data, value_name)


def _refuse_bytes_as_text(sig: Signature, values: dict[str, Any], data: bytes, value_name: str) -> None:
    """Raise ValueRefusedError for bytes that the function would get as text in base64, because its annotation has both."""
    names = [name for name, value in values.items() if isinstance(value, bytes | bytearray) and name in sig.by_name]
    if not any(sig.by_name[name].annotation is not Any for name in names):
        return
    saved = sig.values_of(data)
    for name in names:
        if sig.by_name[name].annotation is not Any and isinstance(saved.get(name), str):
            hint = "Pass text, or call it in a step of your own that makes the bytes."
            raise ValueRefusedError(value_name, f"$.{name}", "bytes would become text in base64", hint=hint)


def _encode_values(sig: Signature, values: dict[str, Any], value_name: str, limit: int) -> bytes:
    data = encode_fast(values)
    if data is None:
        data = encode_canonical(values, value_name, sig.values_of)
    if len(data) > limit:
        raise make_size_error(data, value_name, limit)
    return data


def _normalize(sig: Signature, data: bytes) -> bytes:
    args, kwargs = decode_call(sig, data)
    return encode_canonical(sig.bind(args, kwargs, "saved arguments"), "saved arguments", sig.values_of)


def _find_differences(was: Any, now: Any, path: str) -> Iterator[CallDifference]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted(was.keys() | now.keys()):
            yield from _find_differences(was.get(key, _MISSING), now.get(key, _MISSING), join_path(path, key))
    elif isinstance(was, list) and isinstance(now, list):
        for index in range(max(len(was), len(now))):
            before = was[index] if index < len(was) else _MISSING
            after = now[index] if index < len(now) else _MISSING
            yield from _find_differences(before, after, f"{path}[{index}]")
    elif type(was) is not type(now) or was != now:
        yield CallDifference(path, _format_json(was), _format_json(now))


def _format_json(value: Any) -> str:
    if value is _MISSING:
        return _ABSENT_TEXT
    return escape(msgspec.json.encode(value, order="deterministic").decode(), _MAX_TEXT_LENGTH)
