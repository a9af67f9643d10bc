"""The lines that send an event to a webhook."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.insight.triggers.trigger_list import build_curl_command
from mainspring.integrations import verify
from mainspring.integrations.verifiers import verify_request
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
_ECHO_HEADERS = """
while [ $# -gt 0 ]; do
    if [ "$1 $2" = "-H @-" ]; then /bin/cat; elif [ "$1" = -H ]; then printf "%s\\n" "$2"; fi
    shift
done
"""


@pytest.mark.parametrize("more", ["", "\nold one"], ids=["one", "two"])
@pytest.mark.parametrize("verifier", SIGNED, ids=lambda verifier: verifier.kind)
def test_line_signs_what_the_verifier_takes(tmp_path: Path, verifier, more) -> None:
    """A shell that is given the line sends the file with headers that the verifier finds genuine, whatever is in the secret.

    Of a secret with two lines, as during a rotation, the first counts.
    """
    (tmp_path / "event.json").write_bytes(BODY)
    secret = STANDARD_SECRET if verifier.kind == "standard" else PLAIN
    line = build_curl_command(Webhook(path="/in", verify=verifier), "http://localhost:1")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{line}\ndate +%s"],
        cwd=tmp_path,
        env={"PATH": str(_programs(tmp_path)), "MAINSPRING_SECRET_HOOK": secret + more},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    headers = dict(line.split(": ", 1) for line in done[:-1])
    assert verify_request(verifier, BODY, headers, [secret], int(done[-1]) * 1000) is None
    assert len(done) == len(headers) + 1, "no header has a second line"
    assert "HOOK" not in str(headers)
    arguments = (tmp_path / "arguments").read_text()
    assert "/in" in arguments
    assert secret.removeprefix("whsec_") not in arguments, "who is on the machine can read the arguments of a program"


def _programs(folder: Path) -> Path:
    """Return a folder of the programs that the line may call: each writes down its arguments first; curl tells its headers only."""
    found = folder / "bin"
    found.mkdir()
    for name in ("cat", "head", "date", "python3", "curl"):
        real = sys.executable if name == "python3" else shutil.which(name, path="/usr/bin:/bin")
        act = _ECHO_HEADERS if name == "curl" else f'exec {real} "$@"'
        (found / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{folder}/arguments"\n{act}\n', encoding="utf-8")
        (found / name).chmod(0o755)
    return found
