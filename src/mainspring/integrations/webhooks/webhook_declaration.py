"""Declaration of a webhook, in Python or in a file: how its options are read and checked."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.byte_size import format_size, parse_size
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.header_template import normalize_header_names
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.domain.triggers.webhooks.webhook import DEFAULT_RESULT_WAIT, ResponseMode, Webhook
from mainspring.domain.values.template import split_template
from mainspring.integrations.verifiers import VERIFIERS, find_declaration, find_verifier
from mainspring.integrations.webhooks.stored_headers import check_secrets_in_key

RESERVED_PATHS = ("/healthz", "/readyz", "/metrics")
"""Paths that the listener answers itself, or that people expect there."""
MAX_BODY_BYTES = 16 * 1024 * 1024
_SEGMENT = lazy_pattern(r"[A-Za-z0-9._~-]+", re.ASCII)
_LONGEST_PATH = 200
_LONGEST_WAIT = timedelta(minutes=5)
_KEY_FIELDS = ("headers", "data", "name")


def parse_webhook(
    path: Any,
    *,
    verify: Any = None,
    key: Any = None,
    respond: Any = None,
    wait: Any = None,
    max_body: Any = None,
) -> Webhook:
    """Return the declared webhook. `respond` = "run" if left out, for Slack "nothing".

    Raises:
        OptionError: an option cannot be used; a verifier must be stated, at least `ms.verify.none()`.
        UnknownNameError: no such verifier, or a key over a field that no delivery has.
    """
    verifier = read_verifier(verify)
    default = find_verifier(verifier.kind).default_response
    return Webhook(
        path=_read_path(path),
        verify=verifier,
        key=None if key is None else _read_key(key, verifier),
        respond=default if respond is None else _read_response_mode(respond),
        wait=DEFAULT_RESULT_WAIT if wait is None else _read_wait(wait),
        max_body=None if max_body is None else _read_max_body(max_body),
    )


def read_verifier(value: Any) -> VerifierOptions:
    """Return the stated verifier: one of `ms.verify`, text ("github:SECRET_NAME", "none") or a table with `kind`.

    Raises:
        OptionError: it is none of these.
        UnknownNameError: no such kind of verifier.
    """
    if isinstance(value, VerifierOptions):
        return value
    if value is None:
        raise OptionError(
            "a webhook has to state who may send to it",
            hint='Write verify=ms.verify.github("SECRET_NAME"), in a file verify = "github:SECRET_NAME". '
            "verify=ms.verify.none() accepts requests from any sender.",
        )
    if isinstance(value, str):
        kind, _, names = value.partition(":")
        value = {"kind": kind.strip(), "secrets": [name.strip() for name in names.split(",") if name.strip()]}
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise OptionError(
            "this is not a verifier",
            hint='Write verify=ms.verify.github("SECRET_NAME"), in a file verify = "github:SECRET_NAME" '
            'or verify = { kind = "hmac", secrets = ["SECRET_NAME"], header = "X-Signature" }.',
        )
    kind = value["kind"]
    if kind not in VERIFIERS:
        raise UnknownNameError("verifier", kind[:100], VERIFIERS)
    options = {name: item for name, item in value.items() if name not in ("kind", "secrets")}
    secrets = value.get("secrets", ())
    if not isinstance(secrets, str | list | tuple):
        raise OptionError("these are not names of secrets", hint='Write secrets = ["SECRET_NAME"].')
    try:
        return find_declaration(kind)(*([secrets] if isinstance(secrets, str) else secrets), **options)
    except TypeError as error:
        raise OptionError(
            f"a verifier cannot be created: {error}",
            hint="The verifiers and their arguments: mainspring docs show webhooks",
        ) from None


def _read_path(value: Any) -> str:
    """Read a path. Paths are exact and plain, so that no proxy and no sender reads another one out of them."""
    quoted = repr(value)[:100]
    if not isinstance(value, str) or not value.startswith("/") or value == "/":
        raise OptionError(f"{quoted} is not a path of a webhook", hint='Start with a slash and a name: "/github".')
    if len(value) > _LONGEST_PATH:
        raise OptionError(f"the path has {len(value)} characters", hint=f"At most {_LONGEST_PATH} are possible.")
    segments = value.removeprefix("/").split("/")
    if "" in segments:
        raise OptionError(f"{quoted} has an empty part", hint="Write one slash between two parts, and none at the end.")
    if "." in segments or ".." in segments:
        raise OptionError(f"{quoted} leads elsewhere", hint='Leave out "." and "..".')
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            raise OptionError(
                f"{quoted} has a part that is not a plain word: {segment[:60]!r}",
                hint="Use letters, digits and . _ ~ - only. Put variable parts into the body.",
            )
    if value in RESERVED_PATHS:
        raise OptionError(f"{quoted} is answered by the listener itself", hint=f'Choose another one: "/hooks{value}".')
    return value


def _read_key(value: Any, verifier: VerifierOptions) -> str:
    """Read the template; `{headers.x-request-id}` may be written like the header."""
    if not isinstance(value, str) or not value.strip():
        raise OptionError(f"{repr(value)[:80]} is not a key", hint='Write "{headers.x-request-id}" or "{data.id}".')
    template = normalize_header_names(value)
    names = [name for _, name, _ in split_template(template) if name]
    if not names:
        raise OptionError(
            f"the key {value[:80]!r} is the same for each delivery, so that only the first would count",
            hint='Name what tells one from the other: "{headers.x-request-id}" or "{data.id}".',
        )
    for name in names:
        first, _, rest = name.partition(".")
        if first not in _KEY_FIELDS:
            raise UnknownNameError("name in the key", first, _KEY_FIELDS)
        if (first == "headers" and (not rest or "." in rest)) or (first == "name" and rest):
            raise OptionError(f"{{{name}}} is not a single value", hint="Name one header: {headers.x-request-id}.")
    check_secrets_in_key(verifier, template)
    return template


def _read_response_mode(value: Any) -> ResponseMode:
    try:
        return ResponseMode(value)
    except ValueError:
        raise OptionError(
            f"respond={repr(value)[:80]} is none of the choices", hint=f"Choose one of {', '.join(ResponseMode)}."
        ) from None


def _read_wait(value: Any) -> timedelta:
    span = parse_duration(value)
    if not timedelta(0) < span <= _LONGEST_WAIT:
        raise OptionError(f"wait={value!r} is not valid", hint='Write a span up to "5m": most senders wait no longer.')
    return span


def _read_max_body(value: Any) -> int:
    size = parse_size(value)
    if not 0 < size <= MAX_BODY_BYTES:
        raise OptionError(f"max_body={value!r} is not valid", hint=f"Write a size up to {format_size(MAX_BODY_BYTES)}.")
    return size
