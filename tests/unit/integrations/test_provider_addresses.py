"""Addresses of secret providers: each mistake is named, and no credential in one is repeated."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainspring.domain.errors import ConfigError, MainspringError, OptionError, SecretProviderError
from mainspring.domain.redaction.secret_detection import hide_likely_secrets
from mainspring.integrations.secret_providers import ProviderPlace, list_credential_variables, open_providers

_CANARY = "hvs.CAESIJk8P-canary"
_ROLE = "role_id=9e3e5b5e-1d42-572d-3fba-655a1a204272"


def _open(address, folder=Path("/nonexistent"), **env):
    return open_providers([address], ProviderPlace(folder, env, lambda: 0))[0]


@pytest.mark.parametrize(
    "address",
    [
        "vault:https://bao.example:8200/kv/billing?from=env:BAO_TOKEN",
        f"vault:https://bao.example/kv/billing?auth=approle&{_ROLE}&from=file:/run/secrets/bao",
        "vault:https://[2001:db8::1]:8200/teams%2Fkv?auth=kubernetes&role=billing&namespace=team/a&ca=ca.pem",
        "vault:http://127.0.0.1:8200/secret?field=password",
        "aws:eu-central-1",
        "aws:us-gov-west-1/billing/prod?profile=prod&endpoint=https://secrets.example",
        "keyring:billing?backend=keyring.backends.SecretService.Keyring",
    ],
)
def test_valid_address_names_its_provider_and_resembles_no_secret(address):
    """So it may be stored and displayed."""
    provider = _open(address)
    assert provider.name == address
    assert hide_likely_secrets(address) == address
    provider.close()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (f"vault:https://u:{_CANARY}@bao.example/kv", "a user or a password"),
        (f"vault:https://bao.example/kv?from={_CANARY}", "from= must name a place"),
        (f"vault:https://bao.example/kv?{_CANARY}=1", "parameter of a secret provider"),
        (f"vault:https://bao.example/kv?auth=approle&{_ROLE}&from={_CANARY}", "from= must name a place"),
        (f"vault:https://bao.example/kv?auth=approle&{_ROLE}", "needs role_id= and from="),
        ("vault:https://bao.example/kv?auth=approle&from=env:A", "needs role_id="),
        ("vault:https://bao.example/kv?auth=kubernetes", "needs role="),
        ("vault:https://bao.example/kv?auth=ldap", "token, approle or kubernetes"),
        ("vault:https://bao.example/kv?role=a", "role= does not belong to auth=token"),
        ("vault:https://bao.example/kv?auth=kubernetes&role=a&auth_mount=../sys", "auth_mount= has characters"),
        ("vault:https://bao.example/kv?from=env:A&from=env:B", "from= is there twice"),
        ("vault:https://bao.example", "does not name the mount"),
        ("vault:https://bao.example/kv/../sys", "does not name the mount"),
        ("vault:https://bao.example/kv/%2e%2e/sys", "does not name the mount"),
        ("vault:http://bao.example/kv", "would send the token unencrypted"),
        ("vault:kv/billing", "neither BAO_ADDR nor VAULT_ADDR"),
        ("vault:https://bao.example/kv\nx", "not one line"),
        (f"aws:{_CANARY}", "does not start with a region"),
        (f"aws:eu-central-1/a?{_CANARY}", "parameter of a secret provider"),
        ("aws:eu-central-1/a b", "prefix has characters"),
        ("aws:eu-central-1/a?endpoint=ftp://x", "endpoint= is not"),
        ("keyring:", "does not name a service"),
        ("keyring:billing?backend=os", "backend= is not the name"),
    ],
)
def test_invalid_address_is_refused_without_repeating_a_credential(address, problem):
    """A token in the wrong place of an address must not reach a log."""
    with pytest.raises((OptionError, MainspringError), match=problem) as refused:
        _open(address)
    assert _CANARY not in str(refused.value)
    assert refused.value.hint


def test_server_of_the_environment_is_used_for_a_short_address():
    """BAO_ADDR and VAULT_ADDR, as for the command bao; plain HTTP is refused there too."""
    _open("vault:kv/billing", BAO_ADDR="https://bao.example:8200/").close()
    with pytest.raises(OptionError, match="unencrypted"):
        _open("vault:kv/billing", VAULT_ADDR="http://vault.example:8200")


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("env:EMPTY", "the variable EMPTY is empty or not set"),
        ("file:missing", "missing cannot be read: No such file"),
        ("file:pipe", "pipe is empty or not set"),
        ("file:odd", "characters that no credential has"),
    ],
)
def test_credential_that_cannot_be_read_names_its_place(tmp_path, place, problem):
    """No request is sent without a credential, and a pipe does not block."""
    (tmp_path / "odd").write_bytes(b"two\nlines")
    (tmp_path / "odd").chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    provider = _open(f"vault:https://bao.example/kv?from={place}", tmp_path)
    with pytest.raises(SecretProviderError, match=problem) as refused:
        provider.read("A")
    assert not refused.value.transient
    assert "no credential (from=)" in refused.value.message
    provider.close()


@pytest.mark.parametrize(
    ("address", "library", "extra"), [("aws:eu-west-1", "boto3", "aws"), ("keyring:a", "keyring", "keyring")]
)
def test_missing_library_is_reported_with_the_line_that_installs_it(address, library, extra, monkeypatch):
    """The extra is named before the first read."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=f"needs {library}") as refused:
        _open(address)
    assert f"[{extra}]" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("vault:https://h/kv?from=env:TEAM_TOKEN", {"TEAM_TOKEN"}),
        ("vault:https://h/kv?from=env%3ATEAM_TOKEN", {"TEAM_TOKEN"}),
        (f"vault:https://h/kv?auth=approle&{_ROLE}&from=env:SECRET_ID", {"SECRET_ID"}),
        ("vault:kv/billing", {"BAO_TOKEN", "VAULT_TOKEN"}),
        ("vault:https://h/kv?from=file:/run/token", set()),
        ("vault:https://h/kv?auth=kubernetes&role=a", set()),
        ("aws:eu-west-1", set()),
        ("env:", set()),
    ],
)
def test_variables_with_credentials_are_known(address, names):
    """Commands and steps do not inherit them."""
    assert list_credential_variables([address]) == names


def test_opening_providers_imports_no_client_library():
    """A process that reads no secret of a provider does not pay for it."""
    program = (
        "import sys; from pathlib import Path\n"
        "from mainspring.integrations.secret_providers import ProviderPlace, open_providers\n"
        "open_providers(['vault:https://h/kv', 'aws:eu-west-1', 'keyring:a'], ProviderPlace(Path(), {}, lambda: 0))\n"
        "assert not {'httpx2', 'boto3', 'botocore', 'keyring'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
