"""`mainspring secrets`: what is stored, displayed, refused and recorded."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mainspring.cli.context import Invocation
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.integrations.secrets.folder_secrets import FolderSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore
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
    assert (folder / ".gitignore").read_text() == "*.log\nsecrets.key\n.secrets.age.lock\n"
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


def test_output_of_the_verifying_command_may_be_no_text(cli: Any, stored: Any) -> None:
    """It succeeds, or fails by its exit code."""
    verify = "printf '\\\\377' >&2; exit"
    assert "it exits with 3" in cli("secrets", "rotate", "STRIPE", "--generate", "--verify", f'sh -c "{verify} 3"').err
    assert cli("secrets", "rotate", "STRIPE", "--generate", "--verify", f'sh -c "{verify} 0"').code == 0


@pytest.mark.parametrize("scheme", ["dir:secrets", "keyring:shop?backend=keyrings.alt.file.PlaintextKeyring"])
def test_place_with_one_version_does_not_rotate(
    cli: Any, project: Path, type_in: Any, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The old value would end at once, without its grace time."""
    monkeypatch.setenv("XDG_DATA_HOME", str(project))
    (project / "mainspring.toml").write_text(f'[secrets]\nproviders = ["{scheme}"]\n')
    type_in(VALUE)
    assert cli("secrets", "set", "STRIPE").code == 0
    refused = cli("secrets", "rotate", "STRIPE", "--generate")
    assert refused.code == 2
    assert "cannot have two versions" in refused.err
    assert cli("secrets", "get", "STRIPE", "--reveal").out == f"{VALUE}\n"


@pytest.mark.parametrize(
    "scheme", ["age:secrets.age", "dir:secrets", "keyring:shop?backend=keyrings.alt.file.PlaintextKeyring"]
)
def test_removed_secret_is_gone_and_the_removal_on_record(
    cli: Any, stored: Any, folder: Path, type_in: Any, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """It needs a confirmation. Another provider that has the name is reported, because its value counts now."""
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    (folder / "mainspring.toml").write_text(f'[secrets]\nproviders = ["{scheme}", "env:"]\n')
    type_in(VALUE)
    assert cli("secrets", "set", "GITHUB").code == 0
    assert "needs a confirmation" in cli("secrets", "remove", "GITHUB").err
    assert cli("secrets", "get", "GITHUB").code == 0
    monkeypatch.setenv("MAINSPRING_SECRET_GITHUB", "the-other-value-of-it")
    done = cli("secrets", "remove", "GITHUB", "-y")
    assert done.code == 0
    assert "env: has a secret GITHUB, too" in done.err
    assert "Mainspring cannot delete the secret 'GITHUB'" in cli("secrets", "remove", "GITHUB", "-y").err
    monkeypatch.delenv("MAINSPRING_SECRET_GITHUB")
    assert "the secret 'GITHUB' is not set" in cli("secrets", "remove", "GITHUB", "-y").err
    assert stored() == ["set", "set", "remove"]


class VersionedProvider(FolderSecrets):
    """A provider on a server, which stores its versions by rules of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.name = "vault:kv/shop"

    def write(self, name: str, value: str) -> str:
        super().write(name, value)
        return "8"


def test_rotation_promises_no_grace_time_that_a_server_does_not_have(
    cli: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person ends it there. A promise of an hour would be wrong after a leak."""
    provider = VersionedProvider(project / "server")
    provider.write("STRIPE", VALUE)
    store = SecretStore([ProviderEntry(provider, is_local=False)])
    monkeypatch.setattr(Invocation, "secrets", store)
    done = cli("secrets", "rotate", "STRIPE", "--generate")
    assert "The secret STRIPE is 8 in vault:kv/shop. The old version counts until you delete it there" in done.out
    (row,) = cli("audit-log", "list", "--json").json
    assert "grace" not in str(row["detail"])


def test_key_is_ignored_in_a_folder_of_a_repository(cli: Any, project: Path) -> None:
    """A project need not be the top of its repository."""
    (project / ".gitignore").unlink()
    (project / ".git").mkdir()
    (project / "jobs").mkdir()
    (project / "jobs" / "mainspring.toml").write_text("")
    assert cli("--config", str(project / "jobs" / "mainspring.toml"), "secrets", "init").code == 0
    assert (project / "jobs" / ".gitignore").read_text() == "secrets.key\n.secrets.age.lock\n"


@pytest.mark.parametrize(
    ("words", "text", "problem"),
    [
        (["set", "NEW"], "short", "the value has 5 characters"),
        (["set", "NEW"], " \n", "the value is empty"),
        (["set", "../x"], VALUE, "not a valid name"),
        (["set", "STRIPE", "--provider", "vault"], VALUE, "no provider of this project"),
        (["rotate", "STRIP"], VALUE, "Did you mean 'STRIPE'?"),
        (["get", "stripe"], "", "Did you mean 'STRIPE'?"),
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


def test_init_after_the_loss_of_the_file_reports_an_empty_one(cli: Any, stored: Any, folder: Path) -> None:
    """The error of a reading command names the backup first."""
    (folder / "secrets.age").rename(folder / "kept")
    (folder / "mainspring.toml").write_text('[secrets]\nproviders = ["age:secrets.age"]\n')
    refused = cli("secrets", "get", "STRIPE")
    assert "Restore it from a backup" in refused.err
    done = cli("secrets", "init")
    assert "Found the key" in done.out
    assert "Created the empty file" in done.out
    again = cli("secrets", "init", "--json").json
    assert (again["created"], again["file_created"]) == (False, False)


def test_check_finds_the_missing_secret_of_a_webhook(cli: Any, stage: Any, stored: Any) -> None:
    """Without it each sender gets the answer 503."""
    webhook = Webhook(path="/hook", verify=VerifierOptions(kind="bearer", secrets=("HOOK",)))
    trigger = Trigger(source=webhook, reading=EventBinding(how="data", parameter="build"))
    stage.announce(Definition(kind=DefinitionKind.TASK, name="deploy", triggers={"hook": trigger}))
    found = cli("secrets", "check", "--json")
    assert found.code == 9
    assert [(row["name"], row["user"]) for row in found.json["problems"]] == [("HOOK", "webhook /hook of deploy")]


def test_check_finds_what_cannot_be_read(cli: Any, stage: Any, stored: Any, folder: Path) -> None:
    """By its user: a channel, an automation, a provider; exit code 9."""
    assert cli("secrets", "check").code == 0
    stage.announce(Definition(kind=DefinitionKind.TASK, name="pay", options={"secrets": ["STRIPE", "GONE"]}))
    found = cli("secrets", "check", "--json")
    assert found.code == 9
    (problem,) = found.json["problems"]
    assert (problem["name"], problem["user"]) == ("GONE", "automation pay")
    assert problem["fix"].endswith("; after a trial: mainspring auto retire pay")
    with (folder / "mainspring.toml").open("a") as file:
        file.write('[secrets]\nproviders = ["dir:nowhere", "age:secrets.age"]\n')
    assert "the folder of secrets does not exist" in cli("secrets", "check").out
    assert "the folder of secrets does not exist" in cli("secrets", "list").err
    (folder / "secrets.key").chmod(0o644)
    assert "other users can read or change the key" in cli("secrets", "check").out


def test_check_reads_the_files_of_automations(cli: Any, stage: Any, stored: Any, project: Path) -> None:
    """No worker has announced them, or one has announced an older list. A file that does not load is named."""
    code = "import mainspring as ms\n\n\n@ms.task(secrets=['STRIPE', 'NOPE'])\ndef pay() -> None: ...\n"
    (project / "jobs.py").write_text(code)
    (project / "broken.py").write_text("import nowhere_at_all\n")
    (project / "mainspring.toml").write_text('[project]\nautomations = ["jobs.py", "broken.py"]\n')
    for _ in range(2):
        found = cli("secrets", "check", "--json")
        assert found.code == 9
        (problem,) = found.json["problems"]
        assert (problem["name"], problem["user"]) == ("NOPE", "automation pay")
        assert "broken.py" in found.err
        stage.announce(Definition(kind=DefinitionKind.TASK, name="pay", options={"secrets": ["STRIPE"]}))


@pytest.mark.parametrize(
    ("address", "fix"),
    [("aeg:secrets.age", 'Did you mean "age:secrets.age"?'), ("age:secret.age", "If 'secrets.age' is the right file")],
)
def test_wrong_address_of_a_provider_has_the_right_one(
    cli: Any, stored: Any, folder: Path, address: str, fix: str
) -> None:
    """A typing error in the scheme, or in the name of the file."""
    with (folder / "mainspring.toml").open("a") as file:
        file.write(f'[secrets]\nproviders = ["{address}"]\n')
    refused = cli("secrets", "get", "STRIPE")
    assert refused.code == 2
    assert fix in refused.err


def test_check_opens_the_providers_once(cli: Any, stored: Any, type_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each secret: each time would be a new sign-in at a server."""
    type_in(VALUE)
    assert cli("secrets", "set", "MAIL").code == 0
    opened = []
    open_all = SecretStore.__init__

    def init(store: SecretStore, *args: Any, **options: Any) -> None:
        opened.append(store)
        open_all(store, *args, **options)

    monkeypatch.setattr(SecretStore, "__init__", init)
    assert "2 secrets can be read" in cli("secrets", "check").out
    assert len(opened) == 1


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


@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_value_that_is_not_text_is_refused_with_the_fix(project: Path, locale: str) -> None:
    """A secret is text; bytes have a form as text."""
    program = [sys.executable, "-m", "mainspring", "secrets"]
    env = os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0" if locale == "POSIX" else "1"}
    subprocess.run([*program, "init"], cwd=project, env=env, capture_output=True, check=True)
    done = subprocess.run(
        [*program, "set", "BIN"], cwd=project, env=env, input=b"\xff\xfe-bytes-here", capture_output=True, check=False
    )
    assert (done.returncode, b"not text in UTF-8" in done.stderr) == (2, True), done
    assert b"base64 FILE | mainspring secrets set BIN" in done.stderr
