"""The encrypted file of secrets: what it stores, and what it refuses."""

import threading
from pathlib import Path

import pytest

from mainspring.domain.errors import SecretProviderError
from mainspring.integrations.secrets.age_secrets import AgeSecrets

VALUE, NEXT = "correct-horse-battery-1", "correct-horse-battery-2"


class Clock:
    def __init__(self) -> None:
        self.now_at = 1_000_000

    def now(self) -> int:
        return self.now_at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secrets(tmp_path: Path, clock: Clock) -> AgeSecrets:
    file = AgeSecrets(tmp_path / "secrets.age", tmp_path / "secrets.key", clock.now)
    assert file.init() == (True, True)
    return file


def test_value_is_stored_encrypted_and_read_again(secrets: AgeSecrets, clock: Clock) -> None:
    """By another process too; key and file are for their owner alone, and no part file is left."""
    assert secrets.write("A", VALUE) == "v1"
    other = AgeSecrets(secrets.path, secrets.key_file, clock.now)
    found = other.read("A")
    assert found is not None
    assert (found.value, found.version, found.previous) == (VALUE, "v1", None)
    assert VALUE not in repr(found)
    assert (other.read("B"), other.list_names()) == (None, ["A"])
    folder = secrets.path.parent
    assert {path.name for path in folder.iterdir()} == {"secrets.age", "secrets.key", ".secrets.age.lock"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert VALUE.encode() not in secrets.path.read_bytes()
    assert secrets.path.read_bytes().startswith(b"age-encryption.org/v1")


def test_two_versions_are_live_during_the_grace_time(secrets: AgeSecrets, clock: Clock) -> None:
    """A third replaces the oldest; after the grace time the old one is not returned, and `retire` deletes it."""
    secrets.write("A", VALUE)
    assert secrets.rotate("A", NEXT, grace_ms=1_000) == "v2"
    found = secrets.read("A")
    assert found is not None
    assert (found.value, found.previous) == (NEXT, VALUE)
    assert secrets.retire("A") == []
    clock.now_at += 1_000
    found = secrets.read("A")
    assert found is not None
    assert (found.value, found.previous) == (NEXT, None)
    assert [item.version for item in secrets.live_versions("A")] == ["v2", "v1"]
    assert secrets.retire("A") == ["v1"]
    content = secrets.path.read_bytes()
    assert (secrets.retire("A"), secrets.retire("UNKNOWN")) == ([], [])
    assert secrets.path.read_bytes() == content, "nothing to change, so no new file"
    secrets.rotate("A", VALUE, grace_ms=10)
    secrets.rotate("A", NEXT, grace_ms=10)
    assert [item.version for item in secrets.live_versions("A")] == ["v4", "v3"]


def test_changes_of_several_threads_are_all_stored(secrets: AgeSecrets) -> None:
    """The lock orders them; a reader sees a whole file at each moment."""
    threads = [threading.Thread(target=secrets.write, args=(f"S{number}", VALUE)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert secrets.list_names() == sorted(f"S{number}" for number in range(8))


@pytest.mark.parametrize(
    ("damage", "problem", "fix"),
    [
        (lambda s: s.key_file.unlink(), "the key of secrets is missing", "Copy it"),
        (lambda s: s.key_file.chmod(0o644), "other users can read or change the key", "chmod 600"),
        (lambda s: s.key_file.write_text("nothing\n"), "is no key of age", "AGE-SECRET-KEY-1"),
        (lambda s: s.path.unlink(), "the encrypted file of secrets is missing", "Restore it from a backup"),
        (lambda s: s.path.write_bytes(b"age-encryption.org/v1\nx"), "is damaged", "Restore it"),
        (
            lambda s: (s.key_file.unlink(), AgeSecrets(s.path.with_name("o.age"), s.key_file, int).init()),
            "for another key",
            "key_file",
        ),
    ],
)
def test_file_that_cannot_be_read_is_an_error_with_its_fix(
    secrets: AgeSecrets, damage: object, problem: str, fix: str
) -> None:
    """Never with the value or the key."""
    secrets.write("A", VALUE)
    key = secrets.key_file.read_text().split()[-1]
    damage(secrets)  # type: ignore[operator]
    with pytest.raises(SecretProviderError, match=problem) as refused:
        secrets.read("A")
    assert fix in (refused.value.hint or "")
    assert VALUE not in str(refused.value)
    assert key not in str(refused.value)


def test_key_is_never_replaced(secrets: AgeSecrets) -> None:
    """A second `init` changes nothing; without the key it refuses, because a new key could not read the file."""
    key = secrets.key_file.read_bytes()
    assert secrets.init() == (False, False)
    assert secrets.key_file.read_bytes() == key
    secrets.key_file.unlink()
    with pytest.raises(SecretProviderError, match="its key does not"):
        secrets.init()
