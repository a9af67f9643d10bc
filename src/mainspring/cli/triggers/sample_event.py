"""Sample event from a person for `triggers test`: JSON written out, `@file` or `-`; or a recorded request with its headers."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from mainspring.cli.json_values import decode_json, read_text_argument
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.escaping import escape

_REQUEST_KEYS = {"headers", "body", "form"}


class SampleEvent(msgspec.Struct, frozen=True):
    """The bytes, the headers (lower-case names), and the file of the sample, if it came from one."""

    body: bytes
    headers: dict[str, str]
    file: str | None = None

    def value(self, label: str) -> Any:
        """Return the body as JSON data.

        Raises:
            ArgumentError: it is no JSON.
        """
        try:
            return decode_json(self.body, label)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArgumentError(
                f"{label} is not JSON: {error}", hint="Write '{...}', @event.json, or - for stdin."
            ) from None


def read_sample(text: str, headers: tuple[str, ...]) -> SampleEvent:
    """Return the sample event; `headers` = the values of --header.

    An object of just `headers` and `body` (or `form`, fields by name) is a request with these; anything else is the body itself. A body
    that is text is sent unchanged: a signature is over bytes, and JSON can be written in many ways.

    Raises:
        ArgumentError: there is no such file.
        OptionError: a header is none.
    """
    data = read_text_argument(text, "the event")
    file = text[1:] if text.startswith("@") else None
    sample = SampleEvent(data, {}, file)
    try:
        value = decode_json(data, "the event")
    except (ArgumentError, msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if isinstance(value, dict) and "headers" in value and len(value.keys() & _REQUEST_KEYS) == len(value) == 2:
        sample = _read_request(value, file)
    given_headers = dict(_read_header(header) for header in headers)
    return msgspec.structs.replace(sample, headers={**sample.headers, **given_headers})


def _read_request(value: dict[str, Any], file: str | None) -> SampleEvent:
    raw_headers = value["headers"] if isinstance(value["headers"], dict) else {}
    headers = {str(name).lower(): str(value) for name, value in raw_headers.items()}
    if "form" in value and isinstance(value["form"], dict):
        fields = {
            name: field if isinstance(field, str) else msgspec.json.encode(field).decode()
            for name, field in value["form"].items()
        }
        return SampleEvent(urlencode(fields).encode(), headers, file)
    body = value.get("body", value.get("form"))
    return SampleEvent(body.encode() if isinstance(body, str) else msgspec.json.encode(body), headers, file)


def _read_header(text: str) -> tuple[str, str]:
    """Read "name=value" or "name: value", by the sign that comes first."""
    places = [(text.find(sign), sign) for sign in "=:" if sign in text]
    if not places or min(places)[0] == 0:
        raise OptionError(f"{escape(text, 80)!r} is not a header", hint="Write --header x-github-event=push")
    name, _, value = text.partition(min(places)[1])
    return name.strip().lower(), value.strip()
