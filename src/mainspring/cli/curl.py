"""The line with which a person sends a webhook the event that lies in a file: signed by the secret that a variable of the shell holds."""

import re
import shlex

from mainspring.domain.verifier import Bearer, GitHub, GitLab, Hmac, Slack, StandardWebhooks, Stripe, Unsigned, Verifier
from mainspring.domain.webhook import Webhook
from mainspring.resources.secret import variable_of

_FILE = "event.json"
_AT = "T=$(date +%s); "
_NEEDS_TIME = (Stripe, Slack, StandardWebhooks)


def curl_line(webhook: Webhook, base: str) -> str:
    """Return a line of shell that posts event.json; `base` = where webhooks are taken in, without a slash at its end."""
    verifier = webhook.verify
    timed = isinstance(verifier, _NEEDS_TIME) or (isinstance(verifier, Hmac) and verifier.timestamp_header is not None)
    proofs = "".join(f' -H "{name}: {said}"' for name, said in _proofs(verifier))
    url = shlex.quote(base + webhook.path)
    return f"{_AT if timed else ''}curl -sS {url} -H 'content-type: application/json'{proofs} --data-binary @{_FILE}"


def base_url(public_url: str | None, bind: str) -> str:
    """Return where webhooks are taken in: as senders see it, else where the listener is bound."""
    if public_url is not None:
        return public_url
    host, _, port = bind.rpartition(":")
    return f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"  # noqa: S104 - compared, not bound


def _proofs(verifier: Verifier) -> list[tuple[str, str]]:
    """Return the headers by which the sender proves itself, as words of a shell between double quotes."""
    if isinstance(verifier, Unsigned):
        return []
    secret = f"${variable_of(verifier.secrets[0])}"
    match verifier:
        case GitLab():
            return [("x-gitlab-token", secret)]
        case Bearer(header="authorization"):
            return [("authorization", f"Bearer {secret}")]
        case Bearer(header=header):
            return [(header, secret)]
        case GitHub():
            return [("x-github-event", "push"), ("x-hub-signature-256", f"sha256={_digest('{body}', secret)}")]
        case Stripe():
            return [("stripe-signature", f"t=$T,v1={_digest('{timestamp}.{body}', secret)}")]
        case Slack():
            signature = f"v0={_digest('v0:{timestamp}:{body}', secret)}"
            return [("x-slack-request-timestamp", "$T"), ("x-slack-signature", signature)]
        case StandardWebhooks():
            key = f'$(printf %s "{secret}" | sed s/^whsec_// | base64 -d | od -An -tx1 | tr -d " \\n")'
            signature = f"v1,{_digest('msg_{timestamp}.{timestamp}.{body}', key, is_hex_key=True, encoding='base64')}"
            return [("webhook-id", "msg_$T"), ("webhook-timestamp", "$T"), ("webhook-signature", signature)]
        case Hmac():
            digest = _digest(verifier.over, secret, algorithm=verifier.algorithm, encoding=verifier.encoding)
            stamp = [(verifier.timestamp_header, "$T")] if verifier.timestamp_header is not None else []
            return [*stamp, (verifier.header, _quoted(verifier.prefix) + digest)]


def _quoted(text: str) -> str:
    """Return text as it is written between double quotes of a shell."""
    return re.sub(r'(["$`\\\\])', r"\\\1", text)


def _digest(over: str, key: str, *, algorithm: str = "sha256", encoding: str = "hex", is_hex_key: bool = False) -> str:
    """Return the words that make an HMAC of the file."""
    before, after = (_quoted(part).replace("{timestamp}", "$T") for part in over.split("{body}"))
    parts = [f'printf %s "{before}"' if before else "", f"cat {_FILE}", f'printf %s "{after}"' if after else ""]
    content = f"{{ {'; '.join(part for part in parts if part)}; }}"
    option = f"-mac HMAC -macopt hexkey:{key}" if is_hex_key else f'-hmac "{key}"'
    wrote = "base64 -w0" if encoding == "base64" else "od -An -v -tx1 | tr -d ' \\n'"
    return f"$({content} | openssl dgst -{algorithm} {option} -binary | {wrote})"
