"""Secrets of wrapped commands and of scripts: the command has them, and no record does."""

import subprocess
import sys
from pathlib import Path

import mainspring as ms
from mainspring.engine.definitions.registry import Registry

VALUE = "canary-of-a-command-5177"
PRINT = (
    """printf '%s %s' "$TOKEN" "$(cat $STRIPE_FILE)" > out; echo $TOKEN; """
    """! tr '\\0' ' ' < /proc/$PPID/cmdline | grep -q '[5]177'"""
)


def execute(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MAINSPRING_STORE_URL": str(folder / "state.db"), **variables}
    command = [sys.executable, "-m", "mainspring", "exec", *words]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)


def test_command_gets_secrets_as_variable_and_as_file(tmp_path: Path) -> None:
    """Neither the arguments nor the files of the store have the value; without the secret, nothing runs."""
    words = ("-n", "charge", "--secret", "STRIPE=TOKEN", "--secret-file", "STRIPE", "--", "sh", "-c", PRINT)
    done = execute(tmp_path, *words, MAINSPRING_SECRET_STRIPE=VALUE)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == f"{VALUE} {VALUE}"
    (tmp_path / "out").unlink()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert VALUE.encode() not in stored
    assert b"exec of" in stored, "the use is on record"
    refused = execute(tmp_path, *words)
    assert refused.returncode == 125
    assert "the secret 'STRIPE' is not set" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_script_gets_the_secrets_of_its_list(tmp_path: Path, monkeypatch) -> None:
    """As variables of its command; another one is not there."""
    monkeypatch.setenv("MAINSPRING_SECRET_STRIPE", VALUE)
    monkeypatch.setenv("MAINSPRING_SECRET_OTHER", "other-value-123")
    command = f"echo $STRIPE > {tmp_path}/out; env | grep -c other-value >> {tmp_path}/out; true"
    with Registry():
        script = ms.script("charge", ["sh", "-c", command], secrets=["STRIPE"])
        ms.App(tmp_path / "state.db").run(script)
    assert (tmp_path / "out").read_text() == f"{VALUE}\n0\n"
