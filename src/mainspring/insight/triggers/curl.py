"""The curl command that sends a webhook the event of a file, signed with the secret in a shell variable."""

import re
import shlex

from mainspring.domain.triggers.webhooks.verifier_options import HmacAlgorithm, SignatureEncoding
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.integrations.verifiers import find_verifier
from mainspring.resources.secret_store import secret_variable_name

_FILE = "event.json"
_AT = "T=$(date +%s); "
_SECRET = "\0"
"""Stands for the secret at the end of a header."""
_STANDARD_KEY = 'base64.b64decode(i.readline().strip().removeprefix(b"whsec_") + b"==")'


def build_curl_command(webhook: Webhook, base: str) -> str:
    """Return a shell line that posts event.json; `base` = the address of webhooks, without a slash at its end.

    The secret goes through pipes only, since everyone on the machine can read the arguments of a program.
    """
    signer = _ShellSigner(webhook.verify.secrets)
    pipe, arguments = "", ""
    for name, value in find_verifier(webhook.verify.kind).example_headers(webhook.verify, signer).items():
        if value.endswith(_SECRET):
            pipe = f"{{ printf '{name}: {value.removesuffix(_SECRET)}'; {signer.read_secret()}; }} | "
            arguments += " -H @-"
        else:
            arguments += f' -H "{name}: {value}"'
    url = shlex.quote(base + webhook.path)
    return f"{_AT if signer.is_timed else ''}{pipe}curl -sS {url} -H 'content-type: application/json'{arguments} --data-binary @{_FILE}"


class _ShellSigner:
    """Writes the parts of a header as shell words between double quotes. `is_timed` = one of them needs the time."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self.is_timed = False

    def timestamp(self) -> str:
        self.is_timed = True
        return "$T"

    def secret(self) -> str:
        return _SECRET

    def text(self, literal: str) -> str:
        return re.sub(r'(["$`\\\\])', r"\\\1", literal)

    def hmac(
        self,
        content: str = "{body}",
        *,
        algorithm: HmacAlgorithm = "sha256",
        encoding: SignatureEncoding = "hex",
        is_standard_key: bool = False,
    ) -> str:
        """Return the words that make an HMAC of the file: Python reads the secret from the first line and signs the rest."""
        before, after = (self.text(part).replace("{timestamp}", "$T") for part in content.split("{body}"))
        parts = [f'printf %s "{before}"' if before else "", f"cat {_FILE}", f'printf %s "{after}"' if after else ""]
        signed = "; ".join(part for part in (self.read_secret(), *parts) if part)
        key = _STANDARD_KEY if is_standard_key else "i.readline().strip()"
        digest = "base64.b64encode(h.digest()).decode()" if encoding == "base64" else "h.hexdigest()"
        code = f'import base64, hmac, sys; i = sys.stdin.buffer; k = {key}; h = hmac.new(k, i.read(), "{algorithm}"); print({digest})'
        return f"$({{ {signed}; }} | python3 -c '{code}')"

    def read_secret(self) -> str:
        """Return the words that write the newest value of the secret, which is its first line during a rotation."""
        return f"printf '%s\\n' \"${secret_variable_name(self._secrets[0])}\" | head -n 1"
