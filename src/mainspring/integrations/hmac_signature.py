"""Any other HMAC signature: its header, its prefix, its encoding, its content."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.webhooks.verifier_options import (
    DEFAULT_TOLERANCE,
    HmacAlgorithm,
    SignatureEncoding,
    VerifierOptions,
    check_header_name,
    check_secret_names,
    check_tolerance,
)
from mainspring.integrations.base.webhook_verifier import (
    NO_SIGNATURE,
    RejectedRequest,
    RequestSigner,
    WebhookVerifier,
    check_signature,
    check_timestamp,
    encode_header,
)

_PLACEHOLDER = re.compile(r"\{(.*?)\}")
_BODY = "{body}"


def hmac(
    *secrets: str,
    header: str,
    algorithm: HmacAlgorithm = "sha256",
    encoding: SignatureEncoding = "hex",
    prefix: str = "",
    over: str = "{body}",
    timestamp_header: str | None = None,
    tolerance: SpanInput = DEFAULT_TOLERANCE,
) -> VerifierOptions:
    """Check an HMAC of any other sender; see `VerifierOptions` for the options."""
    for name, value, allowed in (
        ("algorithm", algorithm, get_args(HmacAlgorithm)),
        ("encoding", encoding, get_args(SignatureEncoding)),
    ):
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
    return VerifierOptions(
        kind="hmac",
        secrets=check_secret_names(secrets),
        header=check_header_name(header),
        algorithm=algorithm,
        encoding=encoding,
        prefix=prefix,
        over=over,
        timestamp_header=None if timestamp_header is None else check_header_name(timestamp_header),
        tolerance=check_tolerance(tolerance),
    )


class HmacVerifier(WebhookVerifier):
    """An HMAC as its options describe it."""

    reads_cloud_event_headers = True

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare the timestamp, if there is one, and the signature."""
        stamp = ""
        if options.timestamp_header:
            stamp = headers.get(options.timestamp_header, "")
            if not stamp:
                return RejectedRequest(NO_SIGNATURE, f"{options.timestamp_header} is needed")
            rejection = check_timestamp(options, stamp, now_at)
            if rejection is not None:
                return rejection
        before, after = (options.over or _BODY).replace("{timestamp}", stamp).split(_BODY)
        return check_signature(
            headers,
            options.header or "",
            secrets,
            encode_header(before) + body + encode_header(after),
            prefix=options.prefix or "",
            algorithm=options.algorithm or "sha256",
            encoding=options.encoding or "hex",
        )

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return the timestamp, if there is one, and the signature."""
        signature = signer.hmac(
            options.over or _BODY, algorithm=options.algorithm or "sha256", encoding=options.encoding or "hex"
        )
        stamp = {options.timestamp_header: signer.timestamp()} if options.timestamp_header else {}
        return {**stamp, options.header or "": signer.text(options.prefix or "") + signature}

    def signature_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the signature."""
        return (options.header or "",)


VERIFIER: Final[WebhookVerifier] = HmacVerifier()
