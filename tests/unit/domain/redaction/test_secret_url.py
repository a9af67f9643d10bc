"""An address that may be a secret: what can be trusted on its way, or a name."""

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_url import read_secret_url, resolve_secret_url


@pytest.mark.parametrize(
    "text", ["https://hc-ping.com/x", "http://127.0.0.1:80/x", "http://localhost/", "http://[::1]/", "secret:PULSE"]
)
def test_address_that_can_be_trusted_is_taken(text):
    """As it was written."""
    assert read_secret_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://hc-ping.com/x",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "https://",
        "ftp://x",
        "secret:",
        "https://[x",
        "a b",
    ],
)
def test_address_that_others_can_change_is_refused(text):
    """Also one that only begins like this machine."""
    with pytest.raises(OptionError):
        read_secret_url(text)


def test_secret_is_resolved_when_it_is_used():
    """An address that is none is as it is."""
    secrets = {"PULSE": "https://hc-ping.com/y"}

    class Known:
        def get(self, name):
            return secrets[name]

    assert resolve_secret_url("secret:PULSE", Known()) == "https://hc-ping.com/y"
    assert resolve_secret_url("https://a.example", Known()) == "https://a.example"
