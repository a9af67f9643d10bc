"""Secrets of wrapped commands and of scripts: the command has them, and no record does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.wrapping import Place
from tests.new_stores import create_store

VALUE = "canary-of-a-command-5177"
PRINT = (
    """printf '%s %s' "$TOKEN" "$(cat $STRIPE_FILE)" > out; echo $TOKEN; """
    """! tr '\\0' ' ' < /proc/$PPID/cmdline | grep -q '[5]177'"""
)


MEASURED = """
import ctypes, os, resource, sys
from mainspring.__main__ import main
os._exit = sys.exit
resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))
try:
    main()
finally:
    print("can write a core file:", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
"""The program with a limit for core files of its own, that prints whether the kernel may write one."""


def execute(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MAINSPRING_STORE_URL": str(folder / "state.db"), **variables}
    env |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}  # the code of this checkout
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


def test_command_without_its_secret_is_a_failed_run(place: Place) -> None:
    """It is not tried again, and waits for no lock. The record has the name of the secret, and the end is notified like any other."""
    create_store(place.store)
    words = ("-n", "charge", "--retry", "3", "--lock", "l", "--secret", "STRIPE", "--", "sh", "-c", "touch out")
    done = place.exec(*words)
    assert done.returncode == 125
    assert done.stderr.startswith(b"mainspring: charge: not run: the secret 'STRIPE' is not set. Set MAINSPRING_")
    assert not (place.folder / "out").exists()
    assert place.runs() == [("failed", "permanent_error")]
    ((run,),) = place.rows("select id from runs")
    assert b"It failed at step charge" in place.call("explain", run).stdout
    place.watch()
    assert place.rows("select count(*) from incidents") == [(1,)]


def test_command_of_once_gets_secrets(tmp_path: Path) -> None:
    """As that of exec does, with a record of the use."""
    execute(tmp_path, "true")  # it creates the store
    env = os.environ | {"MAINSPRING_STORE_URL": str(tmp_path / "state.db"), "MAINSPRING_SECRET_STRIPE": VALUE}
    program = (sys.executable, "-m", "mainspring")
    options = ("--secret", "STRIPE=TOKEN", "--secret-file", "STRIPE")
    done = subprocess.run(
        [*program, "once", "charge:7", *options, "--", "sh", "-c", PRINT],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == f"{VALUE} {VALUE}"
    log = subprocess.run(
        [*program, "secrets", "log"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "once of" in log.stdout


@pytest.mark.parametrize("command", [("exec",), ("once", "key")])
def test_secret_that_is_too_long_for_a_variable_is_refused_with_the_fix(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The kernel limits each variable; nothing runs, and the same secret fits into a file."""
    (tmp_path / "mainspring.toml").write_text('[project]\nname = "shop"\n[store]\nurl = "state.db"\n')

    def run(*words: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mainspring", *words],
            cwd=tmp_path, input=input, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def run_with(option: str) -> subprocess.CompletedProcess[str]:
        return run(*command, option, "CERTS", "--", "sh", "-c", "touch out")

    assert run("secrets", "init").returncode == 0
    assert run("secrets", "set", "CERTS", input="x" * 131_066).returncode == 0
    done = run_with("--secret")
    assert "the secret 'CERTS' has 131,066 bytes" in done.stderr, done
    assert "the kernel allows 131,072 for CERTS with its name" in done.stderr
    assert "--secret-file CERTS" in done.stderr
    assert (done.returncode, (tmp_path / "out").exists()) == (2 if command == ("once", "key") else 125, False)
    assert run_with("--secret-file").returncode == 0
    assert (tmp_path / "out").exists()


def test_longest_secret_for_a_variable_reaches_the_command(tmp_path: Path) -> None:
    """The limit includes the name, the equals sign and the NUL."""
    (tmp_path / "mainspring.toml").write_text('[project]\nname = "shop"\n[store]\nurl = "state.db"\n')
    program = [sys.executable, "-m", "mainspring"]
    subprocess.run([*program, "secrets", "init"], cwd=tmp_path, capture_output=True, check=True)
    value = b"x" * 131_065
    subprocess.run([*program, "secrets", "set", "CERTS"], cwd=tmp_path, input=value, capture_output=True, check=True)
    words = ["exec", "--secret", "CERTS", "--", "sh", "-c", "echo ${#CERTS}"]
    done = subprocess.run([*program, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "131065\n"


@pytest.mark.parametrize(
    ("words", "limit", "can_dump"),
    [
        (("exec", "--secret", "STRIPE", "--"), 0, 0),
        (("exec", "--secret-file", "STRIPE", "--"), 0, 0),
        (("exec", "--"), 8, 1),
        (("once", "charge:7", "--"), 8, 0),
        (("once", "charge:7", "--secret", "STRIPE", "--"), 0, 0),
    ],
)
def test_process_that_reads_secrets_writes_no_core_file(
    tmp_path: Path, words: tuple[str, ...], limit: int, can_dump: int
) -> None:
    """Nor does a command that gets one. Another command keeps the limit of its user."""
    execute(tmp_path, "true")  # it creates the store
    env = os.environ | {"MAINSPRING_STORE_URL": str(tmp_path / "state.db"), "MAINSPRING_SECRET_STRIPE": VALUE}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words, "sh", "-c", "ulimit -c"],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [str(limit), f"can write a core file: {can_dump}"], done.stderr


def test_script_gets_the_secrets_of_its_list(tmp_path: Path, monkeypatch) -> None:
    """As variables of its command; another one is not there."""
    monkeypatch.setenv("MAINSPRING_SECRET_STRIPE", VALUE)
    monkeypatch.setenv("MAINSPRING_SECRET_OTHER", "other-value-123")
    command = f"echo $STRIPE > {tmp_path}/out; env | grep -c other-value >> {tmp_path}/out; true"
    with Registry():
        script = ms.script("charge", ["sh", "-c", command], secrets=["STRIPE"])
        ms.App(tmp_path / "state.db").run(script)
    assert (tmp_path / "out").read_text() == f"{VALUE}\n0\n"
