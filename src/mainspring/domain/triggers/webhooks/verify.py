"""`ms.verify`: verifiers of a webhook's sender. Each takes the names of one or more secrets, never their values.

    @ms.on.webhook("/github", verify=ms.verify.github("GITHUB_HOOK"))

The process that receives webhooks finds the secret GITHUB_HOOK in the variable MAINSPRING_SECRET_GITHUB_HOOK or in the folder that
`secrets.dir` names. Every function raises OptionError for an invalid name, and for options that cannot work.
"""

import re
from datetime import timedelta
from typing import Literal, get_args, get_type_hints

from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.triggers.webhooks.verifier import (
    DEFAULT_TOLERANCE,
    BearerVerifier,
    GitHub,
    GitLab,
    HmacVerifier,
    SecretNames,
    Slack,
    StandardWebhooks,
    Stripe,
    UnsignedVerifier,
)

__all__ = ["bearer", "github", "gitlab", "hmac", "none", "slack", "standard", "stripe"]

_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
_PLACEHOLDER = re.compile(r"\{(.*?)\}")
_LONGEST_TOLERANCE = timedelta(days=7)
_MAX_SECRETS = 10


def standard(*secrets: str, tolerance: SpanInput = DEFAULT_TOLERANCE) -> StandardWebhooks:
    """Check by Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature)."""
    return StandardWebhooks(secrets=_check_names(secrets), tolerance=_check_tolerance(tolerance))


def github(*secrets: str) -> GitHub:
    """Check as GitHub signs; a ping is answered without a run."""
    return GitHub(secrets=_check_names(secrets))


def stripe(*secrets: str, tolerance: SpanInput = DEFAULT_TOLERANCE) -> Stripe:
    """Check as Stripe signs."""
    return Stripe(secrets=_check_names(secrets), tolerance=_check_tolerance(tolerance))


def slack(*secrets: str, tolerance: SpanInput = DEFAULT_TOLERANCE) -> Slack:
    """Check as Slack signs; its question about the address is answered without a run."""
    return Slack(secrets=_check_names(secrets), tolerance=_check_tolerance(tolerance))


def gitlab(*secrets: str) -> GitLab:
    """Compare GitLab's token."""
    return GitLab(secrets=_check_names(secrets))


def bearer(*secrets: str, header: str = "authorization") -> BearerVerifier:
    """Compare a token: `Authorization: Bearer TOKEN`, or the bare token in another header."""
    return BearerVerifier(secrets=_check_names(secrets), header=_check_header(header))


def hmac(
    *secrets: str,
    header: str,
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256",
    encoding: Literal["hex", "base64"] = "hex",
    prefix: str = "",
    over: str = "{body}",
    timestamp_header: str | None = None,
    tolerance: SpanInput = DEFAULT_TOLERANCE,
) -> HmacVerifier:
    """Check an HMAC of any other sender; see `HmacVerifier` for the options."""
    for name, value in (("algorithm", algorithm), ("encoding", encoding)):
        allowed = get_args(get_type_hints(HmacVerifier)[name])
        if value not in allowed:
            raise OptionError(f"{name} {value!r} is not known", hint=f"Choose one of {', '.join(allowed)}.")
    for name, text in (("prefix", prefix), ("over", over)):
        if not isinstance(text, str):
            raise OptionError(
                f"{name}={repr(text)[:80]} is not a text", hint='Write it in quotes: "sha256=", "{body}".'
            )
    places = _PLACEHOLDER.findall(over)
    around = re.search(r"[{}]", over.replace("{body}", "").replace("{timestamp}", ""))
    if places.count("body") != 1 or places.count("timestamp") > 1 or around:
        raise OptionError(f"over={over!r} cannot be filled", hint='Write "{body}" or "{timestamp}.{body}".')
    if ("timestamp" in places) != (timestamp_header is not None):
        raise OptionError(
            "a timestamp counts only where it is signed",
            hint="Give timestamp_header= and {timestamp} in over=, or neither.",
        )
    return HmacVerifier(
        secrets=_check_names(secrets),
        header=_check_header(header),
        algorithm=algorithm,
        encoding=encoding,
        prefix=prefix,
        over=over,
        timestamp_header=None if timestamp_header is None else _check_header(timestamp_header),
        tolerance=_check_tolerance(tolerance),
    )


def none() -> UnsignedVerifier:
    """Accept any sender: only for a network that no one else can reach."""
    return UnsignedVerifier()


def _check_names(secrets: tuple[str, ...]) -> SecretNames:
    if not secrets:
        raise OptionError("a verifier needs the name of its secret", hint='Write ms.verify.github("GITHUB_HOOK").')
    for name in secrets:
        if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
            # Not echoed: it may be the secret itself.
            raise OptionError(
                "this is not a valid name of a secret: a letter, then letters, digits and _ . -, at most 100 "
                "characters",
                hint='Pass the name, such as "GITHUB_HOOK", and set MAINSPRING_SECRET_GITHUB_HOOK to the value.',
            )
    names = tuple(dict.fromkeys(secrets))
    if len(names) > _MAX_SECRETS:
        raise OptionError(
            f"a verifier accepts at most {_MAX_SECRETS} secrets", hint="Remove those that are no longer used."
        )
    return names


def _check_header(name: str) -> str:
    if not isinstance(name, str) or not _HEADER.fullmatch(name):
        raise OptionError(f"{repr(name)[:80]} is not a name of a header", hint='Write it as "X-Signature".')
    return name.lower()


def _check_tolerance(span: SpanInput) -> timedelta:
    tolerance = parse_duration(span)
    if not timedelta(seconds=1) <= tolerance <= _LONGEST_TOLERANCE:
        raise OptionError(
            f"the tolerance {span!r} is not valid", hint='Write a span from "1s" to "7d"; five minutes is usual.'
        )
    return tolerance
