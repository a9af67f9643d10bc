"""What arrived, as people may see it: a body as far as it can be read, headers without what proves who sent them."""

import base64
import re
from typing import Any, Final

import msgspec

from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.text.formatting import escape_line
from mainspring.resources.known_secrets import KNOWN_SECRETS

NOT_SHOWN: Final = "(not shown)"
_WINDOW = 10
_SECRET_HEADER = re.compile(r"signature|token|secret|authorization|cookie|passw|api-?key|credential", re.IGNORECASE)


def remove_secret_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return headers without what proves who sent them: that is for whoever checks it, and nobody else."""
    return {name: NOT_SHOWN if _SECRET_HEADER.search(name) else value for name, value in headers.items()}


def read_headers(data: bytes | None) -> dict[str, str]:
    """Return the harmless headers of a delivery; none where they are sealed by a codec that is not at hand, which is told."""
    try:
        return remove_secret_headers({} if data is None else msgspec.json.decode(data, type=dict[str, str]))
    except msgspec.MsgspecError:
        return {}


def decode_body(body: bytes) -> Any:
    """Return a body as JSON data, else as text, else as base64."""
    found = decode_value(body)
    if isinstance(found, dict) and found.keys() == {"base64"}:
        try:
            return body.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(body).decode()}
    return found


def format_value(body: bytes, limit: int) -> tuple[str, int]:
    """Return a body as text of at most so many characters, without secrets, and how long all of it is; JSON has a line for each part."""
    found = decode_body(body)
    if isinstance(found, str):
        text = KNOWN_SECRETS.redact(found)
    else:
        text = msgspec.json.format(msgspec.json.encode(KNOWN_SECRETS.redactor.redact_data(found)), indent=2).decode()
    return text[:limit], len(text)


def format_value_line(body: bytes, limit: int) -> str:
    """Return the beginning of a body on one line, without a secret; of a megabyte only what stands around that is looked at."""
    # A secret at the end of what is looked at may be cut, so that it is not known any more: that end is never shown.
    return escape_line(KNOWN_SECRETS.redact(body[: _WINDOW * limit].decode(errors="replace")), limit)
