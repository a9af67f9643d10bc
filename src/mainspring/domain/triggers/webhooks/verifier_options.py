"""Options of the verifier that a webhook declares, as data: the store holds them, and any process can use them.

One struct for all kinds, so that the store needs no list of them: `mainspring.integrations` has the verifiers.
"""

import re
from datetime import timedelta
from typing import Literal

import msgspec

from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SET_SECRET_HINT
from mainspring.domain.text.lazy_pattern import lazy_pattern

DEFAULT_TOLERANCE = timedelta(minutes=5)
HmacAlgorithm = Literal["sha1", "sha256", "sha384", "sha512"]
SignatureEncoding = Literal["hex", "base64"]
SecretNames = tuple[str, ...]
_HEADER = lazy_pattern(r"[A-Za-z0-9-]{1,100}", re.ASCII)
_LONGEST_TOLERANCE = timedelta(days=7)
_MAX_SECRETS = 10


class VerifierOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """The kind of a verifier and its options; a kind leaves out those that it does not have.

    `secrets` are names, never values. With several of them, or several lines in one, any that fits counts, as a rotation needs it.
    `header` (lower case) has the token or the signature. `over` = `{body}`, `{timestamp}` and text, such as "{timestamp}.{body}"; the
    timestamp (seconds) is read from `timestamp_header`.
    """

    kind: str = msgspec.field(name="type")
    secrets: SecretNames
    header: str | None = None
    algorithm: HmacAlgorithm | None = None
    encoding: SignatureEncoding | None = None
    prefix: str | None = None
    over: str | None = None
    timestamp_header: str | msgspec.UnsetType | None = msgspec.UNSET
    """UNSET and not None where the kind has no such option: "hmac" is stored with a null, so that what stores hold stays as it is."""
    tolerance: timedelta | None = None
    """How far the sender's clock, and the transport, may be off."""


def check_secret_names(secrets: tuple[str, ...]) -> SecretNames:
    """Return the names of a verifier's secrets, each once. Raises OptionError."""
    if not secrets:
        raise OptionError("a verifier needs the name of its secret", hint='Write ms.verify.github("GITHUB_HOOK").')
    for name in secrets:
        if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
            # Not echoed: it may be the secret itself.
            raise OptionError(
                "this is not a valid name of a secret: a letter, then letters, digits and _ . -, at most 100 "
                "characters",
                hint=f'Pass the name, such as "GITHUB_HOOK". {SET_SECRET_HINT}',
            )
    names = tuple(dict.fromkeys(secrets))
    if len(names) > _MAX_SECRETS:
        raise OptionError(
            f"a verifier accepts at most {_MAX_SECRETS} secrets", hint="Remove those that are no longer used."
        )
    return names


def check_header_name(name: str) -> str:
    """Return the name of a header in lower case. Raises OptionError."""
    if not isinstance(name, str) or not _HEADER.fullmatch(name):
        raise OptionError(f"{repr(name)[:80]} is not a name of a header", hint='Write it as "X-Signature".')
    return name.lower()


def check_tolerance(span: SpanInput) -> timedelta:
    """Return a tolerance. Raises OptionError."""
    tolerance = parse_duration(span)
    if not timedelta(seconds=1) <= tolerance <= _LONGEST_TOLERANCE:
        raise OptionError(
            f"the tolerance {span!r} is not valid", hint='Write a span from "1s" to "7d"; five minutes is usual.'
        )
    return tolerance
