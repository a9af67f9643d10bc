"""A prepared call: the options of an HTTP action, read and checked, before anything is sent."""

import contextlib
import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict
from urllib.parse import urlencode

import msgspec

from mainspring.actions.base.project_settings import current_project
from mainspring.actions.http.address_guard import AddressGuard, CallTarget, read_target
from mainspring.actions.http.reply import CONFIDENTIAL_HEADERS, SELECTED_HEADERS
from mainspring.actions.http.secret_texts import SecretSource, SecretTexts, is_reference
from mainspring.app.secret import Secret
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import ArgumentError, OptionError, UnknownOptionError, ValueRefusedError
from mainspring.domain.redaction.redactor import MASK
from mainspring.domain.redaction.secret_detection import SECRET_FIELD_NAME
from mainspring.domain.values.canonical_json import require_json
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.version import __version__

DEFAULT_TIMEOUT = "30s"
DEFAULT_MAX_BYTES = 10 * 1024 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,29}", re.ASCII)
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN_HEADERS = frozenset("host content-length transfer-encoding connection te trailer upgrade".split())
_FORBIDDEN_METHODS = frozenset({"CONNECT", "TRACE"})
_SUCCESS = frozenset(range(200, 300))
_LONGEST_TEXT = 1_048_576
"""Bytes of a body that is searched for secrets."""


class CallOptions(TypedDict, total=False):
    """The options of one request.

    `json`, `data` = the body: any JSON value; bytes, text or a mapping for a form. `params` = added to the query. `headers` = more headers.
    `bearer`, `auth` = `"secret:NAME"` of a token, or of USER:PASSWORD. Addresses, parameters and headers may contain `{secret:NAME}`.
    `timeout` = of the whole call with its redirects. `expect` = statuses that count as success (default 200 to 299).
    `allow` = hosts and networks that are not public and may be called. `keep` = more headers of the response that the reply has.
    `max_bytes` = the largest body of a response.
    """

    json: Any
    data: bytes | str | Mapping[str, Any]
    params: Mapping[str, Any]
    headers: Mapping[str, str | Secret]
    bearer: SecretSource
    auth: SecretSource
    timeout: SpanInput
    expect: int | Iterable[int]
    allow: Sequence[str]
    keep: Sequence[str]
    max_bytes: int


@dataclass(frozen=True)
class PreparedCall:
    """A call that can be sent. `url` = the address as it was written; `identity` = what the call is about, without secrets."""

    method: str
    url: str
    target: CallTarget
    headers: dict[str, str]
    content: bytes
    guard: AddressGuard
    secrets: SecretTexts
    identity: dict[str, Any]
    timeout_s: float
    expect: frozenset[int] = _SUCCESS
    reply_headers: frozenset[str] = SELECTED_HEADERS
    max_bytes: int = DEFAULT_MAX_BYTES
    is_keyed: bool = False
    has_total_timeout: bool = True
    confidential: frozenset[str] = field(default_factory=frozenset)
    """The headers that only the origin of the address gets."""
    options: CallOptions = field(default_factory=CallOptions, repr=False)

    @property
    def place(self) -> str:
        """Method and address for people, without query and secrets."""
        return f"{self.method} {self.secrets.hide(self.target.place)}"

    @property
    def body_text(self) -> str | None:
        """The body as text; a long one as its hash."""
        if len(self.content) > _LONGEST_TEXT:
            return hashlib.sha256(self.content).hexdigest()
        is_json = "json" in self.options
        # The order of the fields of a dictionary does not matter.
        body = msgspec.json.encode(self.options["json"], order="deterministic") if is_json else self.content
        return body.decode("utf-8", "backslashreplace")

    def with_headers(self, headers: Mapping[str, str]) -> "PreparedCall":
        """Return the call with more headers; those that the caller wrote stay."""
        return replace(self, headers={**headers, **self.headers})

    def renew(self) -> "PreparedCall | None":
        """Return the call with the newest secrets in its headers, after a target refused them; None if they are the same."""
        if not self.secrets.refresh():
            return None
        secrets = SecretTexts()
        headers, confidential = _read_headers(self.options, secrets)
        secrets.hide_also(self.secrets)
        return replace(self, headers={**self.headers, **headers}, secrets=secrets, confidential=confidential)


def require_known_options(options: CallOptions, known: Iterable[str]) -> None:
    """Raise UnknownOptionError if a call has an option that is not known."""
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise UnknownOptionError("this HTTP action", unknown, known)


def prepare_call(method: str, url: str, options: CallOptions) -> PreparedCall:
    """Read the options of a call.

    Raises:
        ArgumentError, OptionError, UnknownOptionError: an option cannot be used.
        HttpAddressError: the address cannot be used.
        ConfigError: a secret is not set.
    """
    require_known_options(options, CallOptions.__annotations__)
    secrets = SecretTexts()
    target = _read_url(url, options.get("params"), secrets)
    content, content_type = _read_body(options)
    headers, confidential = _read_headers(options, secrets)
    if content_type and "content-type" not in headers:
        headers["content-type"] = content_type
    more_headers = frozenset(name.lower() for name in options.get("keep", ())) - CONFIDENTIAL_HEADERS
    return PreparedCall(
        _read_method(method),
        url,
        target,
        headers,
        content,
        AddressGuard(_list_allowed(options.get("allow", ()))),
        secrets,
        _make_identity(method, url, options, content),
        _read_timeout(options.get("timeout", DEFAULT_TIMEOUT)),
        _read_expected(options.get("expect", _SUCCESS)),
        SELECTED_HEADERS | more_headers,
        _read_max_bytes(options.get("max_bytes", DEFAULT_MAX_BYTES)),
        confidential=confidential,
        options=options,
    )


def _read_method(method: str) -> str:
    if not isinstance(method, str) or not _METHOD.fullmatch(method.upper()) or method.upper() in _FORBIDDEN_METHODS:
        raise ArgumentError(f"{method!r} is not a method that can be sent", hint='Write "GET", "POST", "PUT", ...')
    return method.upper()


def _read_url(url: str, params: Mapping[str, Any] | None, secrets: SecretTexts) -> CallTarget:
    if not isinstance(url, str):
        return read_target(url)
    filled = secrets.fill_quoted(url.partition("#")[0])
    if params:
        pairs = {
            name: [_read_param(name, item, secrets) for item in value]
            if isinstance(value, list | tuple)
            else _read_param(name, value, secrets)
            for name, value in params.items()
        }
        with _refuse_surrogates("params"):
            filled += ("&" if "?" in filled else "?") + urlencode(pairs, doseq=True)
    return read_target(filled)


def _read_param(name: str, value: object, secrets: SecretTexts) -> str:
    """Return the value of a parameter. Parameters are often data of others, so text in them names no secret."""
    if isinstance(value, Secret):
        return secrets.fill_header(value)
    text = str(value)
    if is_reference(text):
        raise OptionError(
            f"params={{{name!r}: ...}} has the form of a secret's name",
            hint=f'Write params={{{name!r}: ms.secret("NAME")}}, or "?{name}={{secret:NAME}}" in the address. '
            "Text in a parameter names no secret, because it may be data of others.",
        )
    return text


def _read_body(options: CallOptions) -> tuple[bytes, str | None]:
    """Return the body and its type."""
    if "json" in options and "data" in options:
        raise OptionError("json= and data= are both the body of the request", hint="Pass one of them.")
    if "json" in options:
        return _encode_json(options["json"]), "application/json"
    data = options.get("data", b"")
    with _refuse_surrogates("data"):
        if isinstance(data, Mapping):
            return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
        if isinstance(data, str):
            return data.encode(), "text/plain; charset=utf-8"
    if not isinstance(data, bytes):
        raise OptionError(f"data= is {type(data).__name__}", hint="Pass bytes, text or a mapping for a form.")
    return data, "application/octet-stream" if data else None


def _encode_json(value: Any) -> bytes:
    """Return the JSON of a body, in which nothing became something else: msgspec alone writes null for NaN."""
    try:
        require_json(value)
        return msgspec.json.encode(value)
    except ValueRefusedError as error:
        hint = "Pass plain data: None, bool, finite numbers, text, lists, and dictionaries with text as keys."
        raise OptionError(f"json= is not JSON: {error.reason}\nat {error.path}", hint=hint) from None
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise OptionError(f"json= is not JSON: {error}") from None


@contextlib.contextmanager
def _refuse_surrogates(option: str) -> Iterator[None]:
    """Raise the error of an option whose text has no bytes in UTF-8."""
    try:
        yield
    except UnicodeEncodeError:
        raise OptionError(
            f"{option}= contains a lone surrogate, which is not a character", hint="Escape the text first."
        ) from None


def _read_headers(options: CallOptions, secrets: SecretTexts) -> tuple[dict[str, str], frozenset[str]]:
    """Return the headers by name in small letters, and the names of those with a secret."""
    headers = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": f"mainspring/{__version__}"}
    confidential = set()
    for written, text in options.get("headers", {}).items():
        name = written.lower()
        if name in _OWN_HEADERS or not _HEADER_NAME.fullmatch(name):
            raise OptionError(f"headers= cannot have the header {written[:60]!r}")
        value = secrets.fill_header(text if isinstance(text, Secret) else str(text))
        is_named = isinstance(text, Secret) or value != text
        if is_named or SECRET_FIELD_NAME.search(name) or name in CONFIDENTIAL_HEADERS | {"cookie"}:
            confidential.add(name)
            None if is_named else secrets.hide_value(value, MASK)
        headers[name] = value
    if "bearer" in options and "auth" in options:
        raise OptionError("bearer= and auth= are both the Authorization header", hint="Pass one of them.")
    if "bearer" in options:
        headers["authorization"] = f"Bearer {secrets.read('bearer', options['bearer'])}"
    if "auth" in options:
        login = secrets.read("auth", options["auth"])
        with _refuse_surrogates("auth"):
            encoded = b64encode(login.encode()).decode()
        headers["authorization"] = f"Basic {secrets.hide_value(encoded, MASK)}"
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise OptionError(f"the header {name!r} has characters that a header cannot have")
    return headers, frozenset(confidential | ({"authorization"} & headers.keys()))


def _list_allowed(allow: Sequence[str]) -> list[str]:
    """Return what the call and the configuration open."""
    if isinstance(allow, str):
        raise OptionError("allow= is text", hint=f"Write a list: allow=[{allow[:80]!r}].")
    if not ACTION_HOSTS.is_configured:
        current_project()
    return [*allow, *sorted(ACTION_HOSTS.entries)]


def _make_identity(method: str, url: str, options: CallOptions, content: bytes) -> dict[str, Any]:
    """Return what distinguishes this call from another one of the same key."""
    identity: dict[str, Any] = {"method": method.upper(), "url": url}
    if options.get("params"):
        identity["params"] = {name: str(value) for name, value in options["params"].items()}
    if content:
        # The order of the fields of a dictionary does not matter.
        is_json = "json" in options
        body = msgspec.json.encode(options["json"], order="deterministic") if is_json else content
        identity["body"] = hashlib.sha256(body).hexdigest()
    return identity


def _read_timeout(timeout: SpanInput) -> float:
    seconds = parse_duration(timeout).total_seconds()
    if not seconds:
        raise OptionError(f"timeout={timeout!r}: the duration must be greater than zero")
    return seconds


def _read_expected(expect: int | Iterable[int]) -> frozenset[int]:
    statuses = frozenset((expect,) if isinstance(expect, int) else expect)
    if not statuses or not all(isinstance(status, int) and 200 <= status < 600 for status in statuses):
        raise OptionError("expect= is not a status or a list of them", hint="Write expect=(200, 404).")
    return statuses


def _read_max_bytes(max_bytes: int) -> int:
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
        raise OptionError(f"max_bytes={max_bytes!r} is not a number of bytes above 0")
    return max_bytes
