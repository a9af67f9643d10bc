"""Keyrings that cannot be used: none, one in a plain file, a locked one and one that waits for a person."""

import subprocess
import sys
import threading
from contextlib import closing

import keyring.core
import pytest
from keyring.backends import fail
from keyring.errors import KeyringLocked, PasswordSetError
from keyrings.alt.file import PlaintextKeyring

from mainspring.domain.errors import SecretProviderError
from mainspring.integrations.secrets.keyring import KeyringProvider


def _provider(backend=None, within_s=30.0):
    provider = KeyringProvider("keyring:billing", "billing", "", within_s=within_s)
    provider._backend = backend
    return closing(provider)


class _Backend:
    def __init__(self, error):
        self._error = error

    def get_password(self, service, name):
        raise self._error

    def set_password(self, service, name, value):
        raise self._error


@pytest.mark.parametrize(
    ("backend", "problem", "fix"),
    [
        (fail.Keyring, "no keyring that can be used", "age: or env:"),
        (PlaintextKeyring, "may keep passwords in a plain file", "keyring:billing?backend=keyrings.alt.file.Plain"),
    ],
)
def test_keyring_that_protects_nothing_is_not_used_by_itself(backend, problem, fix, monkeypatch):
    """A library that is installed by chance must not decide that secrets lie in a plain file."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend())
    with _provider() as provider, pytest.raises(SecretProviderError, match=problem) as refused:
        provider.read("A")
    assert fix in str(refused.value.hint)
    assert not refused.value.transient


def test_backend_that_does_not_exist_is_named():
    """The hint lists those that exist."""
    provider = KeyringProvider("keyring:billing?backend=no.such.Backend", "billing", "no.such.Backend")
    with closing(provider), pytest.raises(SecretProviderError, match=r"no backend no\.such\.Backend"):
        provider.read("A")


def test_locked_keyring_is_transient_and_no_error_has_the_value():
    """A person unlocks it; the text of an error of a backend may contain the value."""
    with _provider(_Backend(KeyringLocked("x"))) as provider, pytest.raises(SecretProviderError) as locked:
        provider.read("A")
    assert locked.value.transient
    with _provider(_Backend(PasswordSetError("canary-value"))) as provider:
        with pytest.raises(SecretProviderError, match=r"does not do it \(PasswordSetError\)") as refused:
            provider.write("A", "canary-value")
        assert "canary-value" not in str(refused.value)
        assert not refused.value.transient


def test_keyring_that_waits_for_a_person_does_not_block_for_ever():
    """The dialogue of the desktop may be on a screen that no one sees."""
    answered = threading.Event()

    class Dialogue:
        def get_password(self, service, name):
            answered.wait(30)

    with _provider(Dialogue(), within_s=0.01) as provider:
        with pytest.raises(SecretProviderError, match="does not answer within") as late:
            provider.read("A")
        assert late.value.transient
        answered.set()


def test_call_that_was_given_up_is_not_made_later():
    """A person who unlocks the keyring an hour later must not store what was reported as not stored."""
    answered, stored = threading.Event(), []

    class Dialogue:
        def get_password(self, service, name):
            answered.wait(30)

        def set_password(self, service, name, value):
            stored.append(value)

    with _provider(Dialogue(), within_s=0.01) as provider:
        for call in (lambda: provider.read("A"), lambda: provider.write("A", "value-of-a")):
            with pytest.raises(SecretProviderError, match="does not answer within"):
                call()
        answered.set()
        provider._within_s = 30.0
        provider.read("A")
        assert stored == []


def test_keyring_that_waits_for_a_person_does_not_block_the_end_of_the_process():
    """The supervisor would kill it after its time to drain."""
    code = """
import threading
from mainspring.domain.errors import SecretProviderError
from mainspring.integrations.secrets.keyring import KeyringProvider

class Dialogue:
    def get_password(self, service, name):
        threading.Event().wait()

provider = KeyringProvider("keyring:billing", "billing", "", within_s=0.01)
provider._backend = Dialogue()
try:
    provider.read("A")
except SecretProviderError:
    provider.close()
    print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert ended.stdout == "ended\n", ended.stderr
