"""Which headers of a request are kept: none that proves who sent it, for whoever read it could send as much.

Names may be written with `_` for `-`, as templates and some senders do.
"""

import re
from collections.abc import Mapping

from mainspring.domain.errors import OptionError
from mainspring.domain.template import fields_of
from mainspring.domain.verifier import Bearer, Hmac, Verifier

_SECRETS = frozenset({
    "authorization", "proxy-authorization", "cookie", "set-cookie", "api-key", "x-api-key", "x-auth-token", "x-access-token",
    "x-gitlab-token", "x-amz-security-token", "x-forwarded-access-token", "x-auth-request-access-token", "cf-access-jwt-assertion",
    "x-goog-iap-jwt-assertion",
})  # fmt: skip
"""Of senders, and of proxies that add who is logged in there."""
_SIGNATURE = re.compile(r"signature|hmac|(?:^|-)sig(?:$|-)")


def is_secret(verifier: Verifier, name: str) -> bool:
    """Tell whether a header is, or carries, a secret."""
    dashed = _dashed(name)
    return dashed in _SECRETS or (isinstance(verifier, Bearer) and dashed == verifier.header)


def is_kept(verifier: Verifier, name: str) -> bool:
    """Tell whether a header is kept: no secret and no signature is."""
    dashed = _dashed(name)
    is_own = isinstance(verifier, Hmac) and dashed == verifier.header
    return not (is_secret(verifier, name) or is_own or _SIGNATURE.search(dashed))


def kept_headers(verifier: Verifier, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are kept."""
    return {name: said for name, said in headers.items() if is_kept(verifier, name)}


def check_secrets_in_key(verifier: Verifier, template: str) -> None:
    """Refuse a key with a secret in it. A signature may be one: it is another for each delivery. Raises OptionError."""
    for name in _headers_in(template):
        if is_secret(verifier, name):
            raise OptionError(
                f"the key names the header {_dashed(name)}: it proves who sends, and would be stored and shown as a part of the key",
                hint='Name what tells one delivery from the next: "{headers.x-request-id}" or "{data.id}".',
            )


def check_headers_are_kept(verifier: Verifier, template: str, *, option: str) -> None:
    """Refuse a template over stored headers that names one that is not kept. Raises OptionError."""
    for name in _headers_in(template):
        if not is_kept(verifier, name):
            raise OptionError(
                f"{option} names the header {_dashed(name)}, which is not kept: it proves who sends",
                hint='Name another header, or something in the body: "{data.customer}".',
            )


def _headers_in(template: str) -> list[str]:
    return [name.removeprefix("headers.") for _, name, _ in fields_of(template) if name.startswith("headers.")]


def _dashed(name: str) -> str:
    return name.replace("_", "-").lower()
