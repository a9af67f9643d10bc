"""Secrets by name."""

import os

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.domain.redaction.secret_name import secret_variable_name
from mainspring.resources import secret_store
from mainspring.resources.known_secrets import KnownSecrets
from mainspring.resources.secret_store import SecretStore

VALUE = "correct-horse-battery"


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)


def test_secret_comes_from_the_variable_or_else_from_its_file(tmp_path):
    """A variable that is set to nothing is not set."""
    write(tmp_path / "gh-hook", f"\n  {VALUE}\n")
    assert secret_variable_name("gh-hook") == "MAINSPRING_SECRET_GH_HOOK"
    assert SecretStore.of(tmp_path, {"MAINSPRING_SECRET_GH_HOOK": " "}).get("gh-hook") == VALUE
    assert SecretStore.of(tmp_path, {"MAINSPRING_SECRET_GH_HOOK": "other"}).get("gh-hook") == "other"
    assert SecretStore.of(None, {"MAINSPRING_SECRET_A.B": "x", "MAINSPRING_SECRET_A_B": "y"}).get("a.b") == "y"


def test_several_values_are_one_per_line(tmp_path):
    """As they do during a rotation."""
    write(tmp_path / "HOOK", "new\n\n old \r\n")
    assert SecretStore.of(tmp_path, {}).lines("HOOK") == ("new", "old")


@pytest.mark.parametrize("folder", [True, False])
def test_secret_that_is_not_set_has_a_hint(tmp_path, folder):
    """By its variable, and by its file or the setting that names the folder."""
    with pytest.raises(ConfigError, match="'NONE' is not set") as refused:
        SecretStore.of(tmp_path if folder else None, {}).get("NONE")
    assert "MAINSPRING_SECRET_NONE" in str(refused.value)
    assert (str(tmp_path / "NONE") if folder else "secrets.dir") in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o601])
def test_file_that_others_can_read_or_change_is_refused(tmp_path, mode):
    """With the command that fixes it, and without the value."""
    write(tmp_path / "HOOK", VALUE, mode)
    with pytest.raises(ConfigError, match="other users can read or change") as refused:
        SecretStore.of(tmp_path, {}).get("HOOK")
    assert "chmod 600" in str(refused.value)
    assert VALUE not in str(refused.value)


def test_file_that_holds_no_secret_is_refused(tmp_path):
    """An empty one, one that is no text, one that is too large, a folder."""
    write(tmp_path / "EMPTY", "\n")
    write(tmp_path / "LARGE", "x" * 70_000)
    (tmp_path / "BYTES").write_bytes(b"\xff\xfe")
    (tmp_path / "BYTES").chmod(0o600)
    (tmp_path / "FOLDER").mkdir()
    secrets = SecretStore.of(tmp_path, {})
    for name, reason in [("EMPTY", "empty"), ("LARGE", "not a file"), ("BYTES", "UTF-8"), ("FOLDER", "not a file")]:
        with pytest.raises(ConfigError, match=reason):
            secrets.get(name)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "1x", ".x", "a b", "x" * 101, "ä", "a\n"])
def test_name_that_could_lead_elsewhere_is_refused(tmp_path, name):
    """A name is never a path."""
    with pytest.raises(ConfigError, match="not a valid name of a secret"):
        SecretStore.of(tmp_path, {}).get(name)


def test_replaced_file_counts_from_the_next_read_on(tmp_path):
    """Rotation needs no restart, and neither does withdrawing a secret."""
    secrets = SecretStore.of(tmp_path, {})
    write(tmp_path / "HOOK", "old")
    assert secrets.get("HOOK") == "old"
    write(tmp_path / "next", "new")
    os.replace(tmp_path / "next", tmp_path / "HOOK")
    assert secrets.get("HOOK") == "new"
    (tmp_path / "HOOK").chmod(0o644)
    with pytest.raises(ConfigError, match="other users"):
        secrets.get("HOOK")
    (tmp_path / "HOOK").unlink()
    with pytest.raises(ConfigError, match="not set"):
        secrets.get("HOOK")


def test_repr_displays_no_value(tmp_path):
    """Not of what was read, either."""
    write(tmp_path / "HOOK", VALUE)
    secrets = SecretStore.of(tmp_path, {"MAINSPRING_SECRET_B": VALUE})
    secrets.get("HOOK")
    assert VALUE not in repr(secrets)


def test_all_secrets_of_the_folder_are_hidden(tmp_path, monkeypatch):
    """Before anything asked for one; a file that cannot be used is passed over."""
    monkeypatch.setattr(secret_store, "KNOWN_SECRETS", known := KnownSecrets())
    for name, mode in (("GOOD", 0o600), ("OPEN", 0o644), ("no name!", 0o600)):
        (tmp_path / name).write_text(f"value of {name}")
        (tmp_path / name).chmod(mode)
    SecretStore.of(tmp_path, {}).hide_all()
    assert known.redact("value of GOOD, value of OPEN") == "***, value of OPEN"
    SecretStore.of(tmp_path / "none", {}).hide_all()
