"""Stored headers of a request: none that proves who sent it, because any reader of the store could then send as much.

Names may be written with `_` for `-`, as templates and some senders do.
"""

from collections.abc import Mapping

from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.domain.values.template import split_template
from mainspring.integrations.verifiers import find_verifier

_SECRET_HEADERS = frozenset({"cookie", "set-cookie", "cf-access-jwt-assertion", "x-goog-iap-jwt-assertion"})
"""Of browsers, and of proxies that add who is signed in there; besides all with suspicious names, and those of the verifier."""
_SECRET_WORDS = lazy_pattern(r"token|secret|passw|credential|keys?(?:$|-)|(?:^|-)auth(?!or(?:$|-|s))")
"""Words in the name of a header that may prove the sender."""
_PUBLIC_HEADERS = frozenset({"idempotency-key", "x-idempotency-key", "x-event-key"})
"""They end in "key" and prove nothing: the key of a delivery, and Bitbucket's name for the kind of an event."""
_SIGNATURE = lazy_pattern(r"signature|hmac|(?:^|-)sig(?:$|-)")


def is_secret_header(options: VerifierOptions, name: str) -> bool:
    """Return whether a header is, or contains, a secret."""
    return _is_secret(_with_dashes(name), find_verifier(options.kind).secret_headers(options))


def select_stored_headers(options: VerifierOptions, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are stored: no secret and no signature is."""
    verifier = find_verifier(options.kind)
    secret_headers, signature_headers = verifier.secret_headers(options), verifier.signature_headers(options)
    return {
        name: value
        for name, value in headers.items()
        if _is_stored(_with_dashes(name), secret_headers, signature_headers)
    }


def check_secrets_in_key(options: VerifierOptions, template: str) -> None:
    """Refuse a key that contains a secret. A signature may be one: it differs for each delivery. Raises OptionError."""
    for name in _list_headers(template):
        if is_secret_header(options, name):
            raise OptionError(
                f"the key names the header {_with_dashes(name)}: it proves who sends, and would be stored and shown as a part of the key",
                hint='Name what tells one delivery from the next: "{headers.x-request-id}" or "{data.id}".',
            )


def check_headers_are_stored(options: VerifierOptions, template: str, *, option: str) -> None:
    """Refuse a template over stored headers that uses one that is not stored. Raises OptionError."""
    for name in _list_headers(template):
        if not select_stored_headers(options, {name: ""}):
            raise OptionError(
                f"{option} names the header {_with_dashes(name)}, which is not stored, because it proves who sends",
                hint='Name another header, or something in the body: "{data.customer}".',
            )


def _list_headers(template: str) -> list[str]:
    return [name.removeprefix("headers.") for _, name, _ in split_template(template) if name.startswith("headers.")]


def _is_secret(dashed: str, secret_headers: tuple[str, ...]) -> bool:
    if dashed in secret_headers or dashed in _SECRET_HEADERS:
        return True
    return dashed not in _PUBLIC_HEADERS and _SECRET_WORDS.search(dashed) is not None


def _is_stored(dashed: str, secret_headers: tuple[str, ...], signature_headers: tuple[str, ...]) -> bool:
    return not (
        _is_secret(dashed, secret_headers) or dashed in signature_headers or _SIGNATURE.search(dashed) is not None
    )


def _with_dashes(name: str) -> str:
    return name.replace("_", "-").lower()
