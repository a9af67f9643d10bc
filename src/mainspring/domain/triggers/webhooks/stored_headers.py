"""Stored headers of a request: none that proves who sent it, because any reader of the store could then send as much.

Names may be written with `_` for `-`, as templates and some senders do.
"""

import re
from collections.abc import Mapping

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.webhooks.verifier import BearerVerifier, HmacVerifier, Verifier
from mainspring.domain.values.template import split_template

_SECRET_HEADERS = frozenset({"cookie", "set-cookie", "cf-access-jwt-assertion", "x-goog-iap-jwt-assertion"})
"""Of senders, and of proxies that add who is signed in there; besides all with suspicious names."""
_SECRET_WORDS = re.compile(r"token|secret|passw|credential|keys?(?:$|-)|(?:^|-)auth(?!or(?:$|-|s))")
"""Words in the name of a header that may prove the sender."""
_PUBLIC_HEADERS = frozenset({"idempotency-key", "x-idempotency-key", "x-event-key"})
"""They end in "key" and prove nothing: the key of a delivery, and Bitbucket's name for the kind of an event."""
_SIGNATURE = re.compile(r"signature|hmac|(?:^|-)sig(?:$|-)")


def is_secret_header(verifier: Verifier, name: str) -> bool:
    """Return whether a header is, or contains, a secret."""
    dashed = _with_dashes(name)
    is_likely_secret = dashed in _SECRET_HEADERS or (
        dashed not in _PUBLIC_HEADERS and _SECRET_WORDS.search(dashed) is not None
    )
    return is_likely_secret or (isinstance(verifier, BearerVerifier) and dashed == verifier.header)


def is_stored_header(verifier: Verifier, name: str) -> bool:
    """Return whether a header is stored: no secret and no signature is."""
    dashed = _with_dashes(name)
    is_own = isinstance(verifier, HmacVerifier) and dashed == verifier.header
    return not (is_secret_header(verifier, name) or is_own or _SIGNATURE.search(dashed))


def select_stored_headers(verifier: Verifier, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are stored."""
    return {name: value for name, value in headers.items() if is_stored_header(verifier, name)}


def check_secrets_in_key(verifier: Verifier, template: str) -> None:
    """Refuse a key that contains a secret. A signature may be one: it differs for each delivery. Raises OptionError."""
    for name in _list_headers(template):
        if is_secret_header(verifier, name):
            raise OptionError(
                f"the key names the header {_with_dashes(name)}: it proves who sends, and would be stored and shown as a part of the key",
                hint='Name what tells one delivery from the next: "{headers.x-request-id}" or "{data.id}".',
            )


def check_headers_are_stored(verifier: Verifier, template: str, *, option: str) -> None:
    """Refuse a template over stored headers that uses one that is not stored. Raises OptionError."""
    for name in _list_headers(template):
        if not is_stored_header(verifier, name):
            raise OptionError(
                f"{option} names the header {_with_dashes(name)}, which is not stored, because it proves who sends",
                hint='Name another header, or something in the body: "{data.customer}".',
            )


def _list_headers(template: str) -> list[str]:
    return [name.removeprefix("headers.") for _, name, _ in split_template(template) if name.startswith("headers.")]


def _with_dashes(name: str) -> str:
    return name.replace("_", "-").lower()
