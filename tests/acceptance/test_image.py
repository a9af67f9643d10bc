"""What deploy/Dockerfile installs and runs, in a new environment instead of an image."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.free_port import free_port

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TIMEOUT_S = 60.0
DRAIN = ("drain", "--here", "--timeout", "60s")
"""The preStop of a worker's pod."""


def call(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)


def instructions(name: str) -> list[str]:
    """Return the arguments of each such instruction of the Dockerfile."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.removeprefix(f"{name} ").strip() for line in text.splitlines() if line.startswith(f"{name} ")]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What the Dockerfile's RUN instructions install, in a folder instead of an image."""
    folder = tmp_path_factory.mktemp("image")
    made = folder / "opt"
    for line in instructions("RUN")[:2]:
        for command in line.split(" && "):
            words = command.replace("/opt/mainspring", str(made)).replace(" --no-cache-dir", "").split()
            if words[1:3] == ["-m", "venv"]:  # Debian's Python may have no ensurepip
                words = ["sh", str(ROOT / "scripts" / "venv.sh"), sys.executable, words[3]]
            done = call(*words, cwd=ROOT)
            assert done.returncode == 0, done.stdout + done.stderr
    return made


def answers(url):
    """Tell whether a probe is content."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False


@pytest.mark.timeout(180)
def test_image_runs_its_commands(image, tmp_path, postgres):
    """Its CMD runs, its HEALTHCHECK and the web role's probes tell when it does, it drains, and SIGTERM ends it in order."""
    environment = dict(pair.split("=", 1) for pair in instructions("ENV")[0].split())
    environment["PATH"] = (
        environment["PATH"].replace("/opt/mainspring", str(image)).replace("$PATH", os.environ["PATH"])
    )
    port = free_port()
    environment |= {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "MAINSPRING_WEB_BIND": f"127.0.0.1:{port}",
        "MAINSPRING_STORE_URL": postgres.new_store(),
        "MAINSPRING_EXEC_SPOOL": str(tmp_path / "spool"),
    }
    (program,) = json.loads(instructions("ENTRYPOINT")[0])
    command = [str(image / "bin" / program), *json.loads(instructions("CMD")[0])]
    health = json.loads(instructions("HEALTHCHECK")[0].partition(" CMD ")[2])
    health[0] = str(image / "bin" / health[0])
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + TIMEOUT_S
        while (done := call(*health, cwd=tmp_path, env=environment)).returncode != 0:
            output = done.stdout + done.stderr + (tmp_path / "log").read_text()
            assert process.poll() is None, output
            assert time.monotonic() < until, output
        for path in ("/healthz", "/readyz"):  # the probes of the web role
            while not answers(
                f"http://127.0.0.1:{port}{path}"
            ):  # it looks once a second: a pod is ready a moment later
                assert time.monotonic() < until, (tmp_path / "log").read_text()
        drained = call(image / "bin" / "mainspring", *DRAIN, cwd=tmp_path, env=environment)
        assert drained.returncode == 0, drained.stdout + drained.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
        assert call(*health, cwd=tmp_path, env=environment).returncode != 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
