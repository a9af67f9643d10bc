"""Verifiers of a webhook's sender, as data, so that the store can hold them and any process can use them.

`secrets` are names, never values. With several of them, or several lines in one, any that fits counts, as a rotation needs it.
`tolerance` = how far the sender's clock, and the transport, may be off.
"""

from datetime import timedelta
from typing import Any, Literal

import msgspec

DEFAULT_TOLERANCE = timedelta(minutes=5)
SecretNames = tuple[str, ...]


class StandardWebhooks(msgspec.Struct, frozen=True, kw_only=True, tag="standard"):
    """Standard Webhooks: HMAC-SHA256 over id, timestamp and body; secrets as `whsec_` and base 64."""

    secrets: SecretNames
    tolerance: timedelta = DEFAULT_TOLERANCE


class GitHub(msgspec.Struct, frozen=True, kw_only=True, tag="github"):
    """X-Hub-Signature-256 over the body."""

    secrets: SecretNames


class Stripe(msgspec.Struct, frozen=True, kw_only=True, tag="stripe"):
    """Stripe-Signature over timestamp and body."""

    secrets: SecretNames
    tolerance: timedelta = DEFAULT_TOLERANCE


class Slack(msgspec.Struct, frozen=True, kw_only=True, tag="slack"):
    """X-Slack-Signature over timestamp and body."""

    secrets: SecretNames
    tolerance: timedelta = DEFAULT_TOLERANCE


class GitLab(msgspec.Struct, frozen=True, kw_only=True, tag="gitlab"):
    """X-Gitlab-Token is the secret itself."""

    secrets: SecretNames


class BearerVerifier(msgspec.Struct, frozen=True, kw_only=True, tag="bearer"):
    """`Authorization: Bearer SECRET`, or the bare secret in a header of another name (lower case)."""

    secrets: SecretNames
    header: str = "authorization"


class HmacVerifier(msgspec.Struct, frozen=True, kw_only=True, tag="hmac"):
    """Any other HMAC: its header, its prefix, its encoding, its content.

    `over` = `{body}`, `{timestamp}` and text, such as "{timestamp}.{body}"; the timestamp (seconds) is read from `timestamp_header`.
    """

    secrets: SecretNames
    header: str
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    over: str = "{body}"
    timestamp_header: str | None = None
    tolerance: timedelta = DEFAULT_TOLERANCE


class UnsignedVerifier(msgspec.Struct, frozen=True, kw_only=True, tag="none"):
    """No verification, any sender is accepted: stated, never a default."""

    secrets: SecretNames = ()


Verifier = StandardWebhooks | GitHub | Stripe | Slack | GitLab | BearerVerifier | HmacVerifier | UnsignedVerifier
VERIFIER_KINDS: dict[str, type[Any]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (StandardWebhooks, GitHub, Stripe, Slack, GitLab, BearerVerifier, HmacVerifier, UnsignedVerifier)
}


def verifier_kind(verifier: Verifier) -> str:
    """Return the name of the verifier: `github`."""
    return str(type(verifier).__struct_config__.tag)
