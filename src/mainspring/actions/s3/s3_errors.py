"""Errors of S3 actions: each says what failed, at which address, and how to fix it, and never a key or a token."""

import contextlib
from collections.abc import Iterator
from typing import Any

from mainspring.domain.errors import MainspringError, Transient
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.text.escaping import escape
from mainspring.integrations.s3.s3_address import S3Address
from mainspring.integrations.s3.s3_connection import read_error_code
from mainspring.resources.known_secrets import KNOWN_SECRETS

_MAX_TEXT = 300
_CHECK_KEYS = "Check credentials=, or the keys in the environment or the profile: aws sts get-caller-identity"
_ALLOW = (
    "Allow the user or role: s3:GetObject, s3:PutObject, s3:ListBucket, for sync(delete=True) also s3:DeleteObject."
)
_FIXES = {
    "NoSuchBucket": "Create the bucket, or fix its name.",
    "NoSuchKey": "Check the key: aws s3 ls {address}",
    "404": "Check bucket and key: aws s3 ls {address}",
    "AccessDenied": _ALLOW,
    "403": _ALLOW,
    "InvalidAccessKeyId": _CHECK_KEYS,
    "SignatureDoesNotMatch": _CHECK_KEYS,
    "ExpiredToken": "Sign in again, or renew the session token.",
    "RequestTimeTooSkewed": "Correct the clock of this machine: it differs by more than 15 minutes.",
    "PermanentRedirect": "Pass region= of the bucket: aws s3api get-bucket-location --bucket {bucket}",
    "301": "Pass region= of the bucket: aws s3api get-bucket-location --bucket {bucket}",
    "AuthorizationHeaderMalformed": "Pass region= of the bucket: aws s3api get-bucket-location --bucket {bucket}",
    "NoCredentialsError": 'Pass credentials="secret:NAME", or sign in: aws configure',
    "PartialCredentialsError": 'Pass credentials="secret:NAME", or sign in: aws configure',
    "NoRegionError": "Pass region=, or set AWS_DEFAULT_REGION.",
    "SSLError": "Check the certificate and the name in endpoint=.",
    "EndpointConnectionError": "Check endpoint= and region=, and the network.",
}
_LATER = frozenset(
    {
        *("ConditionalRequestConflict", "OperationAborted", "PreconditionFailed"),
        *("FlexibleChecksumError", "IncompleteReadError", "ResponseStreamingError", "BadDigest"),
    }
)
"""Codes that pass: another call was faster, or bytes were lost on their way."""


class S3ActionError(MainspringError):
    """S3 refuses the call, or it cannot be made; trying again cannot help."""

    code = "s3_action"


class S3ExistsError(S3ActionError):
    """There is an object with other content, and `if_absent=True` keeps it."""

    code = "s3_exists"


class S3UnavailableError(Transient):
    """S3 does not answer, or asks to try again later. The call may be repeated."""

    code = "s3_unavailable"


@contextlib.contextmanager
def describe_s3_errors(verb: str, address: S3Address) -> Iterator[None]:
    """Raise errors of boto3 as errors of an action; `verb` such as "upload to".

    Raises:
        S3ActionError, S3UnavailableError: instead of them.
    """
    try:
        yield
    except MainspringError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("botocore", "boto3", "urllib3"):
            raise
        raise _make_s3_error(error, verb, address) from None


def make_exists_error(address: S3Address) -> S3ExistsError:
    """Return the error of an object that has other content."""
    return S3ExistsError(
        f"{address} exists with other content or other metadata, and if_absent=True keeps it",
        hint="Choose another key, or leave if_absent= out to replace the object.",
    )


def _make_s3_error(error: Exception, verb: str, address: S3Address) -> MainspringError:
    code = read_error_code(error)
    response: Any = getattr(error, "response", None)
    text = response.get("Error", {}).get("Message") if isinstance(response, dict) else str(error)
    problem = escape(KNOWN_SECRETS.redact(str(text or "")), _MAX_TEXT)
    message = f"cannot {verb} {address}: {problem or 'no reason'} ({escape(code, 60)})"
    hint = _FIXES.get(code)
    hint = None if hint is None else hint.format(address=address, bucket=address.bucket)
    if code in _LATER or DEFAULT_CLASSIFIER.classify(error).kind is FailureKind.TRANSIENT:
        unavailable = S3UnavailableError(message)
        unavailable.hint = hint
        return unavailable
    return S3ActionError(message, hint=hint or "See the code in the documentation of S3, error responses.")
