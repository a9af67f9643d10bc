"""An event as a person gives it to `triggers test`: JSON written out, `@file` or `-`; or a recorded request with its headers."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from mainspring.cli.json_values import decode_json, read_text_argument
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.escaping import escape

_REQUEST_KEYS = {"headers", "body", "form"}


class SampleEvent(msgspec.Struct, frozen=True):
    """What arrives: the bytes, the headers (lower-case names), and the file that it was read from, if it was one."""

    body: bytes
    headers: dict[str, str]
    file: str | None = None

    def value(self, what: str) -> Any:
        """Return the body as JSON data.

        Raises:
            ArgumentError: it is no JSON.
        """
        try:
            return decode_json(self.body, what)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArgumentError(
                f"{what} is no JSON: {error}", hint="Write '{...}', @event.json, or - for stdin."
            ) from None


def read_sample(text: str, headers: tuple[str, ...]) -> SampleEvent:
    """Return the event that is meant; `headers` = what was given with --header.

    An object of just `headers` and `body` (or `form`, fields by name) is a request with these; anything else is the body itself. A body
    that is text is sent as it stands: a signature is over bytes, and JSON can be written in many ways.

    Raises:
        ArgumentError: there is no such file.
        OptionError: a header is none.
    """
    data = read_text_argument(text, "the event")
    file = text[1:] if text.startswith("@") else None
    found = SampleEvent(data, {}, file)
    try:
        value = decode_json(data, "the event")
    except (ArgumentError, msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if isinstance(value, dict) and "headers" in value and len(value.keys() & _REQUEST_KEYS) == len(value) == 2:
        found = _read_request(value, file)
    given = dict(_read_header(one) for one in headers)
    return msgspec.structs.replace(found, headers={**found.headers, **given})


def _read_request(value: dict[str, Any], file: str | None) -> SampleEvent:
    stated = value["headers"] if isinstance(value["headers"], dict) else {}
    headers = {str(name).lower(): str(said) for name, said in stated.items()}
    if "form" in value and isinstance(value["form"], dict):
        fields = {
            name: one if isinstance(one, str) else msgspec.json.encode(one).decode()
            for name, one in value["form"].items()
        }
        return SampleEvent(urlencode(fields).encode(), headers, file)
    body = value.get("body", value.get("form"))
    return SampleEvent(body.encode() if isinstance(body, str) else msgspec.json.encode(body), headers, file)


def _read_header(text: str) -> tuple[str, str]:
    """Read "name=value" or "name: value", whichever sign comes first."""
    places = [(text.find(sign), sign) for sign in "=:" if sign in text]
    if not places or min(places)[0] == 0:
        raise OptionError(f"{escape(text, 80)!r} is no header", hint="Write --header x-github-event=push")
    name, _, value = text.partition(min(places)[1])
    return name.strip().lower(), value.strip()
