"""Secrets by name."""

import os
import threading

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, SecretProviderError
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.domain.redaction.secret_name import secret_variable_name
from mainspring.integrations.base.secret_provider import SecretValue
from mainspring.integrations.secrets.folder_secrets import FolderSecrets
from mainspring.resources import secret_store
from mainspring.resources.known_secrets import KnownSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore

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


def test_hint_names_only_places_that_are_read(tmp_path):
    """A variable does not help where `secrets.providers` has no `env:`."""
    store = SecretStore([ProviderEntry(FolderSecrets(tmp_path), is_local=True)])
    with pytest.raises(ConfigError) as refused:
        store.get("NONE")
    assert refused.value.hint == f"Write it to {tmp_path / 'NONE'} (chmod 600)."


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


class UnreachableFolder(FolderSecrets):
    """A folder that can be out of reach, as a server can."""

    is_unreachable = False
    reads = 0

    def read(self, name):
        self.reads += 1
        if self.is_unreachable:
            raise SecretProviderError("no answer within 5 s\nat vault.internal", transient=True)
        return super().read(name)


class MovedClock(SystemClock):
    now_at = 1_000_000

    def now(self):
        return self.now_at


@pytest.fixture
def remote(tmp_path):
    """A store with a provider on a server before a local one, and its clock."""
    server, local = UnreachableFolder(tmp_path / "server"), FolderSecrets(tmp_path / "local")
    server.write("KEY", VALUE)
    local.write("KEY", "an-old-value-of-it")
    clock = MovedClock()
    entries = [ProviderEntry(server, is_local=False), ProviderEntry(local, is_local=True)]
    return SecretStore(entries, clock=clock, cache_ms=1_000, outage_limit_ms=10_000), server, clock


def test_answer_of_a_server_counts_for_a_while(remote):
    """Fifty threads that read at once cause one request; a value that a target refused is read again, once."""
    store, server, clock = remote
    threads = [threading.Thread(target=store.get, args=("KEY",)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.reads == 1
    server.write("KEY", "the-next-value-of-it")
    assert store.get("KEY") == VALUE
    assert store.read("KEY", instead_of=VALUE).value == "the-next-value-of-it"
    assert store.read("KEY", instead_of=VALUE).value == "the-next-value-of-it"
    assert server.reads == 2
    clock.now_at += 1_000
    store.get("KEY")
    assert server.reads == 3


class ReportingLock:
    """A lock that counts the threads which reach it."""

    def __init__(self):
        self.waiters = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self):
        self.waiters.release()
        self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()


def test_threads_that_wait_for_one_request_share_its_failure(remote):
    """Otherwise the tenth thread would wait for ten time-outs, one after the other."""
    store, server, _ = remote
    lock = store._locks[0, "KEY"] = ReportingLock()
    failures = []

    def get():
        with pytest.raises(SecretProviderError, match="no answer") as failed:
            store.get("KEY")
        failures.append(failed.value)

    def read(name):
        server.reads += 1
        for _ in threads if server.reads == 1 else ():
            assert lock.waiters.acquire(timeout=30)
        raise SecretProviderError("no answer within 5 s", hint="Wait.", transient=True)

    server.read = read
    threads = [threading.Thread(target=get) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(failure.transient, failure.hint) for failure in failures] == [(True, "Wait.")] * 5
    assert server.reads == 1


def test_answer_does_not_count_longer_because_the_clock_was_put_back(remote):
    """A day back would let a revoked value count for a day."""
    store, server, clock = remote
    store.get("KEY")
    server.write("KEY", "the-next-value-of-it")
    clock.now_at -= 500_000
    assert store.get("KEY") == "the-next-value-of-it"


def test_value_that_has_expired_is_not_used_in_an_outage(remote):
    """Its provider has deleted it by then."""
    store, server, clock = remote
    server.read = lambda name: SecretValue(VALUE, expires_at=clock.now_at + 2_000)
    assert store.get("KEY") == VALUE
    del server.read
    server.is_unreachable = True
    clock.now_at += 1_999
    assert store.get("KEY") == VALUE
    clock.now_at += 5_000
    with pytest.raises(SecretProviderError, match="no answer"):
        store.get("KEY")


def test_last_known_value_counts_during_an_outage_up_to_a_limit(remote):
    """It is reported, and never replaced by that of the next provider; afterwards the read fails and can be tried again."""
    store, server, clock = remote
    store.get("KEY")
    server.is_unreachable = True
    clock.now_at += 9_000
    assert store.get("KEY") == VALUE
    assert store.outages[server.name].names == ("KEY",)
    reads = server.reads
    assert store.get("KEY") == VALUE
    assert server.reads == reads, "the server is not asked each time"
    clock.now_at += 6_000
    with pytest.raises(SecretProviderError, match="no answer") as failed:
        store.get("KEY")
    assert classify(failed.value).kind is FailureKind.TRANSIENT
    with pytest.raises(SecretProviderError):
        store.get("OTHER")
    server.is_unreachable = False
    assert store.get("KEY") == VALUE
    assert store.outages == {}


def test_variable_can_name_a_file(tmp_path):
    """As containers mount secrets; a missing file is an error, not an unknown secret."""
    write(tmp_path / "mounted", VALUE)
    env = {"MAINSPRING_SECRET_KEY_FILE": str(tmp_path / "mounted")}
    assert SecretStore.of(None, env).get("KEY") == VALUE
    (tmp_path / "mounted").unlink()
    with pytest.raises(SecretProviderError, match="MAINSPRING_SECRET_KEY_FILE names"):
        SecretStore.of(None, env).get("KEY")
