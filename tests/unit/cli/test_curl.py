"""The lines that send an event to a webhook."""

import subprocess
from pathlib import Path

import pytest

from mainspring.cli.curl import base_url, curl_line
from mainspring.domain import verify
from mainspring.domain.verification import verify_request
from mainspring.domain.verifier import StandardWebhooks
from mainspring.domain.webhook import Webhook
from tests.hook_samples import STANDARD_SECRET

BODY = b'{"id": 7}\n'
PLAIN = 'pass $word"'
SIGNED = [
    verify.github("HOOK"),
    verify.stripe("HOOK"),
    verify.slack("HOOK"),
    verify.gitlab("HOOK"),
    verify.bearer("HOOK"),
    verify.bearer("HOOK", header="x-key"),
    verify.standard("HOOK"),
    verify.hmac("HOOK", header="x-sign", algorithm="sha512", encoding="base64", prefix="a$b="),
    verify.hmac("HOOK", header="x-sign", over='v"1.{timestamp}.{body}', timestamp_header="x-at"),
    verify.none(),
]


@pytest.mark.parametrize("verifier", SIGNED, ids=lambda one: one.__struct_config__.tag)
def test_line_signs_what_the_verifier_takes(tmp_path: Path, verifier) -> None:
    """A shell that is given the line sends the file with headers that the verifier finds genuine, whatever is in the secret."""
    (tmp_path / "event.json").write_bytes(BODY)
    secret = STANDARD_SECRET if isinstance(verifier, StandardWebhooks) else PLAIN
    line = curl_line(Webhook(path="/in", verify=verifier), "http://localhost:1")
    script = f'curl() {{ while [ $# -gt 0 ]; do if [ "$1" = -H ]; then printf "%s\\n" "$2"; fi; shift; done; }}\n{line}\ndate +%s'
    said = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "MAINSPRING_SECRET_HOOK": secret},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    headers = dict(line.split(": ", 1) for line in said[:-1])
    assert verify_request(verifier, BODY, headers, [secret], int(said[-1]) * 1000) is None
    assert "HOOK" not in str(headers)


def test_address_is_what_senders_see() -> None:
    """The public address wins; else where the listener is bound, as this machine reaches it."""
    assert base_url("https://hooks.example.com", "127.0.0.1:1") == "https://hooks.example.com"
    assert base_url(None, "0.0.0.0:7172") == "http://127.0.0.1:7172"
    assert base_url(None, "[::]:7172") == "http://[::1]:7172"
    assert base_url(None, "box:7172") == "http://box:7172"
