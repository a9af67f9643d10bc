"""The curl command that sends a webhook the event of a file, signed with the secret in a shell variable."""

import re
import shlex

from mainspring.domain.triggers.webhooks.verifier import (
    BearerVerifier,
    GitHub,
    GitLab,
    HmacVerifier,
    Slack,
    StandardWebhooks,
    Stripe,
    Verifier,
)
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.resources.secret_store import secret_variable_name

_FILE = "event.json"
_AT = "T=$(date +%s); "
_NEEDS_TIME = (Stripe, Slack, StandardWebhooks)
_OF_STANDARD = 'base64.b64decode(i.readline().strip().removeprefix(b"whsec_") + b"==")'


def build_curl_command(webhook: Webhook, base: str) -> str:
    """Return a shell line that posts event.json; `base` = the address of webhooks, without a slash at its end.

    The secret goes through pipes only, since everyone on the machine can read the arguments of a program.
    """
    verifier = webhook.verify
    timed = isinstance(verifier, _NEEDS_TIME) or (
        isinstance(verifier, HmacVerifier) and verifier.timestamp_header is not None
    )
    token = _token_header(verifier)
    token_pipe = f"{token} | " if token else ""
    proofs = " -H @-" if token else "".join(f' -H "{name}: {value}"' for name, value in _signature_headers(verifier))
    url = shlex.quote(base + webhook.path)
    return f"{_AT if timed else ''}{token_pipe}curl -sS {url} -H 'content-type: application/json'{proofs} --data-binary @{_FILE}"


def _token_header(verifier: Verifier) -> str | None:
    """Return the words that write the header of a verifier that compares the secret itself; None for any other."""
    match verifier:
        case GitLab():
            before = "x-gitlab-token: "
        case BearerVerifier(header="authorization"):
            before = "authorization: Bearer "
        case BearerVerifier(header=header):
            before = f"{header}: "
        case _:
            return None
    return f"{{ printf '{before}'; {_read_first_line(verifier.secrets[0])}; }}"


def _signature_headers(verifier: Verifier) -> list[tuple[str, str]]:
    """Return the headers of the signature, as shell words between double quotes."""
    match verifier:
        case GitHub():
            return [("x-github-event", "push"), ("x-hub-signature-256", f"sha256={_build_hmac(verifier, '{body}')}")]
        case Stripe():
            return [("stripe-signature", f"t=$T,v1={_build_hmac(verifier, '{timestamp}.{body}')}")]
        case Slack():
            signature = f"v0={_build_hmac(verifier, 'v0:{timestamp}:{body}')}"
            return [("x-slack-request-timestamp", "$T"), ("x-slack-signature", signature)]
        case StandardWebhooks():
            signature = f"v1,{_build_hmac(verifier, 'msg_{timestamp}.{timestamp}.{body}', encoding='base64')}"
            return [("webhook-id", "msg_$T"), ("webhook-timestamp", "$T"), ("webhook-signature", signature)]
        case HmacVerifier():
            digest = _build_hmac(verifier, verifier.over, algorithm=verifier.algorithm, encoding=verifier.encoding)
            stamp = [(verifier.timestamp_header, "$T")] if verifier.timestamp_header is not None else []
            return [*stamp, (verifier.header, _quote(verifier.prefix) + digest)]
        case _:
            return []


def _read_first_line(secret: str) -> str:
    """Return the words that write the newest value of a secret, which is its first line during a rotation."""
    return f"printf '%s\\n' \"${secret_variable_name(secret)}\" | head -n 1"


def _quote(text: str) -> str:
    """Return text for double quotes of a shell."""
    return re.sub(r'(["$`\\\\])', r"\\\1", text)


def _build_hmac(
    verifier: GitHub | Stripe | Slack | StandardWebhooks | HmacVerifier,
    over: str,
    *,
    algorithm: str = "sha256",
    encoding: str = "hex",
) -> str:
    """Return the words that make an HMAC of the file: Python reads the secret from the first line and signs the rest."""
    before, after = (_quote(part).replace("{timestamp}", "$T") for part in over.split("{body}"))
    parts = [f'printf %s "{before}"' if before else "", f"cat {_FILE}", f'printf %s "{after}"' if after else ""]
    content = "; ".join(part for part in (_read_first_line(verifier.secrets[0]), *parts) if part)
    key = _OF_STANDARD if isinstance(verifier, StandardWebhooks) else "i.readline().strip()"
    wrote = "base64.b64encode(h.digest()).decode()" if encoding == "base64" else "h.hexdigest()"
    code = f'import base64, hmac, sys; i = sys.stdin.buffer; k = {key}; h = hmac.new(k, i.read(), "{algorithm}"); print({wrote})'
    return f"$({{ {content}; }} | python3 -c '{code}')"
