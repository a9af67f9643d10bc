"""JSON values from a person: written out, `@file`, or `-` for stdin."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import ArgumentError, ConflictError
from mainspring.domain.json_validation import explain_bad_json, measure_json_depth
from mainspring.domain.text.escaping import escape

if TYPE_CHECKING:
    from mainspring.cli.context import Invocation
    from mainspring.domain.values.sealing import Sealing


def read_json_bytes(text: str, label: str) -> bytes:
    """Return the JSON text for an argument.

    Raises:
        ArgumentError: there is no such file, or it is no JSON.
    """
    data = read_text_argument(text, label)
    try:
        decode_json(data, label)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        excerpt = escape(text, 80)
        raise ArgumentError(
            f"{label} is not JSON: {excerpt}\n{explain_bad_json(error, data)}",
            hint="Quote text twice, for JSON and for the shell: '\"approve\"'. Or use @file.json, or - for stdin.",
        ) from None
    return data


def decode_json(data: bytes, label: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ArgumentError: it is nested too deep.
        DecodeError, UnicodeDecodeError: it is no JSON.
    """
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        levels = f"{measure_json_depth(data):,} levels deep"
        raise ArgumentError(
            f"{label}: nested {levels}, which is too deep", hint="Pass a flatter value, or the name of a file."
        ) from None


def read_json_value(text: str, label: str) -> Any:
    """Return the JSON value for an argument; see `read_json_bytes`."""
    return msgspec.json.decode(read_json_bytes(text, label))


def find_sealing(invocation: "Invocation", run_id: str) -> "Sealing":
    """Return the encoding of values for this run: only a holder of its codec can add to values that a codec sealed.

    Raises:
        ConflictError: its codec is not available.
    """
    from mainspring.store.read.runs.run_views import run_view

    view = run_view(invocation.reader, run_id)
    sealing = invocation.sealing
    if view.codec not in (sealing.id, "json"):
        raise ConflictError(
            f"values of run {run_id} are sealed by codec {escape(view.codec, 40)!r}, which this command does not have",
            hint='Name the codec: [store] codec = "module:name", or MAINSPRING_STORE_CODEC. Or do this in a '
            "program that has it.",
        )
    return sealing


def read_text_argument(text: str, label: str) -> bytes:
    """Return the bytes for a text, `@file`, or `-` for stdin. Raises ArgumentError if there is no such file."""
    if text == "-":
        return sys.stdin.buffer.read()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as error:
            raise ArgumentError(f"{label} cannot be read: {error.strerror}\nfrom {escape(text[1:], 200)}") from None
    return text.encode("utf-8", "surrogateescape")
