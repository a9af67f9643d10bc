"""`mainspring secrets`: what is stored, displayed, refused and recorded."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.store.commands.secrets import RecordSecretUses

VALUE = "sk-value-of-the-commands-77"


@pytest.fixture
def project(folder: Path) -> Path:
    """A project with the default providers."""
    (folder / "mainspring.toml").write_text('[project]\nname = "shop"\n')
    (folder / ".gitignore").write_text("*.log")
    return folder


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    def pipe(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return pipe


@pytest.fixture
def stored(cli: Any, stage: Any, project: Path, type_in: Any) -> Any:
    """A project with one secret; returns what the audit log has of it, oldest first."""
    assert cli("secrets", "init").code == 0
    type_in(f"{VALUE}\n")
    assert cli("secrets", "set", "STRIPE").code == 0
    return lambda: [row["verb"] for row in reversed(cli("audit-log", "list", "--json").json)]


def test_secret_is_stored_listed_and_revealed_with_a_record(cli: Any, stage: Any, stored: Any, folder: Path) -> None:
    """Only `get --reveal` prints the value, and it is recorded before; the key is ignored by version control."""
    assert (folder / ".gitignore").read_text() == "*.log\nsecrets.key\n"
    assert (folder / "secrets.key").stat().st_mode & 0o777 == 0o600
    stage.do(
        RecordSecretUses(
            1, (SecretUse(secret="STRIPE", version="v1", provider="age", actor="w", automation="a", step="s"),)
        )
    )
    (line,) = cli("secrets", "list", "--json").json
    assert (line["name"], line["version"], line["last_used_by"]) == ("STRIPE", "v1", "a/s")
    printed = [
        cli("secrets", *words).out for words in (["list"], ["get", "STRIPE"], ["check"], ["log"], ["log", "--json"])
    ]
    assert all(VALUE not in text for text in printed)
    assert "a/s" in printed[3]
    assert cli("secrets", "get", "STRIPE", "--reveal").out == f"{VALUE}\n"
    assert stored() == ["set", "reveal"]
    assert VALUE.encode() not in b"".join(path.read_bytes() for path in folder.glob("secrets.*"))


def test_rotation_changes_nothing_unless_the_new_value_is_verified(cli: Any, stored: Any, type_in: Any) -> None:
    """The command gets the value as a variable; what it prints is masked."""
    refused = cli("secrets", "rotate", "STRIPE", "--generate", "--verify", "sh -c 'echo no $STRIPE >&2; exit 3'")
    assert refused.code == 2
    assert "it exits with 3: no ***" in refused.err
    type_in("the-next-value-of-it")
    done = cli(
        "secrets",
        "rotate",
        "STRIPE",
        "--grace",
        "1h",
        "--verify",
        "sh -c 'test $STRIPE = the-next-value-of-it'",
        "--json",
    )
    assert done.json["version"] == "v2"
    assert cli("secrets", "get", "STRIPE", "--reveal").out == "the-next-value-of-it\n"
    (line,) = cli("secrets", "list", "--json").json
    assert (line["version"], line["older"]) == ("v2", "v1")
    assert stored() == ["set", "rotate", "reveal"]


@pytest.mark.parametrize(
    ("words", "text", "problem"),
    [
        (["set", "NEW"], "short", "the value has 5 characters"),
        (["set", "NEW"], " \n", "the value is empty"),
        (["set", "../x"], VALUE, "not a valid name"),
        (["set", "STRIPE", "--provider", "vault"], VALUE, "no provider of this project"),
        (["rotate", "NEW"], VALUE, "is not stored"),
        (["get", "STRIP"], "", "Did you mean 'STRIPE'?"),
        (["set", "STRIPE", "--provider", "env"], VALUE, "a variable of the environment"),
    ],
)
def test_bad_input_is_refused_with_its_fix(
    cli: Any, stored: Any, type_in: Any, words: list[str], text: str, problem: str
) -> None:
    """Nothing is stored, and no message has the value."""
    type_in(text)
    refused = cli("secrets", *words)
    assert refused.code == 2
    assert problem in refused.err
    assert VALUE not in refused.err
    assert stored() == ["set"]
    type_in("short")
    assert cli("secrets", "set", "NEW", "--short").code == 0


def test_check_finds_what_cannot_be_read(cli: Any, stage: Any, stored: Any, folder: Path) -> None:
    """By its user: a channel, an automation, a provider; exit code 9."""
    assert cli("secrets", "check").code == 0
    stage.announce(Definition(kind=DefinitionKind.TASK, name="pay", options={"secrets": ["STRIPE", "GONE"]}))
    found = cli("secrets", "check", "--json")
    assert found.code == 9
    (problem,) = found.json["problems"]
    assert (problem["name"], problem["user"]) == ("GONE", "automation pay")
    (folder / "secrets.key").chmod(0o644)
    assert "other users can read or change the key" in cli("secrets", "check").out


def test_doctor_finds_secrets_that_cannot_be_read_and_keys_in_files(cli: Any, stored: Any, project: Path) -> None:
    """A key is reported by its place, and not repeated."""
    key = "ghp_" + "a1B2" * 9
    (project / "jobs.py").write_text(f'import mainspring as ms\n\nTOKEN = "{key}"\n')
    (project / "mainspring.toml").write_text(
        '[project]\nautomations = ["jobs.py"]\n[otel]\nendpoint = "https://otel.example"\nheaders_secret = "secret:GONE"\n'
    )
    found = cli("doctor", "--json")
    checks = {check["name"]: check for check in found.json if check["name"] in ("secrets", "literals")}
    assert "the secret 'GONE' is not set" in checks["secrets"]["text"]
    assert checks["literals"]["state"] == "warning"
    assert checks["literals"]["text"].endswith("jobs.py:3")
    assert key not in found.out
